"""The main job: build, then attack with every engine within a time budget, and sum up."""

import argparse
import dataclasses
import datetime
import hashlib
import os
import pathlib
import sys
import time
from collections.abc import Mapping, Sequence

from fsqlshm import ROOT, command, engine, files, host, results, runner
from fsqlshm.processes import Stopper
from fsqlshm.results import CouldNotRun, Document
from fsqlshm.schema import BadDocument
from fsqlshm.text import Clock, colour, duration, table

COLOURS = {"clean": "32;1", "found": "31;1", "could_not_run": "33;1"}
OUT = ROOT / "out" / "campaign"
HELP = (
    "Installs missing packages (scripts/bootstrap), builds and runs one engine after the other, and sums up.",
    """Results: DIR/report.html (also junit.xml, summary.md, report.sarif), made from DIR/summary.json; and one
folder an engine with its result documents and its log.
Ctrl-C ends the running engine cleanly and sums up what was done.

Exit status: 0 nothing found, 1 something found, 2 could not run (also: not to its end).""",
)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = command.Parser("scripts/campaign", *HELP)
    add = parser.add_argument
    minutes, seed = command.number(float, 0.5, 7 * 24 * 60), command.number(int, 0, 2**63 - 1)
    now, known = int(time.time()) & 0xFFFFFFFF, ", ".join(engine.NAMES)
    add("--minutes", type=minutes, default=2, metavar="N", help="for all engines, without the build (default 2)")
    add("--engines", type=lambda names: names.split(","), metavar="A,B", help=f"only these of: {known}")
    what = "attack this alone, with the engines that can: reference, which must fail, hardened, or a shared object"
    add("--subject", type=engine.subject, metavar="NAME|PATH.so", help=what)
    add("--seed", type=seed, metavar="N", default=now, help="default: from the clock, printed")
    add("--shard", type=command.shard, default="1/1", metavar="I/N", help="part I of a run split over N machines")
    add("--out", type=pathlib.Path, metavar="DIR", help="default out/campaign/DATE-PID, linked as out/campaign/latest")
    add("--jobs", **command.JOBS)
    options = parser.parse_args(arguments)
    for name in options.engines or []:
        if name not in engine.NAMES or options.engines.count(name) > 1:
            parser.error(f"unknown engine '{name}', or twice")
    return options


def is_object(options: argparse.Namespace) -> bool:
    return options.subject is not None and options.subject not in engine.SUBJECTS


def choose_engines(options: argparse.Namespace) -> tuple[dict[runner.Row, engine.Description], list[str]]:
    """The engines that are asked for, else those that need no least time, as far as they can do what is asked for; and
    of the others, why they cannot."""
    rows = [row for row in runner.read_table() if (row.engine in options.engines if options.engines else not row.least)]
    able, unable = {}, []
    for row in rows:
        description = engine.describe(row.engine)
        if options.subject is None:
            able[row] = description
        elif is_object(options) and description.object_builds:
            able[row] = dataclasses.replace(description, builds=description.object_builds)
        elif not is_object(options) and description.subject:
            able[row] = description
        else:
            unable.append(f"{row.engine}: {description.no_object or 'cannot attack a chosen subject alone'}")
    if options.engines is not None and unable:
        raise CouldNotRun(f"--subject: {'; '.join(unable)}; see --help")
    return able, unable if is_object(options) else []


