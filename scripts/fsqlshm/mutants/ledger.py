"""What was judged: a line of JSON for each mutant and engine, written when it is known, so that a run that was killed
goes on where it was."""

import dataclasses
import json
import os
import pathlib
import threading
from typing import Any

KILLED, SURVIVED, UNREACHED, BROKEN, SAME = "killed", "survived", "unreached", "does not compile", "same code"


@dataclasses.dataclass(frozen=True)
class Verdict:
    """`outcome`: killed; survived; unreached: the engine's programs are what they are without the fault, or never run
    what has it; of the compiler: does not compile, same code, or survived."""

    outcome: str
    seconds: float = 0.0  # to build and to run
    property: str = ""  # that the engine named, or how the program ended
    title: str = ""


COMPILER, CODE = "compiler", "code"  # in an engine's place; the latter has judged what no engine killed


class Ledger:
    """The lines of one file that are about the code as it is (`state`) and of one run (`seed`); others are kept."""

    def __init__(self, path: pathlib.Path, state: str, seed: int) -> None:
        self.path, self.state, self.seed = path, state, seed
        self.verdicts: dict[str, dict[str, Verdict]] = {}  # by mutant and engine
        self.lock = threading.Lock()
        self.of_other_runs: set[str] = set()  # mutants
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # a line that a kill cut off
            os.truncate(path, len(whole.encode()))
        for line in whole.splitlines():
            self._read(json.loads(line))

    def _read(self, row: dict[str, Any]) -> None:
        state, seed, mutant, engine = (row.pop(name) for name in ("state", "seed", "mutant", "engine"))
        if state == self.state and seed == self.seed:
            self.verdicts.setdefault(mutant, {})[engine] = Verdict(**row)
        elif state == self.state:
            self.of_other_runs.add(mutant)

    def of(self, mutant: str) -> dict[str, Verdict]:
        """By engine."""
        with self.lock:
            return dict(self.verdicts.get(mutant, {}))

    def add(self, mutant: str, engine: str, verdict: Verdict) -> None:
        """For any thread."""
        who = {"state": self.state, "seed": self.seed, "mutant": mutant, "engine": engine}
        line = json.dumps(who | dataclasses.asdict(verdict))
        with self.lock, open(self.path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())
            self.verdicts.setdefault(mutant, {})[engine] = verdict
