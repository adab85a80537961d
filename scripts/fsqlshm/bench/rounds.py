"""Runs fsqlshm-bench in rounds and gathers one file of Google Benchmark's JSON.

A round is a process for each pass, with its benchmarks in random order. So everything that is fixed for the life of a
process, like where its memory lies, varies between the samples, and ratios are taken between figures of the same round.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

from fsqlshm import ROOT, host
from fsqlshm.bench.measured import File, timed_rows
from fsqlshm.processes import Command, Stopper
from fsqlshm.results import CouldNotRun, now
from fsqlshm.text import plural

PROGRAM = "fsqlshm-bench"


class DidNotReturn(Exception):
    """A call of a shared object crashed or hung while it was measured: which, and how."""


# What one process of a round measures, as Google Benchmark takes it: which benchmarks, and seconds a measurement.
Pass = tuple[str, float]
FULL: list[Pass] = [("-^tail/", 0.01), ("^tail/(thread/(0|10k|100k|1M|saturating)|process/(100k|saturating))/", 0.02)]
MAIN: list[Pass] = [
    ("^(loop|read/(uncontended|dependent|thread/(0|100k)|process/100k)|publish|begin_end|header|writer)/", 0.005),
    ("^tail/(thread/(0|100k|saturating)|process/saturating)/", 0.02),
]
# Of a shared object: its calls, beside ours.
CALLS: list[Pass] = [("^(loop|call)/", 0.02)]
# Of all subjects, also of those that are other libraries.
PEERS: list[Pass] = [
    ("^(read/(uncontended|dependent|thread/.*|process/(100k|saturating))|publish|recovery)/", 0.004),
    ("^tail/(thread/(100k|1M)|process/100k)/", 0.01),
]


def new_file(preset: str, passes: Sequence[Pass], subject: pathlib.Path | None = None, peers: bool = False) -> File:
    """A file without a round. `subject`: a shared object whose calls are measured, too. `peers`: other libraries,
    too."""
    # What is generated from earlier results does not make the sources differ from the commit.
    generated = (":!bench/results", ":!bench/README.md", ":!bench/PEERS.md")
    changes = host.git("status", "--porcelain", "--", ".", *generated)
    ours = {
        "started": now(),
        "machine": host.machine(),
        "commit": host.git("rev-parse", "--short=12", "HEAD"),
        "changed_since_commit": bool(changes),
        "preset": preset,
        "nice": os.nice(0),
        "load": [],  # load average over a minute, before each round and at the end
        "rounds": 0,
        "passes": [{"filter": names, "min_time": seconds} for names, seconds in passes],
    }
    if subject:
        ours["subject"] = str(subject)
    if peers:
        ours["peers"] = True
    return {"context": {"fsqlshm": ours}, "benchmarks": []}


def _run_program(preset: str, options: Sequence[str], stop: Stopper) -> File:
    """What the program measured; nothing of use if it was interrupted. Raises CouldNotRun and DidNotReturn."""
    program = ROOT / "build" / preset / "bench" / PROGRAM
    if not os.access(program, os.X_OK):
        commands = f"cmake --preset {preset} && cmake --build --preset {preset}"
        raise CouldNotRun(f"{program.relative_to(ROOT)} is not built: {commands}")
    with tempfile.TemporaryDirectory(prefix="fsqlshm-bench-") as folder:
        path = pathlib.Path(folder) / "result.json"
        words: Command = [program, "--benchmark_enable_random_interleaving=true", f"--benchmark_out={path}", *options]
        # A process group of its own: a Ctrl-C reaches the program once, through us. Not a session:
        # Linux divides the processors among sessions before it looks at nice values.
        child = stop.start(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0)
        errors = child.communicate()[1].decode(errors="replace").strip()
        try:
            file: File = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            file = {}
        if not stop.requested and not file and child.returncode == 1:
            raise DidNotReturn(errors.rpartition("\n")[2].removeprefix(f"{PROGRAM}: "))
        if not stop.requested and (not file or child.returncode not in (0, 1)):  # 1: some rows have errors
            raise CouldNotRun(f"{PROGRAM} ended with status {child.returncode}: {errors[-200:] or 'no message'}")
        return file


def measure(file: File, stop: Stopper, goes_on: Callable[[int, float], bool]) -> None:
    """Adds rounds as long as `goes_on` says so of how many there were and of the seconds they took. One that is
    interrupted is not added. Raises CouldNotRun and DidNotReturn."""
    start = time.monotonic()
    passed, ours = 0.0, file["context"]["fsqlshm"]
    while goes_on(ours["rounds"], passed):
        ours["load"].append(round(os.getloadavg()[0], 2))
        results = []
        for each in ours["passes"]:
            options = [f"--benchmark_{key}={value}" for key, value in each.items()]
            options += [f"--subject={ours['subject']}"] if "subject" in ours else []
            options += ["--peers"] if "peers" in ours else []
            results.append(_run_program(ours["preset"], options, stop))
            if stop.requested:
                return
        for result in results:
            file["context"] = result["context"] | file["context"]
            file["benchmarks"] += [row | {"repetition_index": ours["rounds"]} for row in timed_rows(result)]
        ours["rounds"] += 1
        for row in file["benchmarks"]:
            row["repetitions"] = ours["rounds"]
        passed = time.monotonic() - start
        load = f"load {os.getloadavg()[0]:.1f}"
        print(f"bench: {plural(ours['rounds'], 'round')} in {passed:.0f} s, {load}", file=sys.stderr, flush=True)
    ours["load"].append(round(os.getloadavg()[0], 2))
