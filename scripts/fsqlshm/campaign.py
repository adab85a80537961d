"""The main job: build, then attack with every engine within a time budget, and sum up."""

import argparse
import datetime
import os
import pathlib
import platform
import sys
import time
from collections.abc import Sequence
from typing import Any

from fsqlshm import ROOT, command, engine, files, host, results, runner
from fsqlshm.processes import Stopper
from fsqlshm.results import CouldNotRun, Document
from fsqlshm.schema import BadDocument
from fsqlshm.text import Clock, colour, duration

# The engines in the order in which they run, with their share of the time. Golden needs none.
WEIGHTS = {"golden": 0, "relacy": 3, "fuzz": 3, "stress": 3, "bench": 1}
COLOURS = {"clean": "32;1", "found": "31;1", "could_not_run": "33;1"}
OUT = ROOT / "out" / "campaign"
HELP = (
    "Installs missing packages (scripts/bootstrap), builds, then runs every engine and sums up.",
    """Results: DIR/report.html (also junit.xml, summary.md, report.sarif), made from DIR/summary.json; and one
folder an engine with its result documents and its log.
Ctrl-C ends the running engine cleanly and sums up what was done.

Exit status: 0 nothing found, 1 something found, 2 could not run (also: not to its end).""",
)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = command.Parser("scripts/campaign", *HELP)
    add = parser.add_argument
    minutes, seed = command.number(float, 0.5, 7 * 24 * 60), command.number(int, 0, 2**63 - 1)
    now = int(time.time()) & 0xFFFFFFFF
    add("--minutes", type=minutes, default=2, metavar="N", help="for all engines, without the build (default 2)")
    add("--engines", type=engine_names, metavar="A,B", help=f"only these of: {', '.join(WEIGHTS)} (default all)")
    add("--subject", choices=engine.SUBJECTS, help="attack this alone, with the engines that can; reference must fail")
    add("--seed", type=seed, metavar="N", default=now, help="default: from the clock, printed")
    add("--shard", type=command.shard, default="1/1", metavar="I/N", help="part I of a run split over N machines")
    add("--out", type=pathlib.Path, metavar="DIR", help="default out/campaign/DATE-PID, linked as out/campaign/latest")
    return parser.parse_args(arguments)


def engine_names(text: str) -> list[str]:
    """An argument's type: some engines, each once."""
    names = text.split(",")
    for name in names:
        if name not in WEIGHTS or names.count(name) > 1:
            raise argparse.ArgumentTypeError(f"unknown engine '{name}', or twice")
    return names


def choose_engines(options: argparse.Namespace) -> list[str]:
    """The engines that are asked for and can do what is asked for."""
    chosen: list[str] = options.engines or list(WEIGHTS)
    if options.subject is None:
        return chosen
    able = [name for name in chosen if engine.describe(engine.program_of(name)).subject]
    if options.engines is not None and able != chosen:
        raise CouldNotRun(f"with --subject only these engines: {', '.join(able) or 'none'}; see --help")
    return able


def make_output_folder(chosen: pathlib.Path | None) -> pathlib.Path:
    stamp = f"{datetime.datetime.now(datetime.timezone.utc):%Y%m%d-%H%M%S}"
    folder = (chosen or OUT / f"{stamp}-{os.getpid()}").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise CouldNotRun(f"{folder} is not empty")
    try:
        # Another campaign then finds the folder not empty, also while this one only builds.
        with open(folder / "started", "x", encoding="utf-8") as started:
            started.write(results.now() + "\n")
    except FileExistsError as error:
        raise CouldNotRun(f"another campaign writes to {folder}") from error
    return folder


