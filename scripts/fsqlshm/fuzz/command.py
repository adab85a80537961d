"""scripts/fuzz: fuzzes, replays, reduces and measures the fuzz targets. See fuzz/README.md."""

import argparse
import contextlib
import pathlib
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from fsqlshm import command, files, results, text
from fsqlshm.fuzz import corpora, coverage, documents, targets
from fsqlshm.fuzz.runs import Run
from fsqlshm.fuzz.targets import Target
from fsqlshm.processes import Stopper, locked

TASKS = ("replay", "minimize", "coverage", "measure")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    known = "known when they are built"
    with contextlib.suppress(results.CouldNotRun):
        known = ", ".join(targets.names(targets.BUILD))
    parser = command.Parser(
        "fuzz",
        "Fuzzes one target, or all that attack the library, one after the other.",
        f"targets: {known}\nThe working corpus and what was found are in out/fuzz/TARGET.\n\n"
        "exit status: 0 nothing found, 1 something found, 2 could not run",
    )
    add, path = parser.add_argument, pathlib.Path
    minutes, jobs, seed = (float, 0.001, 7 * 24 * 60), (int, 1, 256), (int, 1, (1 << 31) - 1)
    drawn = random.randrange(1, 1 << 31)
    add("target", help="a target, or all")
    add("--minutes", type=command.number(*minutes), default=1, help="for each target (default 1)")
    add("--jobs", type=command.number(*jobs), default=1, help="processes for each target (default 1)")
    add("--seed", type=command.number(*seed), default=drawn, help="of the first process (default: random)")
    add("--build", type=path, default=targets.BUILD, help="where the programs are (default build/asan)")
    add("--only", metavar="FAULT", help="look for this known fault alone: schedule_reference has D1 to D6")
    add("--subject", type=path, metavar="PATH.so", help="run the inputs on this shared object, too (fsqlshm.h)")
    add("--replay", type=path, metavar="FILE", help="run one input, and say what it does")
    add("--minimize", type=path, metavar="FILE", help="make a failing input as plain as possible: FILE.reduced")
    add("--coverage", action="store_true", help="line coverage of the library by the corpus, as HTML and JSON")
    add("--measure", action="store_true", help="executions per second, and those of an empty target")
    add("--json", type=command.output, metavar="FILE", help="write the results")
    add("--junit", type=command.output, metavar="FILE", help="write them as JUnit")
    options = parser.parse_args(arguments)
    tasks = [name for name in TASKS if getattr(options, name)]
    if len(tasks) > 1:
        parser.error(f"--{tasks[0]} and --{tasks[1]} exclude each other")
    if options.only and options.subject:
        parser.error("--only and --subject exclude each other")
    if options.target == "all" and (options.replay or options.minimize or options.only):
        parser.error("--replay, --minimize and --only need one target")
    return options


def replay(target: Target, option: str, *arguments: str | pathlib.Path) -> int:
    words = ["--option", option.removeprefix("--")] if option else []
    status = subprocess.run([target.replay, *words, *arguments], check=False).returncode
    return status if status in (0, 1, 2) else results.FOUND  # a crash is a finding


def measure(chosen: Sequence[Target], options: argparse.Namespace, stop: Stopper) -> int:
    """The targets and an empty one in turns, in executions per second of processor time, which a
    loaded machine changes less than the clock on the wall."""
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="fsqlshm-measure-") as crashes:
        for target in (targets.load(options.build, "empty"), *chosen) * 2:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            outcome = Run(target, options.seed, [], pathlib.Path(crashes), stop).fuzz(max(2.0, options.minutes * 15))
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if outcome.error:
                raise results.CouldNotRun(outcome.error)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            rates.setdefault(target.name, []).append(outcome.executions / used)
    for name, each in rates.items():
        rate = max(each)
        part = f"{rate / max(rates['empty']):.2f} of an empty target"
        print(f"{name}: {text.number(rate)} executions per CPU second, {part}")
    return results.CLEAN


def fuzz_target(target: Target, option: str, options: argparse.Namespace, stop: Stopper) -> results.Document:
    print(f"fuzz: {target.name} for {options.minutes:g} min, seed {options.seed}", file=sys.stderr)
    corpus = corpora.working(target.name)
    corpus.mkdir(parents=True, exist_ok=True)
    # What must be found is looked for from nothing.
    inputs = [corpus, *target.kept_inputs()] if target.attacks else []
    crashes, given = corpus.parent / "crashes", [option] if option else []
    run = Run(target, options.seed, inputs, crashes, stop, given, not target.attacks)
    total = run.side_by_side(options.jobs, options.minutes * 60)
    result = documents.result(target, total, options.seed, {"seconds": options.minutes * 60})
    if target.attacks and not stop.requested:
        result.details["corpus_before_merge"] = len(corpora.inputs(corpus))
        corpora.reduce(target, corpus)
        result.details["corpus_after_merge"] = len(corpora.inputs(corpus))
    result.write(corpus.parent / "stats.json")
    status = result.status.replace("_", " ")
    print(f"{target.name}: {result.headline}, coverage {total.coverage} edges, {status}")
    if target.share:
        print(f"  {target.share.counter}: {100 * total.share(target.share.counter):.1f} % of executions")
    for finding in result.findings:
        print(f"  {finding['severity']}: {finding['title']}\n    {finding['replay']}")
    if result.reason:
        print(f"  {result.reason}")
    return result.document()


def fuzz(chosen: Sequence[Target], option: str, options: argparse.Namespace, stop: Stopper) -> int:
    done = []
    for target in chosen:
        target.program  # a missing one is said before anything begins
    for target in chosen:
        if stop.requested:
            break
        folder = corpora.OUT / target.name
        # Two runs at the same time would merge each other's corpus away.
        with locked(folder / "lock", f"{target.name} is being fuzzed already, in {folder}"):
            done.append(fuzz_target(target, option, options, stop))
    status = results.exit_status(done)
    command.write(status, options.json, files.json_text(done[0] if len(done) == 1 else done))
    if options.junit:
        from fsqlshm import junit  # here, because it needs a package

        command.write(status, options.junit, junit.text(done))
    if stop.requested and status == results.CLEAN:
        raise results.CouldNotRun("interrupted; nothing found until then")
    return status


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    if options.target == "all":
        every = targets.load_all(options.build)
        chosen = [target for target in every if target.attacks and (target.takes_subject or not options.subject)]
    else:
        chosen = [targets.load(options.build, options.target)]
    option = chosen[0].fault(options.only).option if options.only else ""
    if options.subject:
        if not chosen[0].takes_subject:
            raise results.CouldNotRun(f"{chosen[0].name} cannot run its inputs on a shared object")
        option = f"--subject={options.subject.resolve()}"
    if options.replay:
        return replay(chosen[0], option, "--explain", options.replay)
    if options.minimize:
        reduced = options.minimize.with_name(options.minimize.name + ".reduced")
        return replay(chosen[0], option, "--reduce", options.minimize, "--output", reduced)
    stop = Stopper()
    if options.measure:
        return measure(chosen, options, stop)
    if options.coverage:
        coverage.measure(None if options.target == "all" else options.target, stop)
        return results.CLEAN
    return fuzz(chosen, option, options, stop)


if __name__ == "__main__":
    command.run("fuzz", main)
