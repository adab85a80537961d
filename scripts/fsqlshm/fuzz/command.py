"""scripts/fuzz: fuzzes, replays, reduces and measures the fuzz targets. See fuzz/README.md."""

import concurrent.futures
import contextlib
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence

from fsqlshm import ROOT, command, files, results, text
from fsqlshm.fuzz import corpora, coverage, documents, targets
from fsqlshm.fuzz.runs import Outcome, Run
from fsqlshm.fuzz.targets import Target
from fsqlshm.processes import Stopper, locked

OUT = ROOT / "out" / "fuzz"
TASKS = ("replay", "minimize", "coverage", "measure")


def parser() -> command.Parser:
    known = "known when they are built"
    with contextlib.suppress(results.CouldNotRun):
        known = ", ".join(targets.names(targets.BUILD))
    made = command.Parser(
        "fuzz",
        "Fuzzes one target, or all that attack the library, one after the other.",
        f"targets: {known}\nThe working corpus and what was found are in out/fuzz/TARGET.\n\n"
        "exit status: 0 nothing found, 1 something found, 2 could not run",
    )
    add, path = made.add_argument, pathlib.Path
    minutes, jobs, seed = (float, 0.001, 7 * 24 * 60), (int, 1, 256), (int, 1, (1 << 31) - 1)
    add("target", help="a target, or all")
    add("--minutes", type=command.number(*minutes), default=1, help="for each target (default 1)")
    add("--jobs", type=command.number(*jobs), default=1, help="processes for each target (default 1)")
    add("--seed", type=command.number(*seed), help="of the first process (default: random)")
    add("--build", type=path, default=targets.BUILD, help="where the programs are (default build/asan)")
    add("--only", metavar="FAULT", help="look for this known fault alone: schedule_reference has D1 to D6")
    add("--replay", type=path, metavar="FILE", help="run one input, and say what it does")
    add("--minimize", type=path, metavar="FILE", help="make a failing input as plain as possible: FILE.reduced")
    add("--coverage", action="store_true", help="line coverage of the library by the corpus, as HTML and JSON")
    add("--corpus", type=path, metavar="DIR", help="with --coverage: also the inputs in DIR/TARGET")
    add("--measure", action="store_true", help="executions per second, and those of an empty target")
    add("--json", type=path, metavar="FILE", help="write the results")
    add("--junit", type=path, metavar="FILE", help="write them as JUnit")
    return made


