"""The benchmarks in a campaign: the main figures, measured for about N seconds.

It finds something only when an operation does the wrong thing: every single read that is timed is checked, and so are
the results of what is measured. Times are reported and never judged. Every shard measures everything, in an order that
no seed decides.

Of a shared object: its calls, beside the same calls of this library.
"""

import json
import shlex
import statistics

from fsqlshm.bench import rounds, tables
from fsqlshm.bench.measured import File, Measured, gather, pick, timed_rows
from fsqlshm.engine import Description, Job
from fsqlshm.results import CouldNotRun, Result
from fsqlshm.text import plural

PRESET = "release"
BUILDS = {PRESET: "engines-bench"}
DESCRIPTION = Description(__doc__, builds=BUILDS, object_builds=BUILDS)
SUBJECT = "operations and read latency"
# Fewer racy reads may all be whole by chance.
ENOUGH_READS = 1_000_000


def _racy_reads(measured: Measured, **facts: str) -> tuple[int, int]:
    """How many timed reads of racy subjects there were, and how many were torn."""
    counters = [b["counters"] for b in pick(measured, group="tail", **facts).values() if b["racy"]]
    return int(sum(sum(c["reads"]) for c in counters)), int(sum(sum(c["torn"]) for c in counters))


def _option(file: File) -> str:
    return shlex.quote(f"--subject={file['context']['fsqlshm']['subject']}")


def judge(file: File, result: Result) -> None:
    """Adds what is wrong: operations that did the wrong thing, and a check for torn reads that was vacuous."""
    errors = {row["name"]: row["error_message"] for row in timed_rows(file) if row.get("error_occurred")}
    for name, text in errors.items():
        replay = f"{rounds.PROGRAM} --benchmark_filter='^{name}$'"
        if "subject" in file["context"]["fsqlshm"]:
            replay += f" {_option(file)}"
        result.find("violation", "what is measured works", f"{name}: {text}", replay=replay)
    measured = gather(file)
    reads, torn = _racy_reads(measured, rate="saturating")
    if reads >= ENOUGH_READS and torn == 0 and len(measured["context"].get("cpus", [])) > 1:
        title = "no racy read against a saturating publisher was torn"
        detail = f"{reads} reads: they and the publisher did not run at the same time, so none could be torn."
        result.find("vacuous", "a read returns one publish, whole", title, detail=detail)


def _headline(measured: Measured) -> str:
    """The figures that people ask for, as far as they were measured."""
    ratios, parts = tables.ratios(measured), []
    for text, name, what, than in (
        ("read", "read/uncontended/hardened", "uncontended read / five plain loads", "five loads"),
        ("publish", "publish/hardened", "", ""),
        ("open", "header/open_owned", "open, owned / xxh3_64 of 60 bytes", "its hash"),
    ):
        if name in measured["benchmarks"]:
            of = f" ({statistics.median(ratios[what][0]):.2f} x {than})" if what in ratios else ""
            parts.append(f"{text} {statistics.median(measured['benchmarks'][name]['ns']):.2f} ns{of}")
    return ", ".join(parts)


def _headline_of_calls(measured: Measured) -> str:
    """What a shared object's calls cost, and how many times what ours do."""
    columns, rows = tables.calls(measured)
    if len(columns) < 6:
        return ""
    return ", ".join(f"{row[0].replace('_', ' ')} {row[4]} ns ({row[5]} x ours)" for row in rows if row[5])


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
    result.headline = _headline(measured) or _headline_of_calls(measured)
    result.details["measured"] = measured
    if "subject" in file["context"]:
        result.details["subject"] = json.loads(file["context"]["subject"])


def main(job: Job) -> int:
    path = job.shared_object
    result = job.result(path.name if path else SUBJECT)
    result.details["shard"] = job.shard
    file = rounds.new_file(PRESET, rounds.CALLS if path else rounds.MAIN, path)
    try:
        # At least one round, and no round that would not be over in time.
        rounds.measure(file, job.stop, lambda count, passed: passed * (count + 1) <= job.seconds * count)
        if job.stop.requested:
            result.reason = f"interrupted after {plural(file['context']['fsqlshm']['rounds'], 'round')}"
    except CouldNotRun as error:
        result.reason = str(error)
    except rounds.DidNotReturn as error:
        replay = f"{rounds.PROGRAM} '--benchmark_filter={rounds.CALLS[0][0]}' {_option(file)}"
        result.find("violation", "what is measured works", str(error), replay=replay)
    fill(result, file)
    for problem in [finding["title"] for finding in result.findings] + [result.reason]:
        job.say(problem)
    return result.write(job.out / "bench.json")
