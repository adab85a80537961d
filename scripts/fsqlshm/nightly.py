"""Runs all engines in slices for hours, and goes on where the last run stopped. See scripts/nightly and nights.py.

Each attempt at a slice has a folder of its own, nights/ID/slices/NN-NAME.K. The slice is done when one of them has
a slice.json, which is written last. Nothing else says so, so there is no moment at which two files could
contradict each other. What follows the last slice can be done twice with the same result. A slice that was
interrupted is run again, from its start and with the same seed; what its first attempt had found counts too. Every
slice of every night has a seed of its own, the next one, so it goes on where the last one stopped: to an engine
another seed means other executions (Relacy: the next range of iterations).
"""

import argparse
import math
import os
import pathlib
import re
import shutil
from collections.abc import Sequence

from fsqlshm import ROOT, campaign, command, engine, files, nights, results, runner
from fsqlshm.fuzz import corpora
from fsqlshm.nights import Night, Slice, State
from fsqlshm.processes import Stopper, locked
from fsqlshm.results import CouldNotRun
from fsqlshm.runner import Row
from fsqlshm.text import Clock

SLICE_SECONDS = 900
HELP = (
    """The long job: installs missing packages (scripts/bootstrap), builds, then runs every engine in slices and sums
up. The state folder has what stays from night to night: corpora, the next seeds, what was found, and the history
for the report's trends. The next run continues an interrupted one slice by slice, and no finding is lost.""",
    """Results: DIR/latest/report.html and next to it as in scripts/campaign; DIR/regressions/ has new failing inputs
that should be added to corpus/regressions/.
Ctrl-C ends the running engine cleanly and sums up what was done; the next run goes on.

Exit status: 0 nothing found, 1 something found, 2 could not run (also: not to its end).""",
)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = command.Parser("scripts/nightly", *HELP)
    add = parser.add_argument
    hours = command.number(float, 0.02, 7 * 24)
    add("--hours", type=hours, default=6, metavar="N", help="for the engines together (default 6)")
    seed = command.number(int, 0, 2**62 - 1)
    add("--seed", type=seed, metavar="N", help="start the seeds here (default: go on from the last night)")
    state = ROOT / "out" / "nightly"
    add("--state", type=pathlib.Path, default=state, metavar="DIR", help="the state folder (default out/nightly)")
    table = "how time is split (default scripts/engines.table)"
    add("--table", type=pathlib.Path, default=runner.TABLE, metavar="FILE", help=table)
    add("--jobs", **command.JOBS)
    options = parser.parse_args(arguments)
    options.state = options.state.resolve()
    options.rows = runner.read_table(options.table)
    return options


def split_table(rows: Sequence[Row], hours: float) -> tuple[list[Row], list[str]]:
    """(the rows that such a night has time for, the names of the others)"""
    total = sum(row.share for row in rows)
    short = [row.name for row in rows if total and hours * 3600 * row.share / total < row.least]
    return [row for row in rows if row.name not in short], short


def make_plan(rows: Sequence[Row], hours: float, seed: int) -> list[Slice]:
    """The slices of a night in their order: each engine's time in turns of about the same length."""
    total = sum(row.share for row in rows) or 1
    turns: list[tuple[int, Row, int]] = []
    for row in rows:
        seconds = hours * 3600 * row.share / total
        pieces = max(1, math.ceil(seconds / SLICE_SECONDS))
        turns += [(turn, row, max(5, int(seconds / pieces)) if row.share else 0) for turn in range(pieces)]
    plan: list[Slice] = []
    for _, row, length in sorted(turns, key=lambda turn: turn[0]):
        name, number = f"{len(plan) + 1:03d}-{row.name}", seed + len(plan)
        plan.append(Slice(id=name, engine=row.engine, seconds=length, seed=number, arguments=list(row.arguments)))
    return plan


def describe(plan: Sequence[Slice]) -> dict[str, engine.Description]:
    return {name: engine.describe(name) for name in dict.fromkeys(one["engine"] for one in plan)}


