"""What a person reads on a terminal: numbers, durations, colours, progress."""

import contextlib
import os
import sys
import time
from typing import TextIO


def can_redraw(stream: TextIO) -> bool:
    """Whether it is a terminal that knows more than plain lines."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def colour(text: str, code: str, stream: TextIO) -> str:
    """The text in a colour, on a terminal that wants one."""
    if not can_redraw(stream) or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def human(count: float) -> str:
    """1234567 as "1.23 M"."""
    for scale, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= scale:
            return f"{count / scale:.3g}{unit}"
    return f"{count:.3g}"


def duration(seconds: float) -> str:
    """90 as "1:30", 59 as "59 s"."""
    seconds = max(0, int(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d}"
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class Clock:
    """Elapsed and remaining time, and lines that begin with them.

    On a terminal what an engine says about its progress is one line that is redrawn; elsewhere every
    line is printed.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.terminal = can_redraw(self.stream)
        self.start = time.monotonic()
        self.budget: float | None = None  # seconds, once the engines run
        self.drawn = False

    def elapsed(self) -> float:
        return time.monotonic() - self.start

    def left(self) -> float:
        return 0.0 if self.budget is None else self.budget - self.elapsed()

    def _prefix(self) -> str:
        left = "" if self.budget is None else f", {duration(self.left())} left"
        return f"[{duration(self.elapsed())}{left}]"

    def clear(self) -> None:
        if self.drawn:
            print("\r\x1b[K", end="", file=self.stream, flush=True)
            self.drawn = False

    def say(self, text: str) -> None:
        self.clear()
        print(f"{self._prefix()} {text}", file=self.stream, flush=True)

    def progress(self, text: str) -> None:
        if not self.terminal:
            self.say(text)
            return
        with contextlib.suppress(OSError):
            columns = os.get_terminal_size(self.stream.fileno()).columns or 80
            line = f"{self._prefix()} {text}"[: columns - 1]
            print(f"\r\x1b[K{line}", end="", file=self.stream, flush=True)
            self.drawn = True

    def run_engines_for(self, seconds: float) -> None:
        self.start = time.monotonic()
        self.budget = seconds
