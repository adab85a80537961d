"""Judges mutants, one engine after the other."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

from fsqlshm.mutants.ledger import BROKEN, COMPILER, KILLED, SAME, SURVIVED, Ledger, Verdict
from fsqlshm.mutants.mutant import Mutant

EQUIVALENT = "equivalent"


class Workshop(Protocol):
    """Where mutants are built and attacked."""

    @property
    def engines(self) -> Sequence[str]:
        """Their names, cheapest first."""

    @property
    def jobs(self) -> int:
        """How many mutants may be attacked at the same time, but those that are built alone."""

    def take(self, mutants: Sequence[Mutant]) -> list[Mutant]:
        """Gets ready for these. Returns those that are built alone."""

    def compile(self, mutant: Mutant) -> Verdict:
        """Says of the library with it: does not compile, same code, or survived."""

    def attack(self, mutant: Mutant, engine: str) -> Verdict:
        """Of one that compiles: what the engine says of it, or that a program of the engine does not compile."""

    def code(self, mutant: Mutant) -> Verdict:
        """Of one that no engine killed: same code, or survived."""

    def restore(self) -> None:
        """Everything is as it is without a mutant."""


@dataclasses.dataclass(frozen=True)
class Fate:
    """What became of a mutant."""

    mutant: Mutant
    verdicts: dict[str, Verdict]  # by engine
    engines: Sequence[str]  # that it should meet
    explained: str = ""  # why nobody can kill it, or why nobody needs to

    @property
    def killers(self) -> list[str]:
        return [engine for engine in self.engines if (v := self.verdicts.get(engine)) and v.outcome == KILLED]

    @property
    def status(self) -> str:
        """does not compile, same code, killed, equivalent (which is explained), survived, or "" of one that is not
        judged to its end."""
        if self.killers:
            return KILLED
        outcomes = [verdict.outcome for verdict in self.verdicts.values()]
        if BROKEN in outcomes:
            return BROKEN
        if SAME in outcomes:
            return SAME
        if any(engine not in self.verdicts for engine in self.engines):
            return ""
        return EQUIVALENT if self.explained else SURVIVED

    @property
    def seconds_to_kill(self) -> float:
        """By the first engine that killed it, with what it took to build it; without the engines before that."""
        return self.verdicts[self.killers[0]].seconds if self.killers else 0.0


def judge(
    mutant: Mutant, workshop: Workshop, ledger: Ledger, first_kill: bool, go_on: Callable[[], bool] = lambda: True
) -> None:
    """Adds to the ledger what is not there yet. With `first_kill` no engine follows one that killed."""
    known = ledger.of(mutant.id)
    for engine in (COMPILER, *workshop.engines):
        verdict = known.get(engine)
        if verdict is None:
            if not go_on():
                return
            verdict = workshop.compile(mutant) if engine == COMPILER else workshop.attack(mutant, engine)
            ledger.add(mutant.id, engine, verdict)
        if verdict.outcome in (BROKEN, SAME) or (first_kill and verdict.outcome == KILLED):
            return


def fate(mutant: Mutant, ledger: Ledger, engines: Sequence[str], explained: str) -> Fate:
    return Fate(mutant, ledger.of(mutant.id), engines, explained)