class Run:
    def __init__(self, options: argparse.Namespace, stop: Stopper) -> None:
        self.options, self.stop, self.clock = options, stop, Clock()
        self.state = State(options.state)

    def start_night(self, commit: str) -> Night:
        rows, short = split_table(self.options.rows, self.options.hours)
        if not rows:
            raise CouldNotRun(f"{self.options.hours:g} hours are too few for any slice of {self.options.table}")
        seed = self.options.seed if self.options.seed is not None else self.state.next_seed
        started = results.now()
        plan = make_plan(rows, self.options.hours, seed)
        identity = re.sub(r"[^0-9]", "", started)
        while (self.options.state / "nights" / identity).exists():
            identity += "x"
        night: Night = {
            "id": identity,
            "commit": commit,
            "seed": seed,
            "hours": self.options.hours,
            "started": started,
            "seconds": 0.0,
            "plan": plan,
            "left_out": short,
            "planted": {name: e.planted for name, e in describe(plan).items() if e.planted},
        }
        self.settle(night)
        self.state.night = night
        self.state.save()
        return night

    def settle(self, night: Night) -> None:
        """Brings the folder of a night whose run was killed into order."""
        slices = self.state.night_folder(night) / "slices"
        slices.mkdir(parents=True, exist_ok=True)
        self.state.corpus.mkdir(exist_ok=True)
        for attempt in nights.attempts(slices.parent)[1]:
            corpora.take(attempt / "corpus", self.state.corpus)

    def run_slice(self, one: Slice, night: pathlib.Path, corpus: bool) -> None:
        slices = night / "slices"
        folder = slices / f"{one['id']}.{1 + len(list(slices.glob(one['id'] + '.*')))}"
        arguments = ["--seed", str(one["seed"]), "--shard", "1/1", *one["arguments"]]
        arguments += runner.jobs_given(self.options.jobs)
        folder.mkdir()
        if corpus:
            corpora.unite([self.state.corpus], folder / "corpus")
        documents = runner.run_engine(one["engine"], folder, arguments, one["seconds"], self.clock, self.stop)
        corpora.take(folder / "corpus", self.state.corpus)
        if not self.stop.requested:
            files.write_json(folder / "slice.json", {"documents": documents})

    def run_slices(self, night: Night) -> int:
        folder = self.state.night_folder(night)
        engines = describe(night["plan"])
        runner.build(engines.values(), folder, self.clock, self.stop)
        done, _ = nights.attempts(folder)
        left = [one for one in night["plan"] if one["id"] not in done]
        self.clock.run_engines_for(sum(one["seconds"] for one in left))
        for name in night["left_out"]:
            self.clock.say(f"{name}: left out, the night is too short for it")
        count = f"{len(left)} of {len(night['plan'])} slices to run"
        self.clock.say(f"night {night['id']}: {count}, seed {night['seed']}")
        for one in left:
            if self.stop.requested:
                break
            before = self.clock.elapsed()
            self.run_slice(one, folder, engines[one["engine"]].corpora)
            night["seconds"] += self.clock.elapsed() - before
            self.state.save()
        finished = len(nights.attempts(folder)[0]) == len(night["plan"])
        if finished:
            corpora.reduce_large(self.state.corpus, self.clock.say)
        summary, page = nights.sum_up(self.state, night, finished)
        campaign.print_results(summary["results"])
        for entry in summary["proposed_regressions"] or []:
            print(f"\nkeep this failing input:\n  {entry['command']}")
        campaign.conclude("nightly", summary["results"], night["seconds"], page)
        return results.exit_status(summary["results"])

    def run(self) -> int:
        make_scratch(self.options.state / "tmp")
        commit = campaign.commit()
        night = self.state.night
        if night is not None and night["commit"] != commit:
            self.clock.say(f"night {night['id']} was begun with other code; closing it as it is")
            self.settle(night)
            nights.sum_up(self.state, night, finished=True)
            night = None
        if night is None:
            night = self.start_night(commit)
        else:
            self.clock.say(f"going on with night {night['id']}")
            self.settle(night)
        return self.run_slices(night)


def make_scratch(folder: pathlib.Path) -> None:
    """An empty folder for what the engines have no use for afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = str(folder)


def main(arguments: Sequence[str]) -> int:
    stop = Stopper()
    options = parse_arguments(arguments)
    runner.bootstrap()
    with locked(options.state / "lock", f"another nightly run is at work in {options.state}"):
        return Run(options, stop).run()


if __name__ == "__main__":
    command.run("nightly", main)
