"""What an engine is: an executable scripts/engines/NAME. It gets
  --seconds N    wall time to spend
  --out DIR      an existing folder for its result documents, *.json
  --seed N       seed for what it draws; another seed, other executions
  --shard I/N    its part of a run that is split over N machines
  --subject S    only if its description says so: attack this protocol alone, hardened or reference
and ends with 0, 1 or 2, as its documents say. What it prints on standard error is its progress.
With --describe it prints its Description as JSON and ends.
"""

import argparse
import dataclasses
import json
import pathlib
import subprocess
import sys
from collections.abc import Iterable, Sequence

from fsqlshm import ROOT, command, results

SUBJECTS = ("hardened", "reference")


@dataclasses.dataclass(frozen=True)
class Description:
    name: str
    summary: str = ""
    subject: bool = False  # takes --subject
    corpora: bool = False  # goes on from working corpora in OUT/corpus, one folder a fuzz target
    planted: str = ""  # a night must have found a planted fault: the subject that has it


def parse(description: Description, arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments of an engine; ends the process after --describe."""
    parser = command.Parser(description.name, description.summary)
    parser.add_argument("--seconds", type=command.number(float, 0, 1e9), required=True, help="wall time to spend")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for the result documents")
    parser.add_argument("--seed", type=int, default=1, help="chooses what is drawn (default 1)")
    parser.add_argument("--shard", type=command.shard, default="1/1", help="I/N: do part I of N")
    if description.subject:
        parser.add_argument("--subject", choices=SUBJECTS, help="attack this one alone")
    parser.add_argument("--describe", action="store_true", help="say as JSON what this engine takes")
    if "--describe" in arguments:
        print(json.dumps(dataclasses.asdict(description)))
        sys.exit(results.CLEAN)
    options = parser.parse_args(arguments)
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def program_of(name: str) -> pathlib.Path:
    return ROOT / "scripts" / "engines" / name


def describe(program: pathlib.Path) -> Description:
    """What an engine says of itself; of one that says nothing nothing is expected, and it will fail when it runs."""
    try:
        done = subprocess.run([program, "--describe"], capture_output=True, text=True, check=True, timeout=60)
        return Description(**json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, TypeError):
        return Description(program.name)


def say(name: str, text: str) -> None:
    """A line of progress."""
    print(f"{name}: {text}", file=sys.stderr, flush=True)


def worst(codes: Iterable[int | None]) -> int:
    """The exit status of several programs as one. One that died, or that had to be ended, could not run."""
    every = list(codes)
    if results.FOUND in every:
        return results.FOUND
    return results.CLEAN if every and all(code == results.CLEAN for code in every) else results.COULD_NOT_RUN
