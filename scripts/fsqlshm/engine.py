"""What an engine is: a module of fsqlshm.engines with a DESCRIPTION and a main(). scripts/engine runs it; it gets
  --seconds N    wall time to spend
  --out DIR      an existing folder for its result documents, *.json
  --seed N       seed for what it draws; another seed, other executions
  --shard I/N    its part of a run that is split over N machines
  --jobs N       processes that work side by side at most; default: one for each processor
  --subject S    only if its description says so: attack this alone, the protocol hardened or reference, or the
                 shared object at the path S
and ends with 0, 1 or 2, as its documents say. What it prints on standard error is its progress.
With --describe it prints its Description as JSON and ends.
"""

import argparse
import dataclasses
import importlib
import json
import pathlib
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from fsqlshm import ROOT, command, limits, results
from fsqlshm.processes import Stopper

SUBJECTS = ("hardened", "reference")
NAMES = sorted(path.stem for path in (ROOT / "scripts" / "fsqlshm" / "engines").glob("[a-z]*.py"))


@dataclasses.dataclass(frozen=True)
class Description:
    summary: str = ""
    builds: dict[str, str] = dataclasses.field(default_factory=dict)  # what it needs: preset to target
    subject: bool = False  # takes --subject hardened and reference
    object_builds: dict[str, str] = dataclasses.field(default_factory=dict)  # what it needs for a shared object
    no_object: str = ""  # why it cannot attack a shared object, if it cannot
    job_mib: int = 0  # memory that one of its jobs takes at most; 0: hardly any
    corpora: bool = False  # goes on from working corpora in OUT/corpus, one folder a fuzz target
    planted: str = ""  # a night must have found a planted fault: the subject that has it


def subject(text: str) -> str:
    """An argument's type: what to attack alone."""
    if text in SUBJECTS:
        return text
    if not pathlib.Path(text).is_file():
        raise argparse.ArgumentTypeError(f"expected {', '.join(SUBJECTS)}, or the path of a shared object")
    return str(pathlib.Path(text).resolve())


class Job(argparse.Namespace):
    """What an engine is asked to do, and what it does it with."""

    name: str
    seconds: float
    out: pathlib.Path
    seed: int
    shard: str
    jobs: int
    subject: str | None

    def __init__(self, name: str) -> None:
        super().__init__(name=name, subject=None)
        self.stop = Stopper()
        self.start = time.monotonic()

    @property
    def shared_object(self) -> pathlib.Path | None:
        """If that is to be attacked."""
        return None if self.subject is None or self.subject in SUBJECTS else pathlib.Path(self.subject)

    def passed(self) -> float:
        return time.monotonic() - self.start

    def left(self) -> float:
        return max(0.0, self.seconds - self.passed())

    def half(self) -> list[str]:
        """Arguments for an explorer that runs beside another."""
        return ["--jobs", str(max(1, self.jobs // 2))]

    def say(self, text: str) -> None:
        """A line of progress."""
        print(f"{self.name}: {text}", file=sys.stderr, flush=True)

    def result(self, subject: str) -> results.Result:
        return results.Result(self.name, subject, seed=self.seed, budget={"seconds": self.seconds})


def worst(codes: Iterable[int | None]) -> int:
    """The exit status of several programs as one. One that died, or that had to be ended, could not run."""
    every = list(codes)
    if results.FOUND in every:
        return results.FOUND
    return results.CLEAN if every and all(code == results.CLEAN for code in every) else results.COULD_NOT_RUN


def command_of(name: str) -> list[str]:
    return [str(ROOT / "scripts" / "engine"), name]


def describe(name: str) -> Description:
    """What an engine says of itself; of one that says nothing nothing is expected, and it will fail when it runs."""
    try:
        words = [*command_of(name), "--describe"]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
        return Description(**json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return Description()


def main(arguments: Sequence[str]) -> int:
    name = arguments[0] if arguments else ""
    if name in ("-h", "--help"):
        print(f"usage: scripts/engine NAME --help\n\nNAME is one of {', '.join(NAMES)}.")
        return results.CLEAN
    if name not in NAMES:
        raise results.CouldNotRun(f"expected an engine, one of {', '.join(NAMES)}")
    engine: Any = importlib.import_module(f"fsqlshm.engines.{name}")
    description: Description = engine.DESCRIPTION
    if "--describe" in arguments:
        print(json.dumps(dataclasses.asdict(description)))
        return results.CLEAN
    parser = command.Parser(f"scripts/engine {name}", description.summary)
    parser.add_argument("--seconds", type=command.number(float, 0, 1e9), required=True, help="wall time to spend")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the result documents")
    parser.add_argument("--seed", type=int, default=1, help="chooses what is drawn (default 1)")
    parser.add_argument("--shard", type=command.shard, default="1/1", help="I/N: do part I of N")
    parser.add_argument("--jobs", **command.JOBS)
    parser.add_argument("--subject", type=subject, help="attack this alone, if the engine can")
    parser.add_argument("--describe", action="store_true", help="say as JSON what this engine takes")
    job = parser.parse_args(arguments[1:], Job(name))
    if job.subject is not None:
        able = description.object_builds if job.shared_object else description.subject
        if not able:
            raise results.CouldNotRun(description.no_object or f"{name} cannot attack a chosen subject alone")
    job.out = job.out.resolve()
    job.out.mkdir(parents=True, exist_ok=True)
    job.jobs = limits.jobs(job.jobs, description.job_mib, job.say)
    status = int(engine.main(job))
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    more = f", more than the {description.job_mib} foreseen" if 0 < description.job_mib < largest else ""
    job.say(f"{job.jobs} job{'s' * (job.jobs > 1)}, {largest} MiB in the largest process{more}")
    return status


if __name__ == "__main__":
    command.run("engine", main)
