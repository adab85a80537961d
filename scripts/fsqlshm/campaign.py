"""Runs the engines one after the other within a time budget and sums up. Called by scripts/campaign.

What an engine is stands in runner.py, what a summary is in results.py.
"""

import argparse
import contextlib
import datetime
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

from fsqlshm import ROOT, results, runner
from fsqlshm.runner import CouldNotRun

# The engines in the order in which they run, with their share of the time. Golden needs none.
WEIGHTS = {"golden": 0, "relacy": 3, "fuzz": 3, "stress": 3, "bench": 1}
SUBJECTS = ("hardened", "reference")


def parse_arguments(arguments):
    def fail(message):
        raise CouldNotRun(f"{message}; see --help")

    parser = argparse.ArgumentParser(prog="campaign", add_help=False, allow_abbrev=False)
    parser.error = fail
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--engines")
    parser.add_argument("--subject")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--shard", default="1/1")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args(arguments)
    if not 0.5 <= options.minutes <= 7 * 24 * 60:
        fail("--minutes must be from 0.5 to 10080")
    chosen = options.engines.split(",") if options.engines is not None else list(WEIGHTS)
    for name in chosen:
        if name not in WEIGHTS:
            fail(f"unknown engine '{name}'")
    if len(set(chosen)) != len(chosen):
        fail("--engines names one twice")
    if options.subject is not None:
        if options.subject not in SUBJECTS:
            fail(f"--subject must be one of {', '.join(SUBJECTS)}")
        able = [name for name in chosen if "--subject" in runner.takes(runner.program_of(name))]
        if options.engines is not None and able != chosen:
            fail(f"with --subject only these engines: {', '.join(able) or 'none'}")
        chosen = able
    options.engines = chosen
    match = re.fullmatch(r"(\d+)/(\d+)", options.shard)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        fail("--shard must be I/N with 1 <= I <= N")
    if options.seed is None:
        options.seed = int(time.time()) & 0xFFFFFFFF
    if not 0 <= options.seed < 2**63:
        fail("--seed must be from 0 to 2^63-1")
    return options


def make_output_folder(chosen):
    if chosen is not None:
        folder = chosen.resolve()
        if folder.exists() and any(folder.iterdir()):
            raise CouldNotRun(f"{folder} is not empty")
    else:
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")
        folder = ROOT / "out" / "campaign" / f"{stamp}-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # Whoever comes next finds the folder not empty, also while this one only builds.
        with open(folder / "started", "x", encoding="utf-8") as started:
            started.write(runner.now() + "\n")
    except FileExistsError as error:
        raise CouldNotRun(f"another campaign writes to {folder}") from error
    return folder


def link_latest(folder):
    """out/campaign/latest points to `folder` from one moment to the next, never to nothing."""
    parent = ROOT / "out" / "campaign"
    parent.mkdir(parents=True, exist_ok=True)
    link = parent / f"latest.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(os.path.relpath(folder, parent))
    link.replace(parent / "latest")


def table(documents):
    """The summary table as lines."""
    rows = [("engine", "subject", "status", "work done", "findings", "time")]
    for document, subject in zip(documents, results.labels(documents)):
        expected = sum(f["severity"] == "expected" for f in document["findings"])
        others = len(document["findings"]) - expected
        findings = str(others) + (f" (+{expected} expected)" if expected else "")
        status = document["status"].replace("_", " ")
        rows.append(
            (
                document["engine"],
                subject,
                status,
                results.headline(document),
                findings,
                f"{document['duration_seconds']:.0f} s",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def print_results(documents):
    """The table, what was found and what could not run."""
    print()
    for line in table(documents):
        print(line)
    for document in documents:
        for finding in document["findings"]:
            if finding["severity"] == "expected":
                continue
            severity = runner.colour(finding["severity"], "31;1", sys.stdout)
            print(
                f"\n{document['engine']} {severity}: {finding['title']}\n"
                f"  property: {finding['property']}\n  reproduce: {finding['replay']}"
            )
        if document["status"] == "could_not_run":
            print(
                f"\n{document['engine']} {runner.colour('could not run', '33;1', sys.stdout)}: "
                f"{document.get('reason', 'no reason given')}"
            )


def commit():
    return subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()


def machine():
    return {"system": platform.platform(), "processor": processor(), "cores": os.cpu_count()}


def processor():
    with contextlib.suppress(OSError):
        for line in open("/proc/cpuinfo", encoding="utf-8"):
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def make_report(folder):
    """The report of a folder whose summary.json has been written; returns what was made of it."""
    try:
        # Here, because drawing needs packages that a run itself does not.
        from fsqlshm.report import main as report  # pylint: disable=import-outside-toplevel

        report.write(folder)
    except (results.BadDocument, OSError, ImportError) as error:
        raise CouldNotRun(f"no report: {error}") from error
    return folder / "report.html"


def sum_up(documents, options, folder, seconds, started):
    """Prints what was found; writes summary.json and the report; returns the exit status."""
    status = results.exit_status(documents)
    print_results(documents)
    summary = {
        "schema": results.CAMPAIGN_SCHEMA,
        "status": results.STATUS_OF_EXIT[status],
        "minutes": options.minutes,
        "seed": options.seed,
        "shard": options.shard,
        "started": started,
        "duration_seconds": round(seconds, 1),
        "commit": commit(),
        "machine": machine(),
        "results": documents,
    }
    if options.subject is not None:
        summary["subject"] = options.subject
    results.write_json(folder / "summary.json", summary)
    try:
        report = make_report(folder)
    except CouldNotRun as error:
        # What was found is no less found.
        print(f"campaign: {error}", file=sys.stderr)
        report = folder / "summary.json"
        status = status if status == results.FOUND else results.COULD_NOT_RUN
    code = {results.CLEAN: "32;1", results.FOUND: "31;1", results.COULD_NOT_RUN: "33;1"}[status]
    verdict = runner.colour(results.verdict(documents), code, sys.stdout)
    print(f"\ncampaign: {verdict}, {runner.duration(seconds)}; {report}", flush=True)
    return status


def main(arguments):
    stop = runner.Stopper()
    clock = runner.Clock()
    try:
        options = parse_arguments(arguments)
        folder = make_output_folder(options.out)
        runner.build(folder, clock, stop)
    except (CouldNotRun, OSError) as error:
        print(f"campaign: {error}", file=sys.stderr)
        return results.COULD_NOT_RUN

    started = runner.now()
    clock.run_engines_for(options.minutes * 60)
    clock.say(f"engines: {', '.join(options.engines)}; seed {options.seed}")
    documents = []
    left = list(options.engines)
    arguments = ["--seed", str(options.seed), "--shard", options.shard]
    if options.subject is not None:
        arguments += ["--subject", options.subject]
    try:
        while left:
            name = left.pop(0)
            if stop.requested:
                documents.append(results.could_not_run(name, "not started: interrupted"))
                continue
            # What an engine leaves over or takes too much is shared by those after it.
            weight = WEIGHTS[name] / max(1, WEIGHTS[name] + sum(WEIGHTS[n] for n in left))
            seconds = max(5, int((clock.budget - clock.elapsed()) * weight)) if weight else 0
            documents += runner.run_engine(name, folder / name, arguments, seconds, clock, stop)
        status = sum_up(documents, options, folder, clock.elapsed(), started)
        if options.out is None:
            link_latest(folder)
    except (CouldNotRun, OSError) as error:
        print(f"campaign: {error}", file=sys.stderr)
        return results.COULD_NOT_RUN
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