def table(documents: Sequence[Document]) -> list[str]:
    """The summary table as lines."""
    rows = [("engine", "subject", "status", "work done", "findings", "time")]
    for document, subject in zip(documents, results.labels(documents)):
        expected = sum(f["severity"] == "expected" for f in document["findings"])
        findings = str(len(document["findings"]) - expected) + (f" (+{expected} expected)" if expected else "")
        status = document["status"].replace("_", " ")
        seconds = f"{document['duration_seconds']:.0f} s"
        rows.append((document["engine"], subject, status, results.headline(document), findings, seconds))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def print_results(documents: Sequence[Document]) -> None:
    """The table, what was found and what could not run."""
    print("", *table(documents), sep="\n")
    for document in documents:
        for finding in document["findings"]:
            if finding["severity"] == "expected":
                continue
            severity = colour(finding["severity"], COLOURS["found"], sys.stdout)
            print(f"\n{document['engine']} {severity}: {finding['title']}")
            print(f"  property: {finding['property']}\n  reproduce: {finding['replay']}")
        if document["status"] == "could_not_run":
            words = colour("could not run", COLOURS["could_not_run"], sys.stdout)
            print(f"\n{document['engine']} {words}: {document.get('reason', 'no reason given')}")


def commit() -> str:
    return host.git("rev-parse", "HEAD")


def machine() -> dict[str, Any]:
    processor = host.processor().get("model name") or platform.processor()
    return {"system": platform.platform(), "processor": processor, "cores": os.cpu_count()}


def make_report(folder: pathlib.Path) -> pathlib.Path:
    """The report of a folder whose summary.json has been written; returns what was made of it."""
    try:
        # Here, because drawing needs packages that a run itself does not.
        from fsqlshm.report import main as report

        report.write(folder)
    except (BadDocument, OSError, ImportError) as error:
        print(f"no report: {error}", file=sys.stderr)
        return folder / "summary.json"
    return folder / "report.html"


def conclude(program: str, documents: Sequence[Document], seconds: float, page: pathlib.Path) -> int:
    """The last line; returns the exit status."""
    status = results.exit_status(documents)
    if status == results.CLEAN and page.suffix != ".html":
        status = results.COULD_NOT_RUN  # no report; what was found is no less found
    verdict = colour(results.verdict(documents), COLOURS[results.STATUS_OF_EXIT[status]], sys.stdout)
    print(f"\n{program}: {verdict}, {duration(seconds)}; {page}", flush=True)
    return status


def run_engines(
    chosen: Sequence[str], folder: pathlib.Path, options: argparse.Namespace, clock: Clock, stop: Stopper
) -> list[Document]:
    words = ["--seed", str(options.seed), "--shard", options.shard]
    if options.subject is not None:
        words += ["--subject", options.subject]
    documents = []
    for place, name in enumerate(chosen):
        if stop.requested:
            documents.append(results.could_not_run(name, "not started: interrupted"))
            continue
        # What an engine leaves over or takes too much is shared by those after it.
        share = WEIGHTS[name] / max(1, sum(WEIGHTS[later] for later in chosen[place:]))
        seconds = max(5, int(clock.left() * share)) if share else 0
        documents += runner.run_engine(name, folder / name, words, seconds, clock, stop)
    return documents


def main(arguments: Sequence[str]) -> int:
    stop = Stopper()
    clock = Clock()
    options = parse_arguments(arguments)
    runner.bootstrap("--campaign")
    chosen = choose_engines(options)
    folder = make_output_folder(options.out)
    runner.build(folder, clock, stop)
    started = results.now()
    clock.run_engines_for(options.minutes * 60)
    clock.say(f"engines: {', '.join(chosen)}; seed {options.seed}")
    documents = run_engines(chosen, folder, options, clock, stop)
    print_results(documents)
    summary = results.summary(
        documents,
        **{name: getattr(options, name) for name in ("minutes", "seed", "shard", "subject")},
        started=started,
        duration_seconds=round(clock.elapsed(), 1),
        commit=commit(),
        machine=machine(),
    )
    files.write_json(folder / "summary.json", summary)
    page = make_report(folder)
    status = conclude("campaign", documents, clock.elapsed(), page)
    if options.out is None:
        files.link(folder, OUT / "latest")
    return status


if __name__ == "__main__":
    command.run("campaign", main)
