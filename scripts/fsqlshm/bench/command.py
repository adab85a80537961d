"""Measures, compares with an earlier run, and writes the figures of the documentation."""

import argparse
import datetime
import pathlib
import sys
from collections.abc import Sequence

from fsqlshm import ROOT, command, text
from fsqlshm.bench import compare, measured, rounds, tables
from fsqlshm.bench.measured import File, Measured
from fsqlshm.engines import bench
from fsqlshm.processes import Stopper
from fsqlshm.results import CLEAN, FOUND, CouldNotRun, Result

OUT = ROOT / "out" / "bench"
HELP = f"""{__doc__}

Without --compare or --docs: builds, then measures in rounds, each in new processes, in
random order, threads pinned where the machine allows it. The full run takes about 15 s
a round, the quick one 4 s, --peers 8 s."""
END_OF_HELP = """Files are Google Benchmark's JSON: its compare.py reads them, and --compare reads its files.

Exit status: 0 no significant slow-down (or nothing to compare), 1 a significant
slow-down above the noise, 2 could not run."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = command.Parser("bench", HELP, END_OF_HELP)
    parser.add_argument("--quick", action="store_true", help="main figures only, shorter")
    parser.add_argument("--baseline", metavar="FILE", help="compare with this earlier run")
    parser.add_argument("--save", metavar="FILE", type=command.output, help="keep the run in this file")
    parser.add_argument("--preset", default="release", help="what to build (default release: clang; release-gcc)")
    parser.add_argument("--no-build", action="store_true", help="use what is built already")
    default = compare.MIN_ROUNDS
    count = command.number(int, 1, 10_000)
    parser.add_argument("--rounds", type=count, default=default, help=f"default {default}; fewer cannot be compared")
    parser.add_argument("--filter", metavar="REGEX", help="only benchmarks of these names")
    subject = "measure the calls of this shared object beside ours, and nothing else but what --peers adds"
    parser.add_argument("--subject", metavar="PATH.so", type=pathlib.Path, help=subject)
    beside = (
        "measure other libraries beside this one, as far as they are installed; with --subject, that shared object too"
    )
    parser.add_argument("--peers", action="store_true", help=beside)
    parser.add_argument("--compare", nargs=2, metavar=("OLD", "NEW"), help="compare two kept runs; measures nothing")
    parser.add_argument("--all", action="store_true", help="list also what does not differ")
    docs = "write the pictures and the tables of bench/README.md and bench/PEERS.md from bench/results"
    parser.add_argument("--docs", action="store_true", help=docs)
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace) -> tuple[File, bool]:
    """The file, and whether it was interrupted."""
    stop = Stopper()
    if not options.no_build:
        print(f"building {options.preset} ...", file=sys.stderr)
        OUT.mkdir(parents=True, exist_ok=True)
        stop.build(options.preset, [rounds.PROGRAM], OUT / "build.log")
    chosen = rounds.MAIN if options.quick else rounds.FULL
    chosen = rounds.PEERS if options.peers else rounds.CALLS if options.subject else chosen
    passes = [(options.filter, 0.01)] if options.filter else chosen
    file = rounds.new_file(options.preset, passes, options.subject, options.peers)
    try:
        rounds.measure(file, stop, lambda count, _: count < int(options.rounds))
    except rounds.DidNotReturn as error:
        raise CouldNotRun(f"what was measured does not work: {error}") from error
    return file, stop.requested


def report_comparison(old: Measured, new: Measured, everything: bool) -> int:
    """Prints it; the exit status."""
    for sentence in compare.differences_of_context(old, new):
        print(f"note: {sentence}")
    rows = compare.compare(old, new)
    if not rows:
        raise CouldNotRun(f"the runs have no benchmark in common with at least {compare.MIN_ROUNDS} rounds each")
    print(compare.table(rows, everything), end="")
    return FOUND if compare.slower(rows) else CLEAN


def run(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    if options.docs:
        from fsqlshm.bench import docs  # measuring needs neither matplotlib nor Jinja2

        for path in docs.write(ROOT / "bench"):
            print(f"wrote {path.relative_to(ROOT)}")
        return CLEAN
    if options.compare:
        old, new = (measured.load(path) for path in options.compare)
        return report_comparison(old, new, options.all)
    baseline = measured.load(options.baseline) if options.baseline else None
    file, interrupted = measure(options)
    ours = file["context"]["fsqlshm"]
    if ours["rounds"] == 0:
        raise CouldNotRun("interrupted before the first round was done")
    path = options.save or OUT / f"{datetime.datetime.now():%Y%m%d-%H%M%S}.json"
    measured.save(file, path)
    run_now = measured.gather(file)
    print(f"{text.plural(ours['rounds'], 'round')}, {run_now['context']['compiler']}, kept in {path}")
    if options.peers:
        from fsqlshm.bench import peers  # measuring alone does not need matplotlib

        for sentence in run_now["context"]["left_out"]:
            print(sentence)
        print(f"\nns, and in brackets the ratio to hardened:\n\n{text.table(*peers.main(run_now))}")
    elif options.subject:
        print(f"\ncalls, ns:\n\n{text.table(*tables.calls(run_now))}")
    else:
        against = text.table(*tables.against_publisher(run_now, judged=True))
        print(f"\n{text.table(*tables.ratio_table(run_now))}\nagainst 100 k publishes a second:\n\n{against}")
    judgement = Result("bench", bench.SUBJECT)
    bench.judge(file, judgement)
    for finding in judgement.findings:
        print(f"FOUND {finding['title']}")
    if judgement.findings:
        raise CouldNotRun("what was measured does not work, so its times mean nothing")
    if interrupted:
        raise CouldNotRun("interrupted")
    return report_comparison(baseline, run_now, options.all) if baseline else CLEAN


if __name__ == "__main__":
    command.run("bench", run)
