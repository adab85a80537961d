"""Builds and runs engines (see engine.py). Used by campaign.py and nightly.py."""

import contextlib
import fcntl
import os
import pathlib
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import BinaryIO

from fsqlshm import ROOT, engine, processes, results
from fsqlshm.processes import Child, Stopper, signal_group
from fsqlshm.results import CouldNotRun, Document
from fsqlshm.schema import BadDocument
from fsqlshm.text import Clock, colour, duration

# An engine that is still running this long after its time is up is ended. Generous, because a
# loaded machine is slow, and because an engine may have to finish a run that it began.
GRACE_SECONDS = 120
# So long an engine has from SIGINT to SIGKILL.
PATIENCE_SECONDS = 20
# What each preset has to build, and no more: the first campaign on a fresh clone waits for it.
TARGETS = {
    "release": ("engines-tools", "engines-relacy", "engines-stress", "engines-bench"),
    "asan": ("engines-fuzz",),
    "tsan": ("engines-stress",),
}
SANITIZERS = ("asan", "tsan")


def bootstrap() -> None:
    """Installs what is missing."""
    if subprocess.run([ROOT / "scripts" / "bootstrap"], stdin=subprocess.DEVNULL, check=False).returncode != 0:
        raise CouldNotRun("packages are missing")


def build(folder: pathlib.Path, clock: Clock, stop: Stopper, tests: bool = False) -> None:
    """Builds what the engines need, and also the sanitizers' unit tests if they are wanted. Two runs at once
    take turns."""
    (ROOT / "build").mkdir(exist_ok=True)
    with open(ROOT / "build" / "lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            clock.say("build: waiting for another build to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for preset, targets in TARGETS.items():
            log = folder / f"build-{preset}.log"
            if tests and preset in SANITIZERS:
                targets = ("all",)
            with open(log, "wb") as output:
                for command in (
                    ["cmake", "--preset", preset],
                    ["cmake", "--build", "--preset", preset, "--target", *targets],
                ):
                    code = stop.wait(stop.start(command, cwd=ROOT, stdout=output, stderr=output))
                    if stop.requested:
                        raise CouldNotRun("interrupted while building")
                    if code != 0:
                        raise CouldNotRun(f"the {preset} build failed, see {log}")
            clock.say(f"build: {preset} ready")


class _Progress:
    """Shows what an engine says on standard error, line by line, and keeps it."""

    def __init__(self, name: str, child: Child, log: BinaryIO, clock: Clock) -> None:
        self.name, self.log, self.clock = name, log, clock
        assert child.stderr is not None
        self.stream = child.stderr
        self.pending = b""

    def read(self, seconds: float) -> bool:
        """Waits so long for more; returns whether there can be more."""
        ready, _, _ = select.select([self.stream], [], [], seconds)
        if not ready:
            return True
        chunk = os.read(self.stream.fileno(), 65536)
        self.log.write(chunk)
        *lines, self.pending = (self.pending + chunk).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                self.clock.progress(f"{self.name}: {text.removeprefix(self.name + ': ')}")
        return bool(chunk)


def follow(child: Child, progress: _Progress, deadline: float, stop: Stopper) -> str | None:
    """Shows the engine's progress until it ends. Returns why it was ended, or None."""
    reason = None
    told_to_stop = None
    more = True
    # Standard error may be closed before the engine ends.
    while child.poll() is None:
        if more:
            more = progress.read(0.2)
        else:
            time.sleep(0.05)
        if told_to_stop is None and (stop.requested or time.monotonic() > deadline):
            reason = "interrupted" if stop.requested else "did not end in time"
            signal_group(child, signal.SIGINT)
            told_to_stop = time.monotonic()
        elif told_to_stop is not None and time.monotonic() > told_to_stop + PATIENCE_SECONDS:
            signal_group(child, signal.SIGKILL)
    while more and select.select([progress.stream], [], [], 0)[0]:
        more = progress.read(0)
    # What the engine left behind in its group.
    signal_group(child, signal.SIGKILL)
    progress.clock.clear()
    return reason


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

    with open(out / "log.txt", "wb", buffering=0) as log, contextlib.ExitStack() as stack:
        try:
            child: Child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            return [failure(f"cannot be started: {error}")]
        stack.enter_context(child)
        stack.enter_context(processes.watchdog(child))
        reason = follow(child, _Progress(name, child, log, clock), start + seconds + GRACE_SECONDS, stop)

    documents = read_documents(out, failure)
    if not documents:
        documents.append(failure(f"wrote no result (exit status {child.returncode}), see {out / 'log.txt'}"))
    elif reason is not None:
        documents.append(failure(reason))
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


def read_documents(out: pathlib.Path, failure: Callable[[str], Document] | None = None) -> list[Document]:
    """The result documents in a folder, and after them a failure for each that is none, if failures are wanted."""
    documents, failures = [], []
    for path in sorted(out.glob("*.json")):
        try:
            document = results.load(path)
        except BadDocument as error:
            failures += [failure(str(error))] if failure else []
            continue
        document["document"] = f"{out.name}/{path.name}"
        for finding in document["findings"]:
            finding["replay"] = runnable(finding["replay"])
        documents.append(document)
    return documents + failures
