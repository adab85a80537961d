"""The machine code of the hot paths orders what the memory orders ask for, and nothing else.

What they ask for is recorded (core/hot_paths/orders.cc); what the code does is read in its disassembly. code_test.py
--write brings the table of docs/machines.md up to date.
"""

import collections
import functools
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import support
from fsqlshm import ROOT

INCLUDE = ROOT / "core" / "include"
SOURCES = ROOT / "core" / "hot_paths"
PAGE = ROOT / "docs" / "machines.md"
TABLE = re.compile(r"(<!-- hot paths -->\n)(.*?)(<!-- end -->)", re.DOTALL)
OPERATIONS = ("read", "publish", "open", "alloc", "acquire", "release")
X86_64 = {"x86-64, g++": ["g++"], "x86-64, clang": ["clang++-19"]}
AARCH64 = {"aarch64, g++": ["aarch64-linux-gnu-g++"], "aarch64, clang": ["clang++-19", "--target=aarch64-linux-gnu"]}
Code = dict[str, list[str]]
Counts = collections.Counter[str]


def run(*command: object) -> str:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, timeout=120).stdout


def there() -> dict[str, list[str]]:
    """The compilers of this machine."""
    return {name: command for name, command in (X86_64 | AARCH64).items() if not missing(name)}


def missing(name: str) -> str:
    """Why a compiler cannot be used; empty: it can."""
    if name in AARCH64:
        return "" if shutil.which("aarch64-linux-gnu-g++") else "g++-aarch64-linux-gnu is not installed"
    return "" if run("uname", "-m") == "x86_64\n" else "this is no x86-64"


def compiled(compiler: list[str], out: pathlib.Path, include: pathlib.Path) -> Code:
    """The instructions of each operation; what a call is of stands behind it."""
    return disassembly(compiler, out, include, SOURCES / "code.cc", "hot_")


def allocation(compiler: list[str], out: pathlib.Path, include: pathlib.Path) -> list[str]:
    """The instructions of fsqlshm_header_alloc_txn_id."""
    source = ROOT / "core" / "src" / "c_header.cc"
    return disassembly([*compiler, '-DFSQLSHM_VERSION=""'], out, include, source, "fsqlshm_header_")["alloc_txn_id"]


def disassembly(
    compiler: list[str], out: pathlib.Path, include: pathlib.Path, source: pathlib.Path, prefix: str
) -> Code:
    """The instructions of the functions whose names begin with `prefix`."""
    code = out / "code.o"
    run(*compiler, "-std=c++23", "-O3", "-DNDEBUG", f"-I{include}", "-c", source, "-o", code)
    functions: Code = {}
    for line in run("llvm-objdump-19", "-dr", "--no-show-raw-insn", code).splitlines():
        if match := re.match(r"[0-9a-f]+ <(.+)>:$", line):
            here = functions.setdefault(match[1], [])
        elif match := re.match(r"\s+[0-9a-f]+:\s+R_\w+\s+(\S+)", line):
            here[-1] += f" {match[1]}"
        elif match := re.match(r"\s+[0-9a-f]+:\s+(\S.*)", line):
            text = re.sub(r"\s+", " ", match[1])
            if here[-1:] == ["lock"]:  # a prefix of the next
                here[-1] += f" {text}"
            else:
                here.append(text)
    return {name.removeprefix(prefix): lines for name, lines in functions.items() if name.startswith(prefix)}


def asked_for(out: pathlib.Path, include: pathlib.Path) -> dict[str, Counts]:
    """What each operation asks for: "load:acquire" and so on, how often."""
    program = out / "orders"
    run("g++", "-std=c++23", f"-I{include}", SOURCES / "orders.cc", "-o", program)
    lines = (line.split() for line in run(program).splitlines())
    return {words[0]: collections.Counter(words[1:]) for words in (*lines, ["open"])}


def ordered(code: list[str], aarch64: bool) -> Counts:
    """What the code orders, in the terms of asked_for; a fence is "fence"."""
    found: Counts = collections.Counter()
    orders = {"acq": "acquire", "rel": "release", "relax": "relaxed"}
    for line in code:
        if aarch64:
            if re.match(r"ldap?r\b", line):
                found["load:acquire"] += 1
            elif re.match(r"stlr\b", line):
                found["store:release"] += 1
            elif match := re.search(r"__aarch64_cas8_(\w+?)(\+0x0)?$", line):
                found[f"cas:{orders.get(match[1], match[1])}"] += 1
            elif re.match(
                r"(dmb|dsb)\b|.*\b(__aarch64_\w+|__sync_\w+)|(ld|st)\w*x[rp]\b|(cas|swp|ld(add|set|clr))", line
            ):
                found["fence"] += 1
        elif re.match(r"lock\b", line) and "cmpxchg" in line:
            found["cas"] += 1
        elif re.match(r"lock\b|[lsm]fence\b|xchg\w* .*\(", line):
            found["fence"] += 1
    return found


def expected(asked: Counts, aarch64: bool) -> Counts:
    """What that machine has instructions for: x86-64 orders all but a store and a later load by itself."""
    wanted: Counts = collections.Counter()
    for what, number in asked.items():
        kind, order = what.split(":")
        if order == "seq_cst":
            wanted["fence"] += number  # none is wanted; a mutant of these tests has one
        elif kind == "cas":
            wanted[what if aarch64 else "cas"] += number
        elif aarch64 and order != "relaxed":
            wanted[what] += number
    return wanted