def checksum(path: pathlib.Path) -> str:
    """Raises CouldNotRun if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CouldNotRun(f"{path}: {error.strerror}") from error


def changed(path: pathlib.Path, before: str) -> list[Document]:
    """That another object was attacked by some of the engines; nothing if it is the one that it was."""
    try:
        after = checksum(path)
    except CouldNotRun as problem:
        after = str(problem)
    if after == before:
        return []
    reason = f"the subject changed while it was attacked: sha256 {before} at the start, then {after}"
    return [results.could_not_run("campaign", reason)]


def shared_object(path: pathlib.Path, sha256: str, documents: Sequence[Document]) -> dict[str, object]:
    """Who it is, by what the engines that loaded it say."""
    who = {"file": str(path), "sha256": sha256}
    said = [document["details"]["subject"] for document in documents if "subject" in document["details"]]
    return who | {name: said[0][name] for name in ("implementation", "promises", "known_defects") if said}


def make_output_folder(chosen: pathlib.Path | None) -> pathlib.Path:
    stamp = f"{datetime.datetime.now(datetime.timezone.utc):%Y%m%d-%H%M%S}"
    folder = (chosen or OUT / f"{stamp}-{os.getpid()}").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise CouldNotRun(f"{folder} is not empty")
    # Another campaign then finds the folder not empty, also while this one only builds.
    (folder / "started").touch(exist_ok=False)
    return folder


def print_results(documents: Sequence[Document]) -> None:
    """The table, what was found and what could not run."""
    print("\n" + table(*results.table(documents)), end="")
    for document in documents:
        for finding in document["findings"]:
            if finding["severity"] == "expected":
                continue
            severity = colour(finding["severity"], COLOURS["found"], sys.stdout)
            print(f"\n{document['engine']} {severity}: {finding['title']}")
            # Of what was not met there is often nothing to run again, but a sentence on it.
            why = finding["detail"].strip().partition("\n")[0]
            shown = f"  reproduce: {finding['replay']}" if finding["replay"] else f"  {why}"
            print(f"  property: {finding['property']}\n{shown}".rstrip())
        if document["status"] == "could_not_run":
            words = colour("could not run", COLOURS["could_not_run"], sys.stdout)
            print(f"\n{document['engine']} {words}: {document.get('reason', 'no reason given')}")


def commit() -> str:
    return host.git("rev-parse", "HEAD")


def about_subject(
    options: argparse.Namespace, sha256: str, documents: Sequence[Document], unable: Sequence[str]
) -> dict[str, object]:
    """Members of the summary."""
    if not is_object(options):
        return {"subject": options.subject}
    path = pathlib.Path(options.subject)
    return {"subject": path.name, "shared_object": shared_object(path, sha256, documents), "unable": list(unable)}


def make_report(folder: pathlib.Path) -> pathlib.Path:
    """The report of a folder whose summary.json has been written; returns what was made of it."""
    try:
        # Here, because drawing needs packages that a run itself does not.
        from fsqlshm.report import main as report

        report.write(folder)
    except (BadDocument, OSError, ImportError) as error:
        print(f"no report: {command.sentence(error)}", file=sys.stderr)
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


def refused(path: str, documents: Sequence[Document]) -> bool:
    """Whether an engine could not load the subject: nobody can. Its reason begins like this (harness/subject.h)."""
    return any(document.get("reason", "").startswith(f"subject {path}: ") for document in documents)


def run_engines(
    chosen: Mapping[runner.Row, engine.Description],
    folder: pathlib.Path,
    options: argparse.Namespace,
    clock: Clock,
    stop: Stopper,
) -> list[Document]:
    """Each is built right before it runs, so that the first result does not wait for the builds of all."""
    words = ["--seed", str(options.seed), "--shard", options.shard, *runner.jobs_given(options.jobs)]
    if options.subject is not None:
        words += ["--subject", options.subject]
    documents = []
    rows = list(chosen)
    for place, row in enumerate(rows):
        if stop.requested:
            documents.append(results.could_not_run(row.engine, "not started: interrupted"))
            continue
        if is_object(options) and refused(options.subject, documents):
            clock.say(f"{row.engine}: not started, the subject cannot be loaded")
            continue
        try:
            with clock.standing():
                runner.build([chosen[row]], folder, clock, stop)
        except CouldNotRun as problem:
            documents.append(results.could_not_run(row.engine, str(problem)))
            continue
        # What an engine leaves over or takes too much is shared by those after it.
        share = row.share / max(1, sum(later.share for later in rows[place:]))
        seconds = max(5, int(clock.left() * share)) if share else 0
        given = [*words, *row.arguments]
        documents += runner.run_engine(row.engine, folder / row.name, given, seconds, clock, stop)
    return documents


def main(arguments: Sequence[str]) -> int:
    stop = Stopper()
    clock = Clock()
    options = parse_arguments(arguments)
    runner.bootstrap("--campaign")
    chosen, unable = choose_engines(options)
    sha256 = checksum(pathlib.Path(options.subject)) if is_object(options) else ""
    folder = make_output_folder(options.out)
    started = results.now()
    clock.run_engines_for(options.minutes * 60)
    clock.say(f"engines: {', '.join(row.engine for row in chosen)}; seed {options.seed}")
    for each in unable:
        clock.say(f"left out: {each}")
    documents = run_engines(chosen, folder, options, clock, stop)
    if is_object(options):
        documents += changed(pathlib.Path(options.subject), sha256)
    print_results(documents)
    summary = results.summary(
        documents,
        **{name: getattr(options, name) for name in ("minutes", "seed", "shard")},
        **about_subject(options, sha256, documents, unable),
        started=started,
        duration_seconds=round(clock.elapsed(), 1),
        commit=commit(),
        machine=host.machine(),
    )
    files.write_json(folder / "summary.json", summary)
    page = make_report(folder)
    status = conclude("campaign", documents, clock.elapsed(), page)
    if options.out is None:
        files.link(folder, OUT / "latest")
    return status


if __name__ == "__main__":
    command.run("campaign", main)
