"""The benchmark as one engine of a campaign: the main figures, measured for about N seconds.

It finds something only when an operation does the wrong thing: every read that the latency
recorder times is checked, and so are the results of what is measured. Times are reported and
never judged.

`details` of its result document: {measured: a fsqlshm-bench/1 document (see
scripts/fsqlshm/bench/run.py), ratios, beside_publisher: as in scripts/fsqlshm/bench/claims.py}.
"""

import argparse
import datetime
import json
import pathlib
import sys
import time

from fsqlshm import engine
from fsqlshm.bench import claims, run, stats

CLEAN, FOUND, COULD_NOT_RUN = 0, 1, 2

SETTINGS = {
    "filter": "^loop|^read/(uncontended|dependent|thread/(0|100k)|process/100k)/|^publish|^begin"
              "|^header|^writer",
    "min_time": 0.005,
    "tails": {"thread": "0,100k,saturating", "process": "saturating"},
    "tail_seconds": 0.02,
}


def measure(preset, seconds, seed, stop):
    """Rounds until the time is used up, at least one."""
    document = run.new_document(preset, SETTINGS)
    start = time.monotonic()
    longest = 0.0
    while not stop.requested:
        began = time.monotonic()
        number = seed + document["context"]["rounds"]
        if not run.one_round(document, preset, SETTINGS, number, stop):
            break
        longest = max(longest, time.monotonic() - began)
        passed = time.monotonic() - start
        print(f"bench: {passed:.0f} s, {max(0, seconds - passed):.0f} s left, "
              f"{document['context']['rounds']} rounds", file=sys.stderr)
        if passed + longest > seconds:
            break
    return document


def headline(document):
    def of(name):
        return stats.median(document["benchmarks"][name]["ns"])

    ratio = {r["what"]: r["median"] for r in claims.ratios(document)}
    return (
        f"read {of('read/uncontended/hardened'):.2f} ns "
        f"({ratio['uncontended read / five plain loads']:.2f} x five loads), "
        f"publish {of('publish/hardened'):.2f} ns, "
        f"open {of('header/open_owned'):.1f} ns "
        f"({ratio['open, owned / xxh3_64 of 60 bytes']:.1f} x its hash)"
    )


def result_of(document, options, started, seconds, reason):
    reads = sum(r["reads"] for row in document["tails"] for r in row["runs"])
    torn = sum(r["torn"] for row in document["tails"] for r in row["runs"] if row["racy"])
    # The programs say for each round whether torn reads could be seen; over the whole run one round
    # that saw them is enough.
    findings = [f for f in document["findings"] if f["severity"] != "vacuous" or torn == 0]
    status = "found" if findings else ("could_not_run" if reason else "clean")
    measured = document["context"]["rounds"] > 0
    result = {
        "schema": "fsqlshm-result/1",
        "engine": "bench",
        "subject": "operations and read latency",
        "status": status,
        "seed": options.seed,
        "budget": {"seconds": options.seconds},
        "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duration_seconds": seconds,
        "counts": {
            "rounds": document["context"]["rounds"],
            "measurements": sum(len(b["ns"]) for b in document["benchmarks"].values()),
            "reads": reads,
            "torn_racy_reads": torn,
        },
        "headline": headline(document) if measured else "",
        "findings": findings,
        "details": {
            "measured": document,
            "ratios": claims.ratios(document),
            "beside_publisher": claims.beside_publisher(document) if measured else [],
            "shard": options.shard,
        },
    }
    if reason:
        result["reason"] = reason
    return result


def main():
    if "--describe" in sys.argv:
        engine.parse(engine.Description("bench"), sys.argv[1:])
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="directory for the result")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the latency runs")
    parser.add_argument("--shard", default="1/1", help="noted; every machine measures everything")
    parser.add_argument("--preset", default="release")
    options = parser.parse_args()
    stop = run.Stop()
    started = datetime.datetime.now(datetime.timezone.utc)
    start = time.monotonic()
    reason = None
    document = run.new_document(options.preset, SETTINGS)
    try:
        document = measure(options.preset, options.seconds, options.seed, stop)
        if document["context"]["rounds"] == 0:
            reason = "interrupted"
    except run.CouldNotRun as problem:
        reason = str(problem)
    result = result_of(document, options, started, time.monotonic() - start, reason)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "bench.json").write_text(json.dumps(result, indent=1) + "\n",
                                                encoding="utf-8")
    except OSError as error:
        print(f"bench: cannot write the result: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    for finding in result["findings"]:
        print(f"bench: FOUND {finding['title']}", file=sys.stderr)
    if reason:
        print(f"bench: {reason}", file=sys.stderr)
    return {"clean": CLEAN, "found": FOUND, "could_not_run": COULD_NOT_RUN}[result["status"]]


if __name__ == "__main__":
    sys.exit(main())
