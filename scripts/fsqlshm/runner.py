"""Builds and runs engines (see engine.py). Used by campaign.py and nightly.py."""

import pathlib
import re
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import IO, BinaryIO

from fsqlshm import ROOT, engine, processes, results
from fsqlshm.processes import Stopper, signal_group
from fsqlshm.results import CouldNotRun, Document
from fsqlshm.schema import BadDocument
from fsqlshm.text import Clock, colour, duration

# An engine that is still running this long after its time is up is ended. Generous, because a
# loaded machine is slow, and because an engine may have to finish a run that it began.
GRACE_SECONDS = 120
# A process that left the engine's group may hold its standard error open; it is not waited for.
PATIENCE_SECONDS = 5
# What each preset has to build, and no more: the first campaign on a fresh clone waits for it.
TARGETS = {
    "release": ("engines-tools", "engines-relacy", "engines-stress", "engines-bench"),
    "asan": ("engines-fuzz",),
    "tsan": ("engines-stress",),
}
SANITIZERS = ("asan", "tsan")


def bootstrap(*options: str) -> None:
    """Installs what is missing."""
    command: processes.Command = [ROOT / "scripts" / "bootstrap", *options]
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        raise CouldNotRun("packages are missing")


def build(folder: pathlib.Path, clock: Clock, stop: Stopper, tests: bool = False) -> None:
    """Builds what the engines need, and also the sanitizers' unit tests if they are wanted."""
    for preset, targets in TARGETS.items():
        everything = tests and preset in SANITIZERS
        stop.build(preset, () if everything else targets, folder / f"build-{preset}.log", say=clock.say)
        clock.say(f"build: {preset} ready")


def _show(name: str, lines: IO[bytes], log: BinaryIO, clock: Clock) -> None:
    """Keeps what an engine says, and shows it."""
    for line in lines:
        log.write(line)
        text = line.decode("utf-8", "replace").rstrip()
        if text:
            clock.progress(f"{name}: {text.removeprefix(name + ': ')}")


def run_engine(
    name: str, out: pathlib.Path, arguments: Sequence[str], seconds: int, clock: Clock, stop: Stopper
) -> list[Document]:
    """One engine, its documents in the folder `out`; returns them, at least one."""
    out.mkdir(exist_ok=True)
    command = [str(engine.program_of(name)), "--seconds", str(seconds), "--out", str(out), *arguments]
    started = results.now()
    start = time.monotonic()
    clock.say(f"{name}: starting" + (f", {seconds} s" if seconds else ""))

    def failure(reason: str) -> Document:
        return results.could_not_run(name, reason, time.monotonic() - start, started)

    with open(out / "log.txt", "wb", buffering=0) as log:
        try:
            child = stop.start(command, group=True, stdout=log, stderr=subprocess.PIPE)
        except OSError as error:
            return [failure(f"cannot be started: {error}")]
        shows = threading.Thread(target=_show, args=(name, child.stderr, log, clock), daemon=True)
        with processes.watchdog(child):
            shows.start()
            code = stop.wait(child, seconds + GRACE_SECONDS)
            # What the engine left behind in its group may hold standard error open.
            signal_group(child, signal.SIGKILL)
            shows.join(PATIENCE_SECONDS)
        clock.clear()

    documents, problems = read_documents(out)
    documents += map(failure, problems)
    if not documents:
        documents.append(failure(f"wrote no result (exit status {child.returncode}), see {out / 'log.txt'}"))
    elif stop.requested:
        documents.append(failure("interrupted"))
    elif code is None:
        documents.append(failure("did not end in time"))
    elif child.returncode != results.exit_status(documents):
        documents.append(failure(f"exit status {child.returncode} contradicts its results"))
    word = results.verdict(documents)
    bad = results.exit_status(documents) != results.CLEAN
    clock.say(f"{name}: {colour(word, '31' if bad else '32', clock.stream)}, {duration(time.monotonic() - start)}")
    return documents


def runnable(command: str) -> str:
    """A replay command that names one of our programs alone, with where that program is."""
    name, _, rest = command.partition(" ")
    if re.fullmatch(r"fsqlshm-[a-z]+", name):
        for path in sorted(ROOT.glob(f"build/release/*/{name}")):
            return f"{path.relative_to(ROOT)} {rest}"
    return command


def read_documents(out: pathlib.Path) -> tuple[list[Document], list[str]]:
    """The result documents in a folder, and what is wrong with those that are none."""
    documents, problems = [], []
    for path in sorted(out.glob("*.json")):
        try:
            document = results.load(path)
        except BadDocument as error:
            problems.append(str(error))
            continue
        document["document"] = f"{out.name}/{path.name}"
        for finding in document["findings"]:
            finding["replay"] = runnable(finding["replay"])
        documents.append(document)
    return documents, problems