class Fuzz:
    """The command line, and what it asks for."""

    def __init__(self, arguments: Sequence[str]) -> None:
        command_line = parser()
        options = command_line.parse_args(arguments)
        fail = command_line.error
        tasks = [name for name in TASKS if getattr(options, name)]
        if len(tasks) > 1:
            fail(f"--{tasks[0]} and --{tasks[1]} exclude each other")
        if options.target == "all" and (options.replay or options.minimize or options.only):
            fail("--replay, --minimize and --only need one target")
        if options.corpus and not options.coverage:
            fail("--corpus is for --coverage")
        for path in (options.json, options.junit):
            if path and not os.access(path.resolve().parent, os.W_OK):
                fail(f"cannot write {path}")
        self.options = options
        self.seed: int = options.seed or random.randrange(1, 1 << 31)
        self.seconds: float = options.minutes * 60
        if options.target == "all":
            self.targets = [target for target in targets.load_all(options.build) if target.attacks]
        else:
            self.targets = [targets.load(options.build, options.target)]
        self.option = self.targets[0].fault(options.only).option if options.only else ""
        self.stop = Stopper()

    def run(self) -> int:
        if self.options.replay:
            return self.call_replay("--explain", self.options.replay)
        if self.options.minimize:
            reduced = self.options.minimize.with_name(self.options.minimize.name + ".reduced")
            return self.call_replay("--reduce", self.options.minimize, "--output", reduced)
        if self.options.measure:
            return self.measure()
        if self.options.coverage:
            chosen = None if self.options.target == "all" else self.options.target
            return coverage.measure(chosen, self.corpora, self.stop)
        return self.fuzz()

    def call_replay(self, *arguments: str | pathlib.Path) -> int:
        option = ["--option", self.option.removeprefix("--")] if self.option else []
        status = subprocess.run([self.targets[0].replay, *option, *arguments], check=False).returncode
        return status if status in (0, 1, 2) else results.FOUND  # a crash is a finding

    def corpora(self, target: str) -> list[pathlib.Path]:
        return [working_corpus(target), *([self.options.corpus / target] if self.options.corpus else [])]

    def measure(self) -> int:
        """The targets and an empty one in turns, in executions per second of processor time, which a
        loaded machine changes less than the clock on the wall."""
        seconds = max(2.0, self.seconds / 4)
        rates: dict[str, list[float]] = {}
        with tempfile.TemporaryDirectory(prefix="fsqlshm-measure-") as crashes:
            for _ in range(2):
                for target in (targets.load(self.options.build, "empty"), *self.targets):
                    before = resource.getrusage(resource.RUSAGE_CHILDREN)
                    outcome = Run(target, self.seed, [], pathlib.Path(crashes), self.stop).fuzz(seconds)
                    after = resource.getrusage(resource.RUSAGE_CHILDREN)
                    if outcome.error:
                        raise results.CouldNotRun(outcome.error)
                    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                    rates.setdefault(target.name, []).append(outcome.executions / used)
        empty = max(rates["empty"])
        for name, each in rates.items():
            rate = max(each)
            print(f"{name}: {text.human(rate)} executions per CPU second, {rate / empty:.2f} of an empty target")
        return results.CLEAN

    def fuzz(self) -> int:
        done = []
        for target in self.targets:
            target.program  # a missing one is said before anything begins
        for target in self.targets:
            if self.stop.requested:
                break
            print(f"fuzz: {target.name} for {self.options.minutes:g} min, seed {self.seed}", file=sys.stderr)
            with alone(target.name):
                done.append(self.fuzz_target(target).document())
        if self.options.json:
            files.write_json(self.options.json, done[0] if len(done) == 1 else done)
        if self.options.junit:
            from fsqlshm import junit  # here, because it needs a package

            files.write_text(self.options.junit, junit.text(done))
        status = results.exit_status(done)
        if self.stop.requested and status == results.CLEAN:
            raise results.CouldNotRun("interrupted; nothing found until then")
        return status

    def fuzz_target(self, target: Target) -> results.Result:
        corpus = working_corpus(target.name)
        # What must be found is looked for from nothing.
        inputs = [corpus, *target.kept_inputs()] if target.attacks else []
        options = [self.option] if self.option else []
        total = Outcome()
        crashes = corpus.parent / "crashes"
        seeds = (seed % (1 << 31) for seed in range(self.seed, self.seed + self.options.jobs))
        runs = [Run(target, seed, inputs, crashes, self.stop, options, not target.attacks) for seed in seeds]
        with concurrent.futures.ThreadPoolExecutor(len(runs)) as pool:
            for outcome in pool.map(Run.fuzz, runs, [self.seconds] * len(runs)):
                total.add(outcome)
                total.seconds = max(total.seconds, outcome.seconds)
        result = documents.result(target, total, self.seed, {"seconds": self.seconds})
        if target.attacks and not self.stop.requested:
            result.details["corpus_before_merge"] = len(corpora.inputs(corpus))
            corpora.reduce(target, corpus)
            result.details["corpus_after_merge"] = len(corpora.inputs(corpus))
        result.write(corpus.parent / "stats.json")
        show(target, result, total)
        return result


def show(target: Target, result: results.Result, outcome: Outcome) -> None:
    status = result.status.replace("_", " ")
    print(f"{target.name}: {result.headline}, coverage {outcome.coverage} edges, {status}")
    if target.share:
        print(f"  {target.share.counter}: {100 * outcome.share(target.share.counter):.1f} % of executions")
    for finding in result.findings:
        print(f"  {finding['severity']}: {finding['title']}\n    {finding['replay']}")
    if result.reason:
        print(f"  {result.reason}")


def working_corpus(target: str) -> pathlib.Path:
    folder = OUT / target / "corpus"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def alone(target: str) -> Iterator[None]:
    """Two runs at the same time would merge each other's corpus away."""
    folder = OUT / target
    with locked(folder / "lock", f"{target} is being fuzzed already, in {folder}"):
        corpora.settle(folder)
        yield


if __name__ == "__main__":
    command.run("fuzz", lambda arguments: Fuzz(arguments).run())