def cell(code: list[str], aarch64: bool) -> str:
    names = {"load:acquire": "ldar", "store:release": "stlr", "cas": "lock cmpxchg"}
    names |= {f"cas:{order}": f"CAS {order}" for order in ("acquire", "release", "acq_rel")}
    parts = [f"{number} {names.get(what, what)}" for what, number in sorted(ordered(code, aarch64).items())]
    return ", ".join([str(len(code)), *parts])


@functools.cache
def code_of(name: str) -> Code:
    """As the project has it."""
    with support.temporary() as folder:
        return compiled(there()[name], pathlib.Path(folder), INCLUDE)


def table() -> str:
    heads = [f"{name} {run(command[0], '-dumpversion').strip()}" for name, command in there().items()]
    rows = ["| operation | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for operation in OPERATIONS:
        cells = [cell(code_of(name)[operation], name in AARCH64) for name in there()]
        rows.append(f"| {operation} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def differences(codes: Code, asked: dict[str, Counts], aarch64: bool) -> list[str]:
    """Where a compiler's code orders otherwise than is asked for."""
    if set(codes) != set(asked) or any(len(code) <= 8 for code in codes.values()):
        raise AssertionError(f"the disassembly was not understood: {codes}")
    said = []
    for operation, code in codes.items():
        found, wanted = ordered(code, aarch64), expected(asked[operation], aarch64)
        if found != wanted:
            said.append(f"{operation}: the code has {dict(found)}, asked for is {dict(wanted)}")
    return said


def in_memory(code: list[str]) -> list[str]:
    """The instructions of x86-64 that touch the stack of a function that has no need of any."""
    return [line for line in code if "(%rsp" in line]


class CodeTest(support.FolderTest):
    def test_no_barrier_that_the_orders_do_not_ask_for(self) -> None:
        asked = asked_for(self.top, INCLUDE)
        for name in X86_64 | AARCH64:
            with self.subTest(name):
                if missing(name):
                    self.skipTest(missing(name))
                self.assertEqual(differences(code_of(name), asked, name in AARCH64), [])

    def test_a_barrier_too_many_is_found(self) -> None:
        seqlock, words = "fsqlshm/hardened/seqlock.h", "fsqlshm/words.h"
        fence = "std::atomic_thread_fence(std::memory_order::seq_cst);"
        exchange = ".compare_exchange_strong(expected, desired"
        for header, before, after, operation, names in (
            (seqlock, "    close(seq);", f"    {fence}\n    close(seq);", "publish", there()),
            (words, ".store(value, order);", ".store(value);", "publish", there()),
            # On x86-64 every exchange is a full barrier, whatever is asked for.
            (words, f"{exchange}, success, failure);", f"{exchange});", "acquire", AARCH64),
        ):
            include = self.top / "include"
            shutil.rmtree(include, ignore_errors=True)
            shutil.copytree(INCLUDE, include)
            text = (include / header).read_text(encoding="utf-8")
            self.assertEqual(text.count(before), 1, before)
            (include / header).write_text(text.replace(before, after), encoding="utf-8")
            asked = asked_for(self.top, include)
            for name in sorted(set(names) & set(there())):
                if "clang" in name:  # it compiles faster, and the other would say the same
                    with self.subTest(f"{name}: {after}"):
                        code = compiled(there()[name], self.top, include)
                        self.assertIn(operation, " ".join(differences(code, asked, name in AARCH64)))

    def test_an_id_does_not_pass_through_memory(self) -> None:
        for name in sorted(set(X86_64) & set(there())):
            with self.subTest(name):
                self.assertEqual(in_memory(allocation(there()[name], self.top, INCLUDE)), [])

    def test_an_id_that_passes_through_memory_is_found(self) -> None:
        name, include = "x86-64, g++", self.top / "include"
        if missing(name):
            self.skipTest(missing(name))
        shutil.copytree(INCLUDE, include)
        path = include / "fsqlshm" / "txn_id_allocator.h"
        text, made = path.read_text(encoding="utf-8"), "std::optional(*TxnId::from_raw(current)) : std::nullopt;"
        one = f"return TxnId::in_domain(current) ? {made}"
        self.assertEqual(text.count(one), 1)
        other = "const auto id = TxnId::from_raw(current); return id ? std::optional(*id) : std::nullopt;"
        path.write_text(text.replace(one, other), encoding="utf-8")
        self.assertNotEqual(in_memory(allocation(there()[name], self.top, include)), [])

    def test_the_table_is_up_to_date(self) -> None:
        match = TABLE.search(PAGE.read_text(encoding="utf-8"))
        assert match is not None
        for name in X86_64 | AARCH64:
            if missing(name):
                self.skipTest(missing(name))
        now = table()
        if match[2].splitlines()[0] != now.splitlines()[0]:
            self.skipTest(f"other versions of the compilers: {now.splitlines()[0]}")
        self.assertEqual(match[2], now, "run code_test.py --write")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(TABLE.sub(lambda m: m[1] + table() + m[3], page), encoding="utf-8")
    else:
        unittest.main()
