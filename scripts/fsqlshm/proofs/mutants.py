"""Mutants: the core with one fault, applied to a copy of its file. Each has to be refuted, or to be equivalent."""

import dataclasses
import pathlib
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence

from fsqlshm import ROOT
from fsqlshm.proofs import compiler, ir
from fsqlshm.proofs.obligations import OBLIGATIONS
from fsqlshm.proofs.prove import PROVED, REFUTED, UNDECIDED, Decision, decide
from fsqlshm.results import CouldNotRun

TABLE = ROOT / "fuzz" / "proofs" / "mutants.toml"
EQUIVALENT = "equivalent"
OPERATORS = ("comparison", "constant", "field", "order", "dropped")


@dataclasses.dataclass(frozen=True)
class Mutant:
    file: str
    before: str
    after: str
    operator: str
    by: str  # the obligation that is asked first
    equivalent: str = ""  # why it changes nothing

    @property
    def name(self) -> str:
        """What it does, in a line."""
        before, after = (" ".join(text.split()) for text in (self.before, self.after))
        return f"{pathlib.PurePath(self.file).name}: {before} -> {after or 'nothing'}"

    def text(self) -> str:
        """The file with the fault."""
        original = (ROOT / self.file).read_text(encoding="utf-8")
        if original.count(self.before) != 1:
            raise CouldNotRun(f"{self.file} has {original.count(self.before)} times, not once: {self.before}")
        return original.replace(self.before, self.after)

    def compiled(self, level: int, original: Mapping[str, ir.Module]) -> dict[str, ir.Module]:
        """With what did not change as it was."""
        with tempfile.TemporaryDirectory(prefix="fsqlshm-mutant-") as name:
            folder = pathlib.Path(name)
            if self.file in compiler.UNITS:
                changed = folder / pathlib.PurePath(self.file).name
                sources, units = compiler.Sources({self.file: changed}), tuple([self.file])
            else:
                changed = folder / pathlib.PurePath(self.file).relative_to(compiler.INCLUDE)
                sources, units = compiler.Sources(first=folder), compiler.UNITS
            changed.parent.mkdir(parents=True, exist_ok=True)
            changed.write_text(self.text(), encoding="utf-8")
            return {**original, **compiler.compile_units(level, sources, units)}


@dataclasses.dataclass
class Trial:
    """What became of a mutant. No decision: clang makes the same code of it."""

    mutant: Mutant
    decision: Decision | None
    seconds: float

    @property
    def status(self) -> str:
        if self.decision is None or self.decision.status == PROVED:
            return EQUIVALENT
        return REFUTED if self.decision.status == REFUTED else UNDECIDED

    @property
    def by(self) -> str:
        return self.decision.obligation.name if self.decision and self.status == REFUTED else ""

    @property
    def as_expected(self) -> bool:
        return self.status == (EQUIVALENT if self.mutant.equivalent else REFUTED)


def read_table(path: pathlib.Path = TABLE) -> list[Mutant]:
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    mutants = [Mutant(**row) for row in rows]
    for one in mutants:
        if one.by not in OBLIGATIONS or one.operator not in OPERATORS:
            raise CouldNotRun(f"{path}: {one.name}: no such obligation or operator")
    return mutants


def attempt(mutant: Mutant, level: int, original: Mapping[str, ir.Module]) -> Trial:
    """Asks one obligation after the other until one refutes it. One that all hold for is equivalent: they say
    everything that the code answers."""
    start = time.monotonic()
    changed = mutant.compiled(level, original)
    if all(changed[unit].code == module.code for unit, module in original.items()):
        return Trial(mutant, None, time.monotonic() - start)
    module = compiler.linked(changed)
    ordered: Sequence[str] = [mutant.by, *(name for name in OBLIGATIONS if name != mutant.by)]
    for name in ordered:
        decision = decide(OBLIGATIONS[name], module, witnesses=False)
        if decision.status != PROVED:
            break
    return Trial(mutant, decision, time.monotonic() - start)
