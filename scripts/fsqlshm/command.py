"""What all commands have in common: how they refuse arguments, and how they end."""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from fsqlshm import files, results
from fsqlshm.results import CouldNotRun
from fsqlshm.schema import BadDocument

Number = int | float


class Parser(argparse.ArgumentParser):
    """Refuses with one line."""

    def __init__(self, prog: str, description: str = "", epilog: str = "") -> None:
        super().__init__(prog, None, description, epilog, allow_abbrev=False)
        self.formatter_class = argparse.RawDescriptionHelpFormatter

    def error(self, message: str) -> NoReturn:
        raise CouldNotRun(f"{message}; see --help")


def number(kind: type[int] | type[float], least: Number, most: Number) -> Callable[[str], Number]:
    """An argument's type: a number from `least` to `most`."""

    def read(text: str) -> Number:
        value = kind(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be from {least} to {most}")
        return value

    read.__name__ = kind.__name__  # for "invalid float value"
    return read


def shard(text: str) -> str:
    """An argument's type: part I of N."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError("must be I/N with 1 <= I <= N")
    return text


JOBS: dict[str, Any] = {
    "type": number(int, 1, 1024),
    "metavar": "N",
    "help": "processes that work side by side at most (default: one for each processor that this may use)",
}


def output(text: str) -> pathlib.Path:
    """An argument's type: a file to write, next to whose place files.write_text can write. Asked at the start, so that
    nobody works for a result that cannot be kept."""
    path = pathlib.Path(text)
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a file")
    if not files.replaceable(path):
        raise argparse.ArgumentTypeError(f"{text}: {files.NOT_REGULAR}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f"cannot write {text}")
    return path


def write(status: int, path: pathlib.Path | None, text: str) -> int:
    """Writes a result whose exit status is `status` if it has a path, and returns that: what was found is found also
    if it cannot be written, which is only said then. Raises OSError if nothing was found."""
    try:
        if path:
            files.write_text(path, text)
    except OSError as error:
        if status != results.FOUND:
            raise
        print(f"cannot write the result: {sentence(error)}", file=sys.stderr)
    return status


def sentence(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"{error}; scripts/bootstrap installs what is missing"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def run(name: str, body: Callable[[Sequence[str]], int]) -> NoReturn:
    """Ends the process with what `body` returns for the command line's arguments, or with a sentence."""
    status, complaint = results.COULD_NOT_RUN, ""
    try:
        status = body(sys.argv[1:])
        print(end="", flush=True)
    except (CouldNotRun, BadDocument, OSError, subprocess.SubprocessError, ModuleNotFoundError) as error:
        # What was found before the output was lost is still found.
        status, complaint = status or results.COULD_NOT_RUN, f"{name}: {sentence(error)}\n"
    except KeyboardInterrupt:
        complaint = f"{name}: interrupted\n"
    except Exception:  # a fault of ours is nothing that was found, which is what Python's own status 1 would say
        complaint = traceback.format_exc()
    try:
        print(complaint, end="", file=sys.stderr, flush=True)
    except OSError:
        status = status or results.COULD_NOT_RUN
    # What Python could not write it would try again at its end, and end with a status of its own.
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(status)
