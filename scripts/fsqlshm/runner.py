"""Builds and runs engines. Used by campaign.py and nightly.py.

An engine is an executable scripts/engines/NAME. It gets
  --seconds N    wall time to spend
  --out DIR      an existing folder for its result documents, *.json
  --seed N       seed for whatever it draws; another seed, other executions
  --shard I/N    its part of a run that is split over N machines
and ends with 0, 1 or 2, as its documents say. What it prints on standard error is its progress.

An engine that has working corpora keeps them in OUT/corpus, one folder a fuzz target, and goes on from
what is there when it starts. Every other file in OUT is its own affair.

An engine may also take arguments of OPTIONAL. It lists those in a line "# takes: ..." among its
first lines, and gets one only if it does.
"""

import contextlib
import datetime
import fcntl
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import time

from fsqlshm import ROOT, results

# An engine that is still running this long after its time is up is ended. Generous, because a
# loaded machine is slow, and because an engine may have to finish a run that it began.
GRACE_SECONDS = 120
# What each preset has to build, and no more: the first campaign on a fresh clone waits for it.
TARGETS = {
    "release": ("engines-tools", "engines-relacy", "engines-stress", "engines-bench"),
    "asan": ("engines-fuzz",),
    "tsan": ("engines-stress",),
}
SANITIZERS = ("asan", "tsan")
# What a run may ask of an engine beyond what every engine takes.
OPTIONAL = {"--subject": "attack this protocol alone: hardened or reference"}


CouldNotRun = results.CouldNotRun


