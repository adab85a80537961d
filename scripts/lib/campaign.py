"""Runs the engines one after the other within a time budget and sums up. Called by scripts/campaign.

An engine is an executable scripts/engines/NAME. It gets --seconds N --out DIR [--seed N]
[--shard I/N], writes result documents DIR/*.json and ends with 0, 1 or 2. What it prints on standard
error is its progress.
"""

import argparse
import contextlib
import datetime
import fcntl
import json
import os
import pathlib
import platform
import re
import select
import signal
import subprocess
import sys
import time

import results

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# The engines in the order in which they run, with their share of the time. Golden needs none.
WEIGHTS = {"golden": 0, "relacy": 3, "fuzz": 3, "stress": 3, "bench": 1}
# An engine that is still running this long after its time is up is ended. Generous, because a
# loaded machine is slow, and because an engine may have to finish a run that it began.
GRACE_SECONDS = 60
PRESETS = ("release", "asan", "tsan")


class CouldNotRun(Exception):
    """The campaign cannot go on; the text says why."""


class Clock:
    """Elapsed and remaining time, and lines that begin with them."""

    def __init__(self):
        self.start = time.monotonic()
        self.budget = None  # seconds, once the engines run

    def elapsed(self):
        return time.monotonic() - self.start

    def say(self, text):
        left = ""
        if self.budget is not None:
            left = f", {max(0, self.budget - self.elapsed()):3.0f} s left"
        print(f"[{self.elapsed():4.0f} s{left}] {text}", flush=True)

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


def parse_arguments(arguments):
    def fail(message):
        raise CouldNotRun(f"{message}; see --help")

    parser = argparse.ArgumentParser(prog="campaign", add_help=False, allow_abbrev=False)
    parser.error = fail
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--engines", default=",".join(WEIGHTS))
    parser.add_argument("--seed", type=int)
    parser.add_argument("--shard", default="1/1")
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args(arguments)
    if not 0.5 <= options.minutes <= 7 * 24 * 60:
        fail("--minutes must be from 0.5 to 10080")
    options.engines = options.engines.split(",")
    for name in options.engines:
        if name not in WEIGHTS:
            fail(f"unknown engine '{name}'")
    if len(set(options.engines)) != len(options.engines):
        fail("--engines names one twice")
    match = re.fullmatch(r"(\d+)/(\d+)", options.shard)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        fail("--shard must be I/N with 1 <= I <= N")
    if options.seed is None:
        options.seed = int(time.time()) & 0xFFFFFFFF
    if not 0 <= options.seed < 2**63:
        fail("--seed must be from 0 to 2^63-1")
    return options


def make_output_folder(chosen):
    if chosen is not None:
        folder = chosen.resolve()
        if folder.exists() and any(folder.iterdir()):
            raise CouldNotRun(f"{folder} is not empty")
    else:
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")
        folder = ROOT / "out" / "campaign" / f"{stamp}-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def link_latest(folder):
    """out/campaign/latest points to `folder` from one moment to the next, never to nothing."""
    parent = ROOT / "out" / "campaign"
    parent.mkdir(parents=True, exist_ok=True)
    link = parent / f"latest.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(os.path.relpath(folder, parent))
    link.replace(parent / "latest")


