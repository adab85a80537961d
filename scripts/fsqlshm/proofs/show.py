"""Inputs of an obligation for people and for other programs: as a header, byte by byte, and as files."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping

from fsqlshm import files, schema
from fsqlshm.proofs import ir, wire
from fsqlshm.proofs.case import Case
from fsqlshm.proofs.obligations import Obligation
from fsqlshm.proofs.prove import Example, header_of, run_with
from fsqlshm.proofs.terms import Bits, Truth, known
from fsqlshm.results import CouldNotRun

SCHEMA = "proof-input.json"
# Numbers that have a name each.
NAMED = {"code": wire.ERRORS}


def header_table(header: bytes) -> str:
    """A line for each field: offset, bytes as they lie in the file, name, value."""
    lines = []
    for field in wire.FIELDS.values():
        held = header[field.offset : field.offset + field.size]
        for start in range(0, field.size, 16):
            name = field.name if start == 0 else ""
            value = str(int.from_bytes(held, "little")) if start == 0 and field.kind and field.size <= 8 else ""
            lines.append(f"{field.offset + start:5}  {held[start:start + 16].hex(' '):47}  {name:31}{value}".rstrip())
    return "\n".join(lines)


def inputs(obligation: Obligation, values: Mapping[str, int]) -> str:
    """Those that are no words of the header."""
    others = {name: value for name, value in values.items() if name not in obligation.words and value}
    hidden = ("never written", "anything", "address of out")
    wanted = {name: value for name, value in others.items() if not name.startswith(hidden)}
    return "\n".join(f"{name}: {value} ({value:#x})" for name, value in sorted(wanted.items()))


def _value(name: str, side: Bits | Truth | str) -> str:
    if not isinstance(side, Bits):
        return side if isinstance(side, str) else str(known(side)).lower()
    names = NAMED.get(name, [])
    return f"{side.term:#x}" + (f" ({names[side.term]})" if side.term < len(names) else "")


def failures(case: Case) -> list[str]:
    """Each claim that does not hold for an input, with its two sides, and what was undefined."""
    lines = []
    for claim in case.claims:
        if not known(claim.holds):
            lines.append(f"does not hold: {claim.text}")
            for pair in claim.different():
                values = (_value(pair.name, side) for side in (pair.given, pair.demanded))
                lines.append(f"  {pair.name}: " + ", ".join(map(" ".join, zip(pair.sides, values))))
    return lines + [f"  {fault.what}" for fault in case.machine.faults if known(fault.when)]


def described(obligation: Obligation, module: ir.Module, case: Case, values: Mapping[str, int]) -> str:
    """An input: what does not hold of it, and what it is."""
    said = [obligation.text, *(failures(case) or [f"all {len(case.claims)} claims hold"])]
    parts = ["\n".join(said), inputs(obligation, values), header_table(header_of(obligation, module, values))]
    return "\n\n".join(filter(None, parts))


def keep(
    obligation: Obligation, case: Case, level: int, example: Example, folder: pathlib.Path
) -> tuple[pathlib.Path, pathlib.Path]:
    """Writes the inputs, and the header as a seed of the fuzz target open_raw. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {name: example.values.get(name, 0) for name in case.widths}
    own = {name: value for name, value in values.items() if name in case.own}
    document = {"obligation": obligation.name, "level": level, "claim": example.text, "values": own}
    path, header = folder / "input.json", folder / "header"
    files.write_json(path, document | {"undetermined": {name: values[name] for name in values.keys() - own.keys()}})
    header.write_bytes(example.header[: min(example.values.get("size", wire.SIZE), wire.SIZE)])
    return path, header


@dataclasses.dataclass(frozen=True)
class Kept:
    """An input from a file: what keep() wrote, or the bytes of a header."""

    path: pathlib.Path
    values: Mapping[str, int]
    level: int | None = None
    own: frozenset[str] | None = None  # the inputs that the obligation asks for by itself; none of a header

    @classmethod
    def read(cls, obligation: Obligation, path: pathlib.Path) -> "Kept":
        """Raises CouldNotRun, BadDocument, OSError."""
        if path.exists() and not path.is_file():
            raise CouldNotRun(f"{path}: {files.NOT_REGULAR}")
        return cls._document(obligation, path) if path.suffix == ".json" else cls._header(obligation, path)

    @classmethod
    def _document(cls, obligation: Obligation, path: pathlib.Path) -> "Kept":
        document = schema.read_json(path)
        try:
            schema.check(SCHEMA, document)
        except schema.BadDocument as error:
            raise CouldNotRun(f"{path} is no input of an obligation: {error}") from error
        if document["obligation"] != obligation.name:
            raise CouldNotRun(f"{path} is an input of {document['obligation']}, not of {obligation.name}")
        own = document["values"]
        return cls(path, document["undetermined"] | own, document["level"], frozenset(own))

    @classmethod
    def _header(cls, obligation: Obligation, path: pathlib.Path) -> "Kept":
        if not obligation.words:
            raise CouldNotRun(f"{obligation.name} is not about any header: give it the input.json of a finding")
        with open(path, "rb") as file:
            held, size = file.read(wire.SIZE), os.fstat(file.fileno()).st_size
        padded = held.ljust(wire.SIZE, b"\0")
        words = [int.from_bytes(padded[place : place + 8], "little") for place in range(0, wire.SIZE, 8)]
        # At an address that is a multiple of 8.
        return cls(path, dict(zip(obligation.words, words)) | {"size": size, "address of header": 1 << 32})

    def check(self, case: Case) -> None:
        """Raises CouldNotRun if these are not the inputs that were asked for. What the code reads and nothing
        determines depends on the code: there may be more of it, which is 0, or less."""
        if self.own is not None:
            for names, what in ((case.own - self.own, "is missing"), (self.own - case.own, "is no input of it")):
                if names:
                    raise CouldNotRun(f"{self.path}: {min(names)} {what}")
        for name, value in self.values.items():
            if value >> case.widths.get(name, 64):
                raise CouldNotRun(f"{self.path}: {name} is {value:#x}, which has more than {case.widths[name]} bits")


def replayed(obligation: Obligation, module: ir.Module, kept: Kept) -> tuple[bool, str]:
    """Whether every claim holds for one input, and the text that says so. Raises CouldNotRun if it is none of the
    obligation's."""
    case = run_with(obligation, module, kept.values)
    kept.check(case)
    if not all(map(known, case.assumptions)):
        raise CouldNotRun(f"{kept.path}: {obligation.name} is not about this input")
    return not failures(case), described(obligation, module, case, kept.values)
