"""What a person reads on a terminal: numbers, durations, colours, progress."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, TextIO


def can_redraw(stream: TextIO) -> bool:
    """Whether it is a terminal that knows more than plain lines."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def colour(text: str, code: str, stream: TextIO) -> str:
    """The text in a colour, on a terminal that wants one."""
    if not can_redraw(stream) or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def number(value: Any) -> str:
    """All digits up to a million, then 1.23 M; at least three. What is no number as it is."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e30:
        return str(value)
    for scale, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {unit}"
    digits = f"{value:.3g}" if abs(value) < 100 and value != int(value) else f"{value:,.0f}"
    return digits.replace(",", "\u202f")


def plural(count: int, noun: str) -> str:
    """3 and "scenario" as "3 scenarios"."""
    return f"{number(count)} {noun}{'s' * (count != 1)}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """As Markdown that is aligned for the terminal: figures, with a letter for the unit at most, to the right."""
    widths = [max(map(len, cells)) for cells in zip(columns, *rows)]
    figures = [
        place > 0 and all(sum(map(str.isalpha, row[place])) <= 1 for row in rows) for place in range(len(widths))
    ]

    def line(cells: Sequence[str]) -> str:
        padded = [c.rjust(width) if right else c.ljust(width) for c, width, right in zip(cells, widths, figures)]
        return f"| {' | '.join(padded)} |\n"

    rule = "|".join(["-" * (width + 1) + ":-"[not right] for width, right in zip(widths, figures)])
    return line(columns) + f"|{rule}|\n" + "".join(map(line, rows))


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
        self.stood: float | None = None  # since when it stands still
        self.drawn = False

    def elapsed(self) -> float:
        return (time.monotonic() if self.stood is None else self.stood) - self.start

    @contextlib.contextmanager
    def standing(self) -> Iterator[None]:
        """What happens meanwhile takes no time."""
        self.stood = time.monotonic()
        try:
            yield
        finally:
            self.start += time.monotonic() - self.stood
            self.stood = None

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
