"""Child processes and the signals that end them."""

import contextlib
import fcntl
import math
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fsqlshm import ROOT
from fsqlshm.results import CouldNotRun

Command = Sequence[str | pathlib.Path]
Child = subprocess.Popen[bytes]


def signal_group(child: Child, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)


class Stopper:
    """SIGINT and SIGTERM as a flag, and as a SIGTERM to the children that are at work, so that what was done is
    still summed up."""

    def __init__(self) -> None:
        self.requested = False
        self.children: dict[Child, bool] = {}  # whether it has a group of its own
        self.told: set[Child] = set()
        self.lock = threading.Lock()  # of threads that start children; the signal handler does without
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: Any) -> None:
        self.requested = True
        for child in self.children:
            self.end(child)

    def start(self, command: Command, *, group: bool = False, **options: Any) -> Child:
        """Starts a child, with `group` in a session of its own: what it starts ends with it."""
        child: Child = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, start_new_session=group, **options
        )
        with self.lock:
            self.children = {one: of for one, of in self.children.items() if one.poll() is None} | {child: group}
        if self.requested:  # the signal came before the child was on the list
            self.end(child)
        return child

    def end(self, child: Child) -> None:
        """Asks a child to end, and what it started if it has a group; does not wait. It is asked once: the second
        signal ends a program before it reports what it did."""
        if child.poll() is None and child not in self.told:
            self.told.add(child)
            if self.children[child]:
                # Not SIGTERM: that is what the parent in the group sends on to its own children.
                signal_group(child, signal.SIGINT)
            else:
                child.send_signal(signal.SIGTERM)

    def wait(self, child: Child, seconds: float = math.inf, grace: float = 20) -> int | None:
        """Waits. A child that takes longer than `seconds` is ended, and by force if it takes `grace` seconds more,
        also after a signal. Returns its exit status, or None if it did not end by itself in time."""
        deadline = time.monotonic() + seconds
        told_at: float | None = None
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.wait(0.2)
                return code if told_at is None or self.requested else None
            if told_at is None and (self.requested or time.monotonic() > deadline):
                self.end(child)
                told_at = time.monotonic()
            elif told_at is not None and time.monotonic() > told_at + grace:
                if self.children[child]:
                    signal_group(child, signal.SIGKILL)
                child.kill()
                child.wait()
                return None

    def run(self, command: Command, log: pathlib.Path, deadline: float = math.inf) -> int:
        """The exit status of a command whose output is added to a log; it ends with this process. Raises CouldNotRun if
        it did not come to its end until `deadline`, a time.monotonic()."""
        left = deadline - time.monotonic()
        if left <= 0 and not self.requested:
            raise CouldNotRun("no time left")
        with open(log, "ab") as output:
            child = self.start(command, group=True, cwd=ROOT, stdout=output, stderr=output)
            with watchdog(child):
                code = self.wait(child, left, grace=5)
        if self.requested:
            raise CouldNotRun("interrupted")
        if code is None:
            raise CouldNotRun(f"not ended in time: {shlex.join(map(str, command[:4]))}")
        return code

    def build(
        self,
        preset: str,
        targets: Sequence[str],
        log: pathlib.Path,
        deadline: float = math.inf,
        say: Callable[[str], None] = print,
    ) -> None:
        """Configures and builds. Two builds at once take turns."""
        with locked(ROOT / "build" / "lock", "build: waiting for another build to end", say):
            for words in (["--preset", preset], ["--build", f"build/{preset}", "--target", *targets]):
                if self.run(["cmake", *words], log, deadline) != 0:
                    raise CouldNotRun(f"the {preset} build failed, see {log}")


def quietly(command: Command, seconds: float | None = None, **environment: str) -> int | None:
    """The exit status of a program whose output is of no interest, nor what it leaves in its TMPDIR; None if it took
    longer."""
    with tempfile.TemporaryDirectory(prefix="fsqlshm-scratch-") as scratch:
        nowhere: dict[str, Any] = {name: subprocess.DEVNULL for name in ("stdin", "stdout", "stderr")}
        variables = {**os.environ, "TMPDIR": scratch, **environment}
        with contextlib.suppress(subprocess.TimeoutExpired):
            code: int = subprocess.run(command, timeout=seconds, env=variables, check=False, **nowhere).returncode
            return code
    return None


@contextlib.contextmanager
def locked(path: pathlib.Path, busy: str, say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Holds the lock of a file. While another process has it, says `busy` and waits, or without `say` gives up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if say is None:
                raise CouldNotRun(busy) from error
            say(busy)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def watchdog(child: Child) -> Iterator[None]:
    """Ends the child and its descendants if this process dies, even by SIGKILL."""
    read, write = os.pipe()
    words = [sys.executable, "-Is", str(pathlib.Path(__file__).with_name("watchdog.py")), str(child.pid)]
    nowhere = subprocess.DEVNULL
    # It holds the other end of the child's standard error, too: a child that a broken pipe ended before the guard came
    # would leave descendants that no parent leads to.
    ends = [child.stderr.fileno()] if child.stderr else []
    guard = subprocess.Popen(words, stdin=read, stdout=nowhere, stderr=nowhere, start_new_session=True, pass_fds=ends)
    os.close(read)
    try:
        yield
    finally:
        # In this order: a guard that was killed does not see the pipe's end.
        guard.kill()
        guard.wait()
        os.close(write)
