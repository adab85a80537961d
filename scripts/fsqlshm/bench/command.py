"""Measures, compares with an earlier run, and writes the figures of the documentation."""

import argparse
import datetime
import os
import pathlib
import sys
import time

from fsqlshm import ROOT
from fsqlshm.bench import claims, compare, run

CLEAN, SLOWER, COULD_NOT_RUN = 0, 1, 2

FULL = {
    "filter": ".",
    "min_time": 0.01,
    "tails": {"thread": "0,10k,100k,1M,saturating", "process": "100k,saturating"},
    "tail_seconds": 0.03,
}
QUICK = {
    "filter": "^loop|^read/(uncontended|dependent|thread/(0|100k))/|^publish|^begin|^header|^writer",
    "min_time": 0.01,
    "tails": {"thread": "0,100k"},
    "tail_seconds": 0.03,
}


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__
        + "\n\nWithout --compare or --docs: builds, then measures in rounds, a process each, in\n"
        "random order, threads pinned where the machine allows it. The full run takes about 10 s\n"
        "a round, the quick one 3 s.",
        epilog="Exit status: 0 no significant slow-down (or nothing to compare), 1 a significant\n"
        "slow-down above the noise, 2 could not run.",
    )
    parser.add_argument("--quick", action="store_true", help="main figures only, shorter")
    parser.add_argument("--baseline", metavar="FILE", help="compare with this earlier run")
    parser.add_argument("--save", metavar="FILE", help="keep the run in this file")
    parser.add_argument("--preset", default="release", help="what to build (default release: g++)")
    parser.add_argument("--no-build", action="store_true", help="use what is built already")
    parser.add_argument(
        "--rounds", type=int, default=compare.MIN_ROUNDS,
        help=f"default {compare.MIN_ROUNDS}; fewer cannot be compared",
    )
    parser.add_argument("--filter", metavar="REGEX", help="only benchmarks of these names")
    parser.add_argument("--hgrm", metavar="DIR", help="keep the last round's .hgrm files there")
    parser.add_argument(
        "--compare", nargs=2, metavar=("OLD", "NEW"), help="compare two kept runs; measures nothing"
    )
    parser.add_argument("--all", action="store_true", help="list also what does not differ")
    parser.add_argument(
        "--docs", action="store_true",
        help="write the plots and the tables of bench/README.md from bench/results/*.json",
    )
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    return options


def settings_of(options):
    settings = dict(QUICK if options.quick else FULL)
    if options.filter:
        settings["filter"] = options.filter
    return settings


def measure(options):
    if not options.no_build:
        print(f"building {options.preset} ...", file=sys.stderr)
        run.build(options.preset)
    if options.hgrm:
        pathlib.Path(options.hgrm).mkdir(parents=True, exist_ok=True)
    stop = run.Stop()
    settings = settings_of(options)
    document = run.new_document(options.preset, settings)
    start = time.monotonic()
    for number in range(1, options.rounds + 1):
        if not run.one_round(document, options.preset, settings, number, stop, options.hgrm):
            break
        passed = time.monotonic() - start
        left = passed / number * (options.rounds - number)
        print(f"round {number} of {options.rounds}, {left:.0f} s left, load "
              f"{os.getloadavg()[0]:.1f}", file=sys.stderr)
    document["context"]["load"].append(round(os.getloadavg()[0], 2))
    return document, stop.requested


def report_comparison(old, new, everything):
    for sentence in compare.differences_of_context(old, new):
        print(f"note: {sentence}")
    rows = compare.compare(old, new)
    if not rows:
        raise run.CouldNotRun(
            f"the runs have no benchmark in common with at least {compare.MIN_ROUNDS} rounds each"
        )
    print(compare.text(rows, everything))
    return SLOWER if compare.slower(rows) else CLEAN


def main():
    options = arguments()
    if options.docs:
        from fsqlshm.bench import render  # needs matplotlib and jinja2

        for path in render.write_docs(ROOT / "bench"):
            print(f"wrote {path.relative_to(ROOT)}")
        return CLEAN
    if options.compare:
        old, new = (run.load(path) for path in options.compare)
        return report_comparison(old, new, options.all)
    old = run.load(options.baseline) if options.baseline else None
    document, interrupted = measure(options)
    if document["context"]["rounds"] == 0:
        raise run.CouldNotRun("interrupted before the first round was done")
    path = options.save or ROOT / "out" / "bench" / (
        datetime.datetime.now().strftime("%Y%m%d-%H%M%S") + ".json"
    )
    run.save(document, path)
    print(f"{document['context']['rounds']} rounds, {document['context']['compiler']}, kept in {path}")
    print(claims.text(document))
    for finding in document["findings"]:
        print(f"FOUND {finding['title']}")
    if document["findings"]:
        raise run.CouldNotRun("what was measured does not work, so its times mean nothing")
    if interrupted:
        raise run.CouldNotRun("interrupted")
    return report_comparison(old, document, options.all) if old else CLEAN


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (run.CouldNotRun, OSError) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        sys.exit(COULD_NOT_RUN)
