"""What more processors and machines would bring to searches that were measured.

A search is a queue of pieces, as harness/scenarios/exploration.cc makes them: scenarios, then the parts of the long
ones. A job takes the next piece when it is free. Of M machines each searches its part of every scenario, after it has
built the programs; the parts are merged when the last machine has ended.
"""

import argparse
import dataclasses
import heapq
import pathlib
from collections.abc import Iterable, Sequence

from fsqlshm import command, results
from fsqlshm.results import CLEAN, CouldNotRun, Document
from fsqlshm.text import table

# Of harness/scenarios/exploration.cc, and who has parts.
SHORT, PARTS = 5000, 16
IN_PARTS = ("relacy", "rc11")


@dataclasses.dataclass(frozen=True)
class Costs:
    """Seconds."""

    build: float  # of one processor
    longest: float  # that a build takes on any number of processors
    piece: float  # to begin and end a process; one job needs none
    scenario: float  # to come to a machine's part of it
    merge: float  # for each machine


@dataclasses.dataclass(frozen=True)
class Prediction:
    build: float
    search: float
    merge: float

    @property
    def total(self) -> float:
        return self.build + self.search + self.merge


def has_parts(document: Document) -> bool:
    """Whether its long searches are done in parts: exhaustive ones without a limit."""
    limited = document["details"]["search"] == "random" or {"seconds", "iterations"} & document["budget"].keys()
    return document["engine"] in IN_PARTS and not limited


def queues(document: Document, jobs: int, machines: int, costs: Costs) -> list[list[float]]:
    """The pieces of a search on one machine of several, in seconds: a queue begins when the one before is done."""
    first, second = [], []
    in_parts, piece = has_parts(document), costs.piece * (jobs > 1)
    for row in document["details"]["scenarios"]:
        executions, seconds = row["executions"] / machines, row["seconds"] / machines + costs.scenario * (machines > 1)
        if in_parts and executions > SHORT:
            first.append(piece + seconds * SHORT / executions)
            second += [piece + seconds / PARTS] * PARTS
        else:
            first.append(piece + seconds)
    return [first, second]


def schedule(pieces: Iterable[float], jobs: int) -> float:
    """When the last of so many jobs is free again."""
    free = [0.0] * jobs
    for seconds in pieces:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def predict(documents: Sequence[Document], jobs: int, machines: int, costs: Costs) -> Prediction:
    search = sum(schedule(queue, jobs) for one in documents for queue in queues(one, jobs, machines, costs))
    build = max(costs.build / jobs, costs.longest if costs.build else 0)
    return Prediction(build, search, costs.merge * machines if machines > 1 else 0)


def load(path: pathlib.Path) -> Document:
    document = results.load(path)
    if not document["details"].get("scenarios"):
        raise CouldNotRun(f"{path} is not of a search of scenarios")
    return document


def kind(document: Document) -> tuple[str, str, str]:
    return document["engine"], document["subject"], document["details"]["search"]


def measured(text: str) -> tuple[int, pathlib.Path]:
    """An argument's type: JOBS:DOCUMENT."""
    jobs, colon, path = text.partition(":")
    if not colon or not jobs.isdigit() or int(jobs) < 1:
        raise argparse.ArgumentTypeError("must be JOBS:DOCUMENT")
    return int(jobs), pathlib.Path(path)


def main(arguments: Sequence[str]) -> int:
    parser = command.Parser(
        "scripts/simulate", str(__doc__).strip(), "Exit status: 0, or 2 if a document is not of such a search."
    )
    add, count, seconds = parser.add_argument, command.number(int, 1, 1_000_000), command.number(float, 0, 1e9)
    add("documents", type=pathlib.Path, nargs="+", metavar="DOCUMENT", help="results of relacy, rc11 or step, --jobs 1")
    add("--jobs", type=count, nargs="+", default=[1, 2, 16, 64], metavar="N", help="default 1 2 16 64")
    add("--machines", type=count, nargs="+", default=[1, 10, 100], metavar="M", help="default 1 10 100")
    add("--build", type=seconds, default=0, metavar="S", help="seconds of one processor that a machine builds (0)")
    add("--longest", type=seconds, default=0, metavar="S", help="seconds that a build takes at least (0)")
    add("--piece", type=seconds, default=0.0015, metavar="S", help="to begin and end a process (0.0015)")
    add("--scenario", type=seconds, default=0.01, metavar="S", help="to come to a machine's part of one (0.01)")
    add("--merge", type=seconds, default=0.05, metavar="S", help="to merge what a machine has found (0.05)")
    add("--measured", type=measured, nargs="+", default=[], metavar="N:DOCUMENT", help="compare with these runs")
    options = parser.parse_args(arguments)
    costs = Costs(options.build, options.longest, options.piece, options.scenario, options.merge)
    documents = [load(path) for path in options.documents]
    rows = []
    alone = predict(documents, 1, 1, costs).search
    for machines in options.machines:
        for jobs in options.jobs:
            one = predict(documents, jobs, machines, costs)
            efficiency = f"{alone / one.search / jobs / machines:.2f}" if one.search else "-"
            figures = (one.build, one.search, one.merge, one.total)
            rows.append([str(machines), str(jobs), *(f"{figure:.1f}" for figure in figures), efficiency])
    print(table(["machines", "jobs", "build, s", "search, s", "merge, s", "total, s", "efficiency"], rows), end="")
    for jobs, path in options.measured:
        document = load(path)
        same = [one for one in documents if kind(one) == kind(document)]
        if not same:
            raise CouldNotRun(f"{path} is of a search that no other document is of")
        predicted = predict(same, jobs, 1, costs).search
        took = document["duration_seconds"]
        more = 100 * (predicted / took - 1)
        print(f"{document['engine']}, {jobs} jobs: predicted {predicted:.1f} s, measured {took:.1f} s, {more:+.0f} %")
    return CLEAN


if __name__ == "__main__":
    command.run("simulate", main)