def can_redraw(stream):
    """Whether it is a terminal that knows more than plain lines."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def colour(text, code, stream):
    """The text in a colour, on a terminal that wants one."""
    if not can_redraw(stream) or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def duration(seconds):
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

    def __init__(self, stream=None):
        self.stream = stream or sys.stdout
        self.terminal = can_redraw(self.stream)
        self.start = time.monotonic()
        self.budget = None  # seconds, once the engines run
        self.drawn = False

    def elapsed(self):
        return time.monotonic() - self.start

    def _prefix(self):
        left = f", {duration(self.budget - self.elapsed())} left" if self.budget is not None else ""
        return f"[{duration(self.elapsed())}{left}]"

    def clear(self):
        if self.drawn:
            print("\r\x1b[K", end="", file=self.stream, flush=True)
            self.drawn = False

    def say(self, text):
        self.clear()
        print(f"{self._prefix()} {text}", file=self.stream, flush=True)

    def progress(self, text):
        if not self.terminal:
            self.say(text)
            return
        with contextlib.suppress(OSError):
            columns = os.get_terminal_size(self.stream.fileno()).columns or 80
            line = f"{self._prefix()} {text}"[: columns - 1]
            print(f"\r\x1b[K{line}", end="", file=self.stream, flush=True)
            self.drawn = True

    def run_engines_for(self, seconds):
        self.start = time.monotonic()
        self.budget = seconds


class Stopper:
    """Turns SIGINT and SIGTERM into a flag, so that what was done is still summed up."""

    def __init__(self):
        self.requested = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number, _frame):
        self.requested = True


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def build(folder, clock, stop, tests=False):
    """Installs what is missing and builds what the engines need, and also the sanitizers' unit tests if
    they are wanted. Two runs at once take turns."""
    if subprocess.run([str(ROOT / "scripts" / "bootstrap")], stdin=subprocess.DEVNULL, check=False).returncode != 0:
        raise CouldNotRun("packages are missing")
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
                    try:
                        code = subprocess.run(
                            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
                        ).returncode
                    except OSError as error:
                        raise CouldNotRun(f"cannot run {command[0]}: {error}") from error
                    if stop.requested:
                        raise CouldNotRun("interrupted while building")
                    if code != 0:
                        raise CouldNotRun(f"the {preset} build failed, see {log}")
            clock.say(f"build: {preset} ready")


def program_of(name):
    return ROOT / "scripts" / "engines" / name


def takes(program):
    """The optional arguments that an engine takes."""
    with open(program, encoding="utf-8") as file:
        for _, line in zip(range(40), file):
            if line.startswith("# takes:"):
                return {word for word in line.split() if word in OPTIONAL}
    return set()


def end_process_group(process, number):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


@contextlib.contextmanager
def watchdog(process):
    """Ends the engine's processes if this one dies, even by SIGKILL."""
    read, write = os.pipe()
    guard = subprocess.Popen(
        [sys.executable, "-ISs", str(pathlib.Path(__file__).with_name("watchdog.py")), str(process.pid)],
        stdin=read,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(read)
    try:
        yield
    finally:
        # In this order: a guard that is dead does not see the pipe's end.
        guard.kill()
        guard.wait()
        os.close(write)


def follow(process, name, log, deadline, clock, stop):
    """Shows the engine's progress until it ends. Returns why it was ended, or None."""
    reason = None
    told_to_stop = None
    pending = b""
    while True:
        ready, _, _ = select.select([process.stderr], [], [], 0.2)
        if ready:
            chunk = os.read(process.stderr.fileno(), 65536)
            if not chunk:
                break
            log.write(chunk)
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                text = line.decode("utf-8", "replace").rstrip()
                if text:
                    clock.progress(f"{name}: {text.removeprefix(name + ': ')}")
        elif process.poll() is not None:
            break
        if told_to_stop is None and (stop.requested or time.monotonic() > deadline):
            reason = "interrupted" if stop.requested else "did not end in time"
            end_process_group(process, signal.SIGINT)
            told_to_stop = time.monotonic()
        elif told_to_stop is not None and time.monotonic() > told_to_stop + 20:
            end_process_group(process, signal.SIGKILL)
    # Standard error may be closed before the engine ends.
    while process.poll() is None:
        if time.monotonic() > (told_to_stop or deadline) + 20:
            end_process_group(process, signal.SIGKILL)
        time.sleep(0.05)
    # Whatever the engine left behind in its group.
    end_process_group(process, signal.SIGKILL)
    clock.clear()
    return reason


def run_engine(name, out, arguments, seconds, clock, stop, program=None):
    """One engine, its documents in the folder `out`; returns them, at least one."""
    out.mkdir(exist_ok=True)
    command = [str(program or program_of(name)), "--seconds", str(seconds), "--out", str(out), *arguments]
    started = now()
    start = time.monotonic()
    clock.say(f"{name}: starting" + (f", {seconds} s" if seconds else ""))

    def failure(reason):
        return results.could_not_run(name, reason, time.monotonic() - start, started)

    with open(out / "log.txt", "wb", buffering=0) as log:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            return [failure(f"cannot be started: {error}")]
        with watchdog(process):
            reason = follow(process, name, log, start + seconds + GRACE_SECONDS, clock, stop)
        process.stderr.close()

    documents, failures = read_documents(out, failure)
    documents += failures
    if not documents:
        documents.append(failure(f"wrote no result (exit status {process.returncode}), " f"see {out / 'log.txt'}"))
    elif reason is not None:
        documents.append(failure(reason))
    elif process.returncode != results.exit_status(documents):
        documents.append(failure(f"exit status {process.returncode} contradicts its results"))
    word = results.verdict(documents)
    bad = results.exit_status(documents) != results.CLEAN
    clock.say(f"{name}: {colour(word, '31' if bad else '32', clock.stream)}, {duration(time.monotonic() - start)}")
    return documents


def runnable(command):
    """A replay command that names one of our programs alone, with where that program is."""
    name, _, rest = command.partition(" ")
    if re.fullmatch(r"fsqlshm-[a-z]+", name):
        for path in sorted(ROOT.glob(f"build/release/*/{name}")):
            return f"{path.relative_to(ROOT)} {rest}"
    return command


def read_documents(out, failure):
    """The result documents in a folder, and a failure for each that is none."""
    documents, failures = [], []
    for path in sorted(out.glob("*.json")):
        try:
            document = results.load(path)
        except results.BadDocument as error:
            failures.append(failure(str(error)))
            continue
        document["document"] = f"{out.name}/{path.name}"
        for finding in document["findings"]:
            finding["replay"] = runnable(finding["replay"])
        documents.append(document)
    return documents, failures