def build(folder, clock, stop):
    """Builds what the engines need; two campaigns at once take turns."""
    (ROOT / "build").mkdir(exist_ok=True)
    with open(ROOT / "build" / "lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            clock.say("build: waiting for another build to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for preset in PRESETS:
            log = folder / f"build-{preset}.log"
            with open(log, "wb") as output:
                for command in (
                    ["cmake", "--preset", preset],
                    ["cmake", "--build", "--preset", preset, "--target", "engines"],
                ):
                    try:
                        code = subprocess.run(
                            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output,
                            stderr=output, check=False).returncode
                    except OSError as error:
                        raise CouldNotRun(f"cannot run {command[0]}: {error}") from error
                    if stop.requested:
                        raise CouldNotRun("interrupted while building")
                    if code != 0:
                        raise CouldNotRun(f"the {preset} build failed, see {log}")
            clock.say(f"build: {preset} ready")


def end_process_group(process, number):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def follow(process, name, log, deadline, clock, stop):
    """Prints the engine's progress until it ends. Returns why it was ended, or None."""
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
                    clock.say(f"{name}: {text.removeprefix(name + ': ')}")
        elif process.poll() is not None:
            break
        if told_to_stop is None and (stop.requested or time.monotonic() > deadline):
            reason = "interrupted" if stop.requested else "did not end in time"
            end_process_group(process, signal.SIGINT)
            told_to_stop = time.monotonic()
        elif told_to_stop is not None and time.monotonic() > told_to_stop + 20:
            end_process_group(process, signal.SIGKILL)
    process.wait()
    # Whatever the engine left behind in its group.
    end_process_group(process, signal.SIGKILL)
    return reason


def run_engine(name, seconds, options, folder, clock, stop):
    """One engine; returns its documents, at least one."""
    out = folder / name
    out.mkdir()
    command = [str(ROOT / "scripts" / "engines" / name), "--seconds", str(seconds),
               "--out", str(out), "--seed", str(options.seed), "--shard", options.shard]
    started = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    start = time.monotonic()
    clock.say(f"{name}: starting" + (f", {seconds} s" if seconds else ""))

    def failure(reason):
        return results.could_not_run(name, reason, time.monotonic() - start, started)

    with open(out / "log.txt", "wb") as log:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            return [failure(f"cannot be started: {error}")]
        reason = follow(process, name, log, start + seconds + GRACE_SECONDS, clock, stop)

    documents = []
    for path in sorted(out.glob("*.json")):
        try:
            document = results.load(path)
        except results.BadDocument as error:
            documents.append(failure(str(error)))
            continue
        document["document"] = str(path.relative_to(folder))
        documents.append(document)
    if not documents:
        documents.append(failure(f"wrote no result (exit status {process.returncode}), "
                                 f"see {out / 'log.txt'}"))
    elif reason is not None:
        documents.append(failure(reason))
    elif process.returncode != results.exit_status(documents):
        documents.append(failure(f"exit status {process.returncode} contradicts its results"))
    return documents



def table(documents):
    """The summary table as lines."""
    rows = [("engine", "subject", "status", "work done", "findings", "time")]
    for document in documents:
        expected = sum(f["severity"] == "expected" for f in document["findings"])
        others = len(document["findings"]) - expected
        findings = str(others) + (f" (+{expected} expected)" if expected else "")
        status = document["status"].replace("_", " ")
        rows.append((document["engine"], document["subject"], status,
                     document.get("headline", ""), findings,
                     f"{document['duration_seconds']:.0f} s"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in rows]


def sum_up(documents, options, folder, seconds):
    """Prints the table and what was found; writes summary.json; returns the exit status."""
    status = results.exit_status(documents)
    verdict = {results.CLEAN: "nothing found", results.FOUND: "something was found",
               results.COULD_NOT_RUN: "could not run to the end"}[status]
    print()
    for line in table(documents):
        print(line)
    for document in documents:
        for finding in document["findings"]:
            if finding["severity"] == "expected":
                continue
            print(f"\n{document['engine']} {finding['severity']}: {finding['title']}\n"
                  f"  property: {finding['property']}\n  reproduce: {finding['replay']}")
        if document["status"] == "could_not_run":
            print(f"\n{document['engine']} could not run: {document.get('reason', 'no reason given')}")
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True,
                            text=True, check=False).stdout.strip()
    summary = {
        "schema": "fsqlshm-campaign/1",
        "status": ("clean", "found", "could_not_run")[status],
        "minutes": options.minutes,
        "seed": options.seed,
        "shard": options.shard,
        "duration_seconds": round(seconds, 1),
        "commit": commit,
        "machine": {"system": platform.platform(), "processor": processor(),
                    "cores": os.cpu_count()},
        "results": documents,
    }
    temporary = folder / "summary.json.tmp"
    temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    temporary.replace(folder / "summary.json")
    print(f"\ncampaign: {verdict}, {seconds:.0f} s; {folder / 'summary.json'}", flush=True)
    return status


def processor():
    with contextlib.suppress(OSError):
        for line in open("/proc/cpuinfo", encoding="utf-8"):
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def main(arguments):
    stop = Stopper()
    clock = Clock()
    try:
        options = parse_arguments(arguments)
        folder = make_output_folder(options.out)
        build(folder, clock, stop)
    except (CouldNotRun, OSError) as error:
        print(f"campaign: {error}", file=sys.stderr)
        return results.COULD_NOT_RUN

    clock.run_engines_for(options.minutes * 60)
    clock.say(f"engines: {', '.join(options.engines)}; seed {options.seed}")
    documents = []
    left = list(options.engines)
    try:
        while left:
            name = left.pop(0)
            if stop.requested:
                documents.append(results.could_not_run(name, "not started: interrupted"))
                continue
            # What an engine leaves over or takes too much is shared by those after it.
            weight = WEIGHTS[name] / max(1, WEIGHTS[name] + sum(WEIGHTS[n] for n in left))
            seconds = max(5, int((clock.budget - clock.elapsed()) * weight)) if weight else 0
            documents += run_engine(name, seconds, options, folder, clock, stop)
        status = sum_up(documents, options, folder, clock.elapsed())
        if options.out is None:
            link_latest(folder)
    except OSError as error:
        print(f"campaign: {error}", file=sys.stderr)
        return results.COULD_NOT_RUN
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
