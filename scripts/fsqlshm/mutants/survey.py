"""All mutants of the library: every operator on every node of clang's syntax tree of every source."""

import collections
import contextlib
import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Sequence
from typing import Any

from clang import cindex
from clang.cindex import Cursor, CursorKind

from fsqlshm import ROOT
from fsqlshm.files import write_json
from fsqlshm.mutants.mutant import Edit, Mutant, Span
from fsqlshm.mutants.operators import OPERATORS, Edits, Source
from fsqlshm.results import CouldNotRun
from fsqlshm.schema import BadDocument, read_json

FOLDERS = ("core/src", "core/include")
# The published protocol has to be as it is: the golden vectors compare it with the original, and its faults are known.
NOT = ("core/include/fsqlshm/reference/",)
FLAGS = ["-x", "c++", "-std=c++23", "-DNDEBUG", '-DFSQLSHM_VERSION="0"', "-Wno-everything"]
NAMED = (
    CursorKind.FUNCTION_DECL,
    CursorKind.CXX_METHOD,
    CursorKind.FUNCTION_TEMPLATE,
    CursorKind.CONSTRUCTOR,
    CursorKind.DESTRUCTOR,
    CursorKind.CONVERSION_FUNCTION,
    CursorKind.VAR_DECL,
    CursorKind.FIELD_DECL,
)
CLASSES = (CursorKind.CLASS_DECL, CursorKind.STRUCT_DECL, CursorKind.CLASS_TEMPLATE)
# What makes the mutants.
CODE = [pathlib.Path(__file__).with_name(f"{name}.py") for name in ("mutant", "operators", "survey")]
# What the compiler judges, or what no code comes of.
NO_CODE = (CursorKind.STATIC_ASSERT, CursorKind.CONCEPT_DECL, CursorKind.ENUM_DECL, CursorKind.FRIEND_DECL)


def files(root: pathlib.Path = ROOT) -> list[str]:
    found = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*")) if path.suffix in (".cc", ".h")]
    names = [str(path.relative_to(root)) for path in found]
    return [name for name in names if not name.startswith(NOT)]


@functools.cache
def _index() -> cindex.Index:
    try:
        return cindex.Index.create()
    except cindex.LibclangError as error:
        raise CouldNotRun(f"libclang cannot be loaded: {error}") from error


def _parse(path: pathlib.Path, root: pathlib.Path) -> Cursor:
    flags = [*FLAGS, f"-I{root / 'core/include'}", f"-I{root / 'core/src'}"]
    unit = _index().parse(str(path), flags)
    wrong = [one for one in unit.diagnostics if one.severity >= cindex.Diagnostic.Error]
    if wrong:
        raise CouldNotRun(f"clang cannot read {path}: {wrong[0].spelling}")
    return unit.cursor


class _Unit:
    """The mutants of the files of a source and of the headers that it includes."""

    def __init__(self, wanted: Sequence[str], root: pathlib.Path) -> None:
        self.sources = {str(root / name): Source(str(root / name), (root / name).read_bytes()) for name in wanted}
        self.root = root
        self.found: dict[str, list[Mutant]] = {}
        self.numbers: collections.Counter[tuple[str, str, str]] = collections.Counter()
        self.seen: set[tuple[str, Edits]] = set()

    def walk(self, node: Cursor, function: str = "", body: Span | None = None) -> None:
        for child in node.get_children():
            file = child.location.file
            if file is None or child.kind in NO_CODE or (source := self.sources.get(file.name)) is None:
                continue
            name, inside = function, body
            if not function and child.kind in NAMED:
                name, inside = _name(child), _body(source, child)
            if name:
                self.add(source, name, inside, child)
            self.walk(child, name, inside)

    def add(self, source: Source, function: str, body: Span | None, node: Cursor) -> None:
        file = str(pathlib.PurePath(source.path).relative_to(self.root))
        for operator, make in OPERATORS.items():
            for edits in make(source, node):
                if (file, edits) in self.seen:
                    continue
                self.seen.add((file, edits))
                self.numbers[file, function, operator] += 1
                number = self.numbers[file, function, operator]
                line = source.text.count(b"\n", 0, edits[0].start) + 1
                around = body if body and all(body[0] < one.start and one.end < body[1] for one in edits) else None
                self.found.setdefault(file, []).append(Mutant(file, function, operator, number, line, edits, around))


def _body(source: Source, node: Cursor) -> Span | None:
    """Of a function, braces included."""
    blocks = [one for one in node.get_children() if one.kind == CursorKind.COMPOUND_STMT]
    return source.span(blocks[0]) if blocks else None


def _name(node: Cursor) -> str:
    names = [node.spelling.partition("<")[0]]
    parent = node.semantic_parent
    while parent is not None and parent.kind in CLASSES:
        names.insert(0, parent.spelling)
        parent = parent.semantic_parent
    return "::".join(names)


def all_mutants(root: pathlib.Path = ROOT) -> list[Mutant]:
    """In the order of files and lines. A header is read where the first source includes it."""
    left = files(root)
    found: dict[str, list[Mutant]] = {}
    for name in [name for name in left if name.endswith(".cc")]:
        unit = _Unit(left, root)
        unit.walk(_parse(root / name, root))
        found.update(unit.found)
        left = [name for name in left if name not in unit.found]
    return [mutant for name in sorted(found) for mutant in found[name]]


def _read(row: dict[str, Any]) -> Mutant:
    row["edits"] = tuple(Edit(**one) for one in row["edits"])
    row["body"] = tuple(row["body"]) if row["body"] else None
    return Mutant(**row)


def kept(folder: pathlib.Path, root: pathlib.Path = ROOT) -> list[Mutant]:
    """All of them, as a file of `folder` has them from the last time if nothing has changed: clang takes some ten
    seconds for all sources."""
    digest = hashlib.sha256()
    for path in [*(root / name for name in files(root)), *CODE]:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    state, place = digest.hexdigest(), folder / "survey.json"
    with contextlib.suppress(BadDocument):
        if (document := read_json(place))["state"] == state:
            return [_read(row) for row in document["mutants"]]
    found = all_mutants(root)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(place, {"state": state, "mutants": [dataclasses.asdict(one) for one in found]})
    return found
