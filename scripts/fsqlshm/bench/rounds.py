"""Runs fsqlshm-bench in rounds and gathers one file of Google Benchmark's JSON.

A round is a process for each pass, with its benchmarks in random order. So everything that is fixed for the life of a
process, like where its memory lies, varies between the samples, and ratios are taken between figures of the same round.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fsqlshm import ROOT, host
from fsqlshm.bench.measured import File, timed_rows
from fsqlshm.processes import Stopper
from fsqlshm.results import CouldNotRun, now

PROGRAM = "fsqlshm-bench"


class Pass(NamedTuple):
    """What one process of a round measures."""

    filter: str  # as Google Benchmark takes it
    min_time: float  # seconds a measurement


def machine() -> dict[str, Any]:
    """The machine, as far as it says."""
    cpu = host.processor()
    return {
        "cpu": cpu.get("model name") or platform.machine(),
        "cpu_family_model": f"{cpu.get('cpu family')}/{cpu.get('model')}",
        "cpus": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in cpu.get("flags", "").split(),
        "kernel": f"{platform.system()} {platform.release()}",
    }


def _program(preset: str) -> pathlib.Path:
    path = ROOT / "build" / preset / "bench" / PROGRAM
    if not os.access(path, os.X_OK):
        commands = f"cmake --preset {preset} && cmake --build --preset {preset}"
        raise CouldNotRun(f"{path.relative_to(ROOT)} is not built: {commands}")
    return path


def run_program(command: Sequence[str], stop: Stopper) -> File | None:
    """What the program measured, or nothing if it was interrupted."""
    with tempfile.TemporaryDirectory(prefix="fsqlshm-bench-") as folder:
        path = pathlib.Path(folder) / "result.json"
        command = [*command, f"--benchmark_out={path}", "--benchmark_out_format=json"]
        # A process group of its own: a Ctrl-C reaches the program once, through us. Not a session:
        # Linux divides the processors among sessions before it looks at nice values.
        child = stop.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0)
        errors = child.communicate()[1].decode(errors="replace")
        if stop.requested:
            return None
        code = child.returncode
        try:
            file: File = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            code = code if code not in (0, 1) else 2
        if code not in (0, 1):  # 1: some rows have errors
            last = errors.strip().splitlines()[-1:] or ["no message"]
            raise CouldNotRun(f"{PROGRAM} ended with status {code}: {last[0]}")
        return file


def new_file(preset: str, passes: Sequence[Pass]) -> File:
    """A file without a round."""
    # What is generated from earlier results does not make the sources differ from the commit.
    changes = host.git("status", "--porcelain", "--", ".", ":!bench/results", ":!bench/README.md")
    ours = {
        "started": now(),
        "machine": machine(),
        "commit": host.git("rev-parse", "--short=12", "HEAD"),
        "changed_since_commit": bool(changes),
        "preset": preset,
        "load": [],  # load average over a minute, before each round and at the end
        "rounds": 0,
        "passes": [each._asdict() for each in passes],
    }
    return {"context": {"fsqlshm": ours}, "benchmarks": []}


def one_round(file: File, stop: Stopper, hgrm: pathlib.Path | None = None) -> bool:
    """Runs one round and adds it; false, and nothing added, if it was interrupted."""
    ours = file["context"]["fsqlshm"]
    ours["load"].append(round(os.getloadavg()[0], 2))
    measured = []
    for each in ours["passes"]:
        command = [str(_program(ours["preset"])), "--benchmark_enable_random_interleaving=true"]
        command += [f"--benchmark_{key}={value}" for key, value in each.items()]
        result = run_program(command + ([f"--hgrm={hgrm}"] if hgrm else []), stop)
        if result is None:
            return False
        measured.append(result)
    for result in measured:
        file["context"] = result["context"] | file["context"]
        file["benchmarks"] += [row | {"repetition_index": ours["rounds"]} for row in timed_rows(result)]
    ours["rounds"] += 1
    for row in file["benchmarks"]:
        row["repetitions"] = ours["rounds"]
    return True


def measure(file: File, stop: Stopper, goes_on: Callable[[int, float], bool], hgrm: pathlib.Path | None = None) -> None:
    """Rounds as long as `goes_on` says so of how many there were and of the seconds they took."""
    start = time.monotonic()
    passed, ours = 0.0, file["context"]["fsqlshm"]
    while goes_on(ours["rounds"], passed) and one_round(file, stop, hgrm):
        passed = time.monotonic() - start
        load = f"load {os.getloadavg()[0]:.1f}"
        print(f"bench: {ours['rounds']} rounds in {passed:.0f} s, {load}", file=sys.stderr, flush=True)
    ours["load"].append(round(os.getloadavg()[0], 2))
