"""Child processes and the signals that end them."""

import contextlib
import math
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

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


@contextlib.contextmanager
def watchdog(child: Child) -> Iterator[None]:
    """Ends the child and its descendants if this process dies, even by SIGKILL."""
    read, write = os.pipe()
    guard = subprocess.Popen(
        [sys.executable, "-Is", str(pathlib.Path(__file__).with_name("watchdog.py")), str(child.pid)],
        stdin=read,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(read)
    try:
        yield
    finally:
        # In this order: a guard that was killed does not see the pipe's end.
        guard.kill()
        guard.wait()
        os.close(write)
