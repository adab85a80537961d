"""Builds and runs engines (see engine.py). Used by campaign.py and nightly.py."""

import dataclasses
import pathlib
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
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
TABLE = ROOT / "scripts" / "engines.table"


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    share: float
    least: float  # seconds
    engine: str
    arguments: tuple[str, ...]


def read_table(path: pathlib.Path = TABLE) -> list[Row]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        numbers = all(re.fullmatch(r"\d+(\.\d+)?", word) for word in words[1:3])
        if len(words) < 4 or not numbers or not re.fullmatch(r"[a-z0-9-]+", words[0]):
            raise CouldNotRun(f"{path}:{number}: expected a name, a share, the least seconds and an engine")
        if words[3] not in engine.NAMES:
            raise CouldNotRun(f"{path}:{number}: there is no engine '{words[3]}'")
        rows.append(Row(words[0], float(words[1]), float(words[2]), words[3], tuple(words[4:])))
    if not rows or len({row.name for row in rows}) != len(rows):
        raise CouldNotRun(f"{path}: no slices, or a name twice")
    return rows


def bootstrap(*options: str) -> None:
    command: processes.Command = [ROOT / "scripts" / "bootstrap", *options]
    if subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        raise CouldNotRun("packages are missing")


def jobs_given(jobs: int | None) -> list[str]:
    """Arguments for an engine: nothing if nobody said how many, so that it asks the machine."""
    return [] if jobs is None else ["--jobs", str(jobs)]


def build(engines: Iterable[engine.Description], folder: pathlib.Path, clock: Clock, stop: Stopper) -> None:
    """Builds what these need, and no more: the first campaign on a fresh clone waits for it."""
    wanted: dict[str, list[str]] = {}
    for description in engines:
        for preset, target in description.builds.items():
            wanted.setdefault(preset, []).append(target)
    for preset, targets in wanted.items():
        start = time.monotonic()
        stop.build(preset, targets, folder / f"build-{preset}.log", say=clock.say)
        clock.say(f"build: {preset} ready, {duration(time.monotonic() - start)}")


def _show(name: str, lines: IO[bytes], log: BinaryIO, clock: Clock) -> None:
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
    command = [*engine.command_of(name), "--seconds", str(seconds), "--out", str(out), *arguments]
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
        for path in sorted([*ROOT.glob(f"build/release/*/{name}"), *ROOT.glob(f"build/release/*/*/{name}")]):
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
