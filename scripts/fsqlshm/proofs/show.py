"""Inputs of an obligation for people and for other programs: as a header, byte by byte, and as files."""

import dataclasses
import pathlib
from collections.abc import Mapping

from fsqlshm import files, schema
from fsqlshm.proofs import ir, wire
from fsqlshm.proofs.obligations import Obligation
from fsqlshm.proofs.prove import Example, header_of, known, run_with
from fsqlshm.results import CouldNotRun


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
    return "\n".join(f"{name}: {value} ({value:#x})" for name, value in wanted.items())


def described(obligation: Obligation, example: Example) -> str:
    parts = [f"{obligation.text}\ndoes not hold: {example.text}", inputs(obligation, example.values)]
    return "\n\n".join([*filter(None, parts), header_table(example.header)])


def keep(obligation: Obligation, example: Example, folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Writes the inputs, and the header as a seed of the fuzz target open_raw."""
    folder.mkdir(parents=True, exist_ok=True)
    values = folder / "input.json"
    files.write_json(values, {"obligation": obligation.name, "claim": example.text, "values": dict(example.values)})
    header = folder / "header"
    size = example.values.get("size", wire.SIZE)
    header.write_bytes(example.header[: min(size, wire.SIZE)])
    return values, header


@dataclasses.dataclass(frozen=True)
class Kept:
    """An input from a file: what keep() wrote, or the bytes of a header."""

    values: Mapping[str, int]

    @classmethod
    def read(cls, obligation: Obligation, path: pathlib.Path) -> "Kept":
        if path.suffix == ".json":
            document = schema.read_json(path)
            if not isinstance(document, dict) or not isinstance(document.get("values"), dict):
                raise CouldNotRun(f"{path} is no input of an obligation")
            return cls({str(name): int(value) for name, value in document["values"].items()})
        held = path.read_bytes()
        if not obligation.words:
            raise CouldNotRun(f"{obligation.name} is not about any header: give it the input.json of a finding")
        padded = held[: wire.SIZE].ljust(wire.SIZE, b"\0")
        words = [int.from_bytes(padded[place : place + 8], "little") for place in range(0, wire.SIZE, 8)]
        # At an address that is a multiple of 8.
        return cls(dict(zip(obligation.words, words)) | {"size": len(held), "address of header": 1 << 32})


def replayed(obligation: Obligation, module: ir.Module, values: Mapping[str, int]) -> tuple[bool, str]:
    """Whether every claim holds for one input, and a text: the header, the other inputs, each claim that does not."""
    case = run_with(obligation, module, values)
    broken = [claim.text for claim in case.claims if not known(claim.holds)]
    lines = [header_table(header_of(obligation, module, values)), "", inputs(obligation, values)]
    if not all(map(known, case.assumptions)):
        return True, "\n".join([*lines, f"{obligation.name}: it is not about this input"])
    lines += [f"does not hold: {text}" for text in broken]
    lines += [f"  {fault.what}" for fault in case.machine.faults if known(fault.when)]
    if not broken:
        lines.append(f"all {len(case.claims)} claims hold")
    return not broken, "\n".join(lines)
