"""The library with many mutants at once (weave.py), which a run chooses between: one build for all of them."""

import contextlib
import hashlib
import pathlib
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from fsqlshm import files, limits
from fsqlshm.mutants.attacks import Part
from fsqlshm.mutants.ledger import KILLED, SURVIVED, UNREACHED, Verdict
from fsqlshm.mutants.mutant import Mutant
from fsqlshm.mutants.weave import CHOSEN, REACHED, function_of, to_blame, woven
from fsqlshm.mutants.workshop import Tree, attacked, name_of, scratch_folder, state_of
from fsqlshm.results import CouldNotRun
from fsqlshm.schema import BadDocument, read_json

COMPILER_MIB = 1024  # that one takes at most
# What runs for a time, and not for a number of executions, may reach more in another run.
RUNS_BY_TIME = 3
# One in so many that a program does not reach is run all the same.
RUN_ANYWAY = 64


class Schemata:
    """A workshop (judge.py). `alone` is one for what is built alone: mutants outside of functions and in constant
    expressions, and proofs, which read what a compiler makes of a source. `texts`: the sources."""

    def __init__(self, folder: pathlib.Path, alone: Tree, texts: Mapping[str, bytes], jobs: int) -> None:
        self.alone, self.texts, self.jobs = alone, texts, jobs
        self.engines = alone.engines
        self.many = Tree(folder, alone.stop, list(alone.by_name.values()), alone.root)
        self.many.original = alone.original
        self.many.compilers = limits.jobs(jobs, COMPILER_MIB, lambda text: print(text, file=sys.stderr))
        self.place = folder / "build" / "batch.json"
        self.batch: dict[str, Any] = {}  # which mutants these are, and what is known of them; as JSON
        self.numbers: dict[str, int] = {}  # of those that are in the library
        self.function: dict[str, int] = {}
        self.turn = threading.Lock()  # of `alone`

    def take(self, mutants: Sequence[Mutant]) -> list[Mutant]:
        """Builds the library with all that can be in it, and runs every engine without a mutant, to see what it
        reaches, what it takes, and that it finds nothing."""
        digest = hashlib.sha256("\n".join([state_of(self.texts), *(one.id for one in mutants)]).encode()).hexdigest()
        self.batch = {"digest": digest, "without": [], "seconds": {}, "reached": {}}
        with contextlib.suppress(BadDocument):
            if (kept := read_json(self.place))["digest"] == digest:
                self.batch = kept
        inside = [one for one in mutants if one.body is not None]
        self._build(inside)
        functions = list(dict.fromkeys(map(function_of, inside)))
        self.function = {one.id: functions.index(function_of(one)) for one in inside}
        self.many.seconds = self.batch["seconds"]
        for engine in self.many.by_name.values():
            for part in engine.parts:
                if not _is_proof(part) and name_of(part) not in self.batch["reached"]:
                    self._reach(engine.name, part, len(functions))
        with self.turn:
            self.alone.seconds = self.batch["seconds"] | self.alone.seconds
        return [one for one in mutants if one.id not in self.numbers]

    def _build(self, inside: Sequence[Mutant]) -> None:
        parts = [part for part in self.many.parts() if not _is_proof(part)]
        everything = [target for part in parts for target in part.targets]
        found = woven(self.texts, inside, set(self.batch["without"]))
        self.many.write({**self.texts, **found.texts})
        self.many.configure()
        for targets in (["fsqlshm"], everything):  # the library first: most that does not compile shows there
            while not self.many.build(targets, "-k0"):
                log = self.many.log.read_text(encoding="utf-8", errors="replace")
                blamed = to_blame(log, self.many.build_folder, self.many.tree, found)
                if not blamed:
                    raise CouldNotRun(f"the library with many mutants cannot be built, see {self.many.log}")
                self.batch["without"] = sorted({*self.batch["without"], *blamed})
                self._keep()
                found = woven(self.texts, inside, set(self.batch["without"]))
                # Sources that were compiled do so without these copies, too: nobody chooses them.
                self.many.write(found.texts, with_new_times=False)
        self.numbers = found.numbers

    def _reach(self, engine: str, part: Part, functions: int) -> None:
        reached: set[int] = set()
        for _ in range(RUNS_BY_TIME if part.by_time else 1):
            with scratch_folder() as scratch:
                place = scratch / "reached"
                place.write_bytes(bytes(max(1, functions)))
                place.chmod(0o666)  # some programs go on as another user
                seconds = self.many.run_without(engine, part, **{REACHED: str(place)})
                reached |= {number for number, byte in enumerate(place.read_bytes()) if byte}
        self.batch["seconds"][name_of(part)] = seconds
        self.batch["reached"][name_of(part)] = sorted(reached)
        self._keep()

    def _keep(self) -> None:
        self.place.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(self.place, self.batch)

    def compile(self, mutant: Mutant) -> Verdict:
        if mutant.id in self.numbers:
            return Verdict(SURVIVED)
        with self.turn:
            return self.alone.compile(mutant)

    def attack(self, mutant: Mutant, engine: str) -> Verdict:
        return attacked(self.many.by_name[engine].parts, lambda part: self.attack_by(part, mutant))

    def attack_by(self, part: Part, mutant: Mutant) -> Verdict:
        if mutant.id not in self.numbers or _is_proof(part):
            with self.turn:
                self.alone.check(lambda one: one == part)
                return self.alone.attack_by(part, mutant)
        is_reached = self.function[mutant.id] in self.batch["reached"][name_of(part)]
        if not is_reached and not _is_run_anyway(mutant, part):
            return Verdict(UNREACHED)
        verdict = self.many.run(part, **{CHOSEN: str(self.numbers[mutant.id])})
        if is_reached:
            return verdict
        if verdict.outcome == KILLED:
            what = f"{verdict.property}: {verdict.title}"
            raise CouldNotRun(f"{name_of(part)} kills {mutant.id}, which it does not reach without it: {what}")
        return Verdict(UNREACHED)

    def code(self, mutant: Mutant) -> Verdict:
        with self.turn:
            return self.alone.code(mutant)

    def restore(self) -> None:
        with self.turn:
            self.alone.restore()


def _is_run_anyway(mutant: Mutant, part: Part) -> bool:
    """Whether it belongs to the sample that has to survive although the part does not reach it."""
    digest = hashlib.sha256(f"{name_of(part)} {mutant.id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % RUN_ANYWAY == 0


def _is_proof(part: Part) -> bool:
    return "proved" in part.targets
