"""The benchmarks as one engine of a campaign: the main figures, measured for about N seconds.

It finds something only when an operation does the wrong thing: every single read that is timed is checked, and so are
the results of what is measured. Times are reported and never judged. Every shard measures everything, in an order that
no seed decides.
"""

import argparse
from collections.abc import Sequence

from fsqlshm import command, engine
from fsqlshm.bench import claims, rounds, stats
from fsqlshm.bench.measured import File, Measured, gather, pick, timed_rows
from fsqlshm.bench.rounds import PROGRAM, Pass
from fsqlshm.processes import Stopper
from fsqlshm.results import CouldNotRun, Result

DESCRIPTION = engine.Description("bench", __doc__)
SUBJECT = "operations and read latency"
PASSES = [
    Pass("^(loop|read/(uncontended|dependent|thread/(0|100k)|process/100k)|publish|begin_end|header|writer)/", 0.005),
    Pass("^tail/(thread/(0|100k|saturating)|process/saturating)/", 0.02),
]
# Fewer racy reads may all be whole by chance.
ENOUGH_READS = 1_000_000


def _racy_reads(measured: Measured, rate: str | None = None) -> tuple[int, int]:
    """How many timed reads of racy subjects there were, against publishers of this rate, and how many were torn."""
    facts = {"rate": rate} if rate else {}
    counters = [b["counters"] for b in pick(measured, group="tail", **facts).values() if b["racy"]]
    return int(sum(sum(c["reads"]) for c in counters)), int(sum(sum(c["torn"]) for c in counters))


def judge(file: File, result: Result) -> None:
    """Adds what is wrong: operations that did the wrong thing, and a check for torn reads that was vacuous."""
    errors = {row["name"]: row["error_message"] for row in timed_rows(file) if row.get("error_occurred")}
    for name, text in errors.items():
        replay = f"{PROGRAM} --benchmark_filter='^{name}$'"
        result.find("violation", "what is measured works", f"{name}: {text}", replay=replay)
    measured = gather(file)
    reads, torn = _racy_reads(measured, "saturating")
    if reads >= ENOUGH_READS and torn == 0 and len(measured["context"].get("cpus", [])) > 1:
        title = "no racy read against a saturating publisher was torn"
        detail = f"{reads} reads: they and the publisher did not run at the same time, so none could be torn."
        result.find("vacuous", "a read returns one publish, whole", title, detail=detail)


def _headline(measured: Measured) -> str:
    """The figures that people ask for, as far as they were measured."""
    ratio = {r["what"]: r["median"] for r in claims.ratios(measured)}
    parts = []
    for text, name, what, than in (
        ("read", "read/uncontended/hardened", "uncontended read / five plain loads", "five loads"),
        ("publish", "publish/hardened", "", ""),
        ("open", "header/open_owned", "open, owned / xxh3_64 of 60 bytes", "its hash"),
    ):
        if name in measured["benchmarks"]:
            of = f" ({ratio[what]:.2f} x {than})" if what in ratio else ""
            parts.append(f"{text} {stats.median(measured['benchmarks'][name]['ns']):.2f} ns{of}")
    return ", ".join(parts)


def fill(result: Result, file: File) -> None:
    """All that the result document says of what was measured."""
    measured = gather(file)
    judge(file, result)
    tails = pick(measured, group="tail").values()
    result.counts = {
        "rounds": measured["context"]["rounds"],
        "measurements": sum(len(b["ns"]) for b in measured["benchmarks"].values()),
        "reads": int(sum(sum(b["counters"]["reads"]) for b in tails)),
        "torn_racy_reads": _racy_reads(measured)[1],
    }
    result.headline = _headline(measured)
    result.details |= {
        "measured": measured,
        "ratios": claims.ratios(measured),
        "against_publisher": claims.against_publisher(measured),
    }


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--preset", default="release")  # for tests
    preset, others = parser.parse_known_args(arguments)
    options = engine.parse(DESCRIPTION, others)
    stop = Stopper()
    result = Result("bench", SUBJECT, seed=options.seed, budget={"seconds": options.seconds})
    result.details["shard"] = options.shard
    file = rounds.new_file(preset.preset, PASSES)
    try:
        # At least one round, and no round that would not be over in time.
        rounds.measure(file, stop, lambda count, passed: passed * (count + 1) <= float(options.seconds) * count)
        if file["context"]["fsqlshm"]["rounds"] == 0:
            result.reason = "interrupted"
    except CouldNotRun as problem:
        result.reason = str(problem)
    fill(result, file)
    for finding in result.findings:
        engine.say("bench", f"FOUND {finding['title']}")
    if result.reason:
        engine.say("bench", result.reason)
    return result.write(options.out / "bench.json")


if __name__ == "__main__":
    command.run("bench", main)
