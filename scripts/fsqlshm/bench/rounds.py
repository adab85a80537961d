"""Runs fsqlshm-bench in rounds and gathers one file of Google Benchmark's JSON.

A round is a process for each pass, with its benchmarks in random order. So everything that is fixed for the life of a
process, like where its memory lies, varies between the samples, and ratios are taken between figures of the same round.
"""

import dataclasses
import json
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Any

from fsqlshm import ROOT
from fsqlshm.bench.measured import File, timed_rows
from fsqlshm.processes import Stopper
from fsqlshm.results import CouldNotRun, now

PROGRAM = "fsqlshm-bench"


@dataclasses.dataclass(frozen=True)
class Pass:
    """What one process of a round measures."""

    filter: str  # as Google Benchmark takes it
    min_time: float  # seconds a measurement


def _first_line(path: str, key: str) -> str | None:
    try:
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    except OSError:
        pass
    return None


def _output(*command: str) -> str | None:
    """What a command prints, if there is one and it succeeds."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip() if done.returncode == 0 else None


def machine() -> dict[str, Any]:
    """The machine, as far as it says."""
    cpuinfo = "/proc/cpuinfo"
    virtual = _output("systemd-detect-virt")
    if virtual is None and " hypervisor" in (_first_line(cpuinfo, "flags") or ""):
        virtual = "yes"
    family, model = _first_line(cpuinfo, "cpu family"), _first_line(cpuinfo, "model")
    return {
        "cpu": _first_line(cpuinfo, "model name") or platform.machine(),
        "cpu_family_model": f"{family}/{model}" if family else None,
        "cpus": len(os.sched_getaffinity(0)),
        "virtual": virtual,
        "memory": _first_line("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
    }


def _program(preset: str) -> pathlib.Path:
    path = ROOT / "build" / preset / "bench" / PROGRAM
    if not os.access(path, os.X_OK):
        commands = f"cmake --preset {preset} && cmake --build --preset {preset}"
        raise CouldNotRun(f"{path.relative_to(ROOT)} is not built: {commands}")
    return path


def build(preset: str) -> None:
    """Builds the program."""
    for command in (["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset, "--target", PROGRAM]):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CouldNotRun(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")


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
    changes = _output("git", "status", "--porcelain", "--", ".", ":!bench/results", ":!bench/README.md")
    ours = {
        "started": now(),
        "machine": machine(),
        "commit": _output("git", "rev-parse", "--short=12", "HEAD"),
        "changed_since_commit": bool(changes),
        "preset": preset,
        "load": [],  # load average over a minute, before each round and at the end
        "rounds": 0,
        "passes": [dataclasses.asdict(each) for each in passes],
    }
    return {"context": {"fsqlshm": ours}, "benchmarks": []}


def one_round(file: File, preset: str, passes: Sequence[Pass], stop: Stopper, hgrm: pathlib.Path | None = None) -> bool:
    """Runs one round and adds it; false, and nothing added, if it was interrupted."""
    ours = file["context"]["fsqlshm"]
    ours["load"].append(round(os.getloadavg()[0], 2))
    measured = []
    for each in passes:
        command = [
            str(_program(preset)),
            f"--benchmark_filter={each.filter}",
            f"--benchmark_min_time={each.min_time}",
            "--benchmark_enable_random_interleaving=true",
        ]
        result = run_program(command + ([f"--hgrm={hgrm}"] if hgrm else []), stop)
        if result is None:
            return False
        measured.append(result)
    for result in measured:
        file["context"] = result["context"] | file["context"]
        for row in timed_rows(result):
            file["benchmarks"].append(row | {"repetition_index": ours["rounds"]})
    ours["rounds"] += 1
    for row in file["benchmarks"]:
        row["repetitions"] = ours["rounds"]
    return True
