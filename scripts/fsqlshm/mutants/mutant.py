"""A mutant of the library: its source with one fault."""

import dataclasses
import difflib
import pathlib

from fsqlshm import ROOT

Span = tuple[int, int]  # offsets in a file, in bytes


@dataclasses.dataclass(frozen=True, order=True)
class Edit:
    """Bytes of a file and what comes in their place."""

    start: int
    end: int
    text: str

    def overlaps(self, start: int, end: int) -> bool:
        return self.start < end and start < self.end


@dataclasses.dataclass(frozen=True)
class Mutant:
    """`number` counts the mutants of one operator in one function, so that edits of other functions do not change
    who is who."""

    file: str  # below the repository's root
    function: str
    operator: str
    number: int
    line: int
    edits: tuple[Edit, ...]
    body: Span | None = None  # of the outermost function, braces included, if all edits are in it

    @property
    def id(self) -> str:
        return f"{self.file}:{self.function}:{self.operator}:{self.number}"

    def applied_to(self, text: bytes) -> bytes:
        for edit in sorted(self.edits, reverse=True):
            text = text[: edit.start] + edit.text.encode() + text[edit.end :]
        return text

    def diff(self, root: pathlib.Path = ROOT) -> str:
        before = (root / self.file).read_bytes()
        old, new = (text.decode().splitlines(keepends=True) for text in (before, self.applied_to(before)))
        return "".join(difflib.unified_diff(old, new, f"a/{self.file}", f"b/{self.file}", n=1))
