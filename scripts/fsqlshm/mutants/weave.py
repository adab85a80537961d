"""Sources with many mutants in them: a function has a copy of its body for each of its mutants, and a number that a
program reads from its environment says which copy runs. (The literature calls them mutant schemata.)"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping, Sequence, Set

from fsqlshm.mutants.mutant import Mutant, Span

CHOSEN, REACHED = "FSQLSHM_MUTANT", "FSQLSHM_REACHED"
HEADER = "core/include/fsqlshm_mutants.h"
# System calls by their numbers: the linker puts the harness between a program and those that have a name.
HEADER_TEXT = f"""\
#ifndef FSQLSHM_MUTANTS_H_
#define FSQLSHM_MUTANTS_H_

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace fsqlshm_mutants {{

// The file that {REACHED} names, a byte a function, or null.
inline unsigned char* shared_bytes() noexcept {{
  const char* const path = std::getenv("{REACHED}");
  if (path == nullptr) return nullptr;
  const long file = ::syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
  if (file < 0) return nullptr;
  const long size = ::syscall(SYS_lseek, file, 0L, SEEK_END);
  const long bytes = ::syscall(SYS_mmap, nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0L);
  ::syscall(SYS_close, file);
  return bytes == -1 ? nullptr : reinterpret_cast<unsigned char*>(bytes);
}}

inline int number() noexcept {{
  const char* const text = std::getenv("{CHOSEN}");
  return text == nullptr ? 0 : std::atoi(text);
}}

inline const int chosen = number();
inline unsigned char* const reached = shared_bytes();

inline void enter(int function) noexcept {{
  if (reached != nullptr) [[unlikely]] __atomic_store_n(reached + function, 1, __ATOMIC_RELAXED);
}}

}}  // namespace fsqlshm_mutants

#endif  // FSQLSHM_MUTANTS_H_
"""
Function = tuple[str, Span]  # file and body
DIAGNOSTIC = re.compile(r"^(.+?):(\d+):\d+: (fatal error|error|warning|note): ")


def function_of(mutant: Mutant) -> Function:
    if mutant.body is None:
        raise ValueError(f"{mutant.id} is in no function's body")
    return mutant.file, mutant.body


@dataclasses.dataclass(frozen=True)
class Place:
    """The mutants, by id, that are the reason if a line does not compile."""

    mutants: frozenset[str]
    is_head: bool = False  # where a copy is chosen


@dataclasses.dataclass(frozen=True)
class Woven:
    """Sources, and what chooses and tells of the mutants in them."""

    texts: dict[str, bytes]  # by file, HEADER included
    numbers: dict[str, int]  # what the variable CHOSEN is for a mutant, by its id; from 1
    functions: dict[Function, int]  # the byte of each in the file that the variable REACHED names
    lines: dict[str, dict[int, Place]]  # by file


def woven(originals: Mapping[str, bytes], mutants: Sequence[Mutant], without: Set[str] = frozenset()) -> Woven:
    """Of the files that the mutants are in. The numbers do not depend on `without`, the ids of some that are left out,
    so that the other files stay what they are. REQUIRES: each has a body."""
    by_file: dict[str, dict[Span, list[Mutant]]] = {}
    for one in mutants:
        file, body = function_of(one)
        by_file.setdefault(file, {}).setdefault(body, []).append(one)
    result = Woven({HEADER: HEADER_TEXT.encode()}, {}, {}, {})
    for number, one in enumerate(mutants, start=1):
        if one.id not in without:
            result.numbers[one.id] = number
            result.functions.setdefault(function_of(one), 0)
    for number, function in enumerate(dict.fromkeys(map(function_of, mutants))):
        if function in result.functions:
            result.functions[function] = number
    for file, functions in sorted(by_file.items()):
        kept = {span: [one for one in every if one.id in result.numbers] for span, every in functions.items()}
        result.texts[file] = _file(originals[file], file, {span: some for span, some in kept.items() if some}, result)
    return result


def _file(text: bytes, file: str, functions: Mapping[Span, Sequence[Mutant]], result: Woven) -> bytes:
    if not functions:
        return text
    whole, place = b'#include "fsqlshm_mutants.h"\n', 0
    result.lines[file] = {}
    for body, members in sorted(functions.items()):
        whole += text[place : body[0]]
        whole += _function(text, body, members, result, whole.count(b"\n") + 1)
        place = body[1]
    return whole + text[place:]


def _function(text: bytes, body: Span, members: Sequence[Mutant], result: Woven, line: int) -> bytes:
    """The body with its copies; it begins in `line`."""
    file = members[0].file
    function, lines, after = result.functions[file, body], result.lines[file], len(text) - body[1]
    # What a constant expression needs cannot read a variable, and does not compile: such mutants are built alone.
    lines[line] = Place(frozenset(one.id for one in members), is_head=True)
    whole = b"{ ::fsqlshm_mutants::enter(%d); switch (::fsqlshm_mutants::chosen) {\n" % function
    for one in members:
        mutated = one.applied_to(text)
        copy = b"case %d:\n%s\nbreak;\n" % (result.numbers[one.id], mutated[body[0] : len(mutated) - after])
        begin = line + whole.count(b"\n")
        lines |= {begin + offset: Place(frozenset([one.id])) for offset in range(copy.count(b"\n"))}
        whole += copy
    return whole + b"default:\n" + text[body[0] : body[1]] + b"}}"


def to_blame(log: str, folder: pathlib.Path, tree: pathlib.Path, found: Woven) -> set[str]:
    """The mutants whose copies are the reason for clang's errors; `folder` is where clang ran. None for an error that
    no copy is the reason for."""
    blamed: set[str] = set()
    places: list[Place] = []  # of an error and its notes

    def close() -> None:
        if places:
            # A call that has to be constant is an error where it stands; the reason is the function that is called.
            blamed.update(next((one for one in places if one.is_head), places[0]).mutants)
        places.clear()

    is_error = False
    for text in log.splitlines():
        if not (said := DIAGNOSTIC.match(text)):
            continue
        if said[3] != "note":
            close()
            is_error = said[3] != "warning"
        file = os.path.relpath(os.path.normpath(folder / said[1]), tree)
        if is_error and (here := found.lines.get(file, {}).get(int(said[2]))):
            places.append(here)
    close()
    return blamed
