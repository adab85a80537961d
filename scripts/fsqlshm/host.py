"""What git and Linux say of the sources and of the processor."""

import os
import pathlib
import platform
import subprocess
from typing import Any

from fsqlshm import ROOT


def git(*arguments: str) -> str:
    """What git prints; nothing if it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def machine() -> dict[str, Any]:
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    cpu = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return {
        "cpu": cpu.get("model name") or platform.machine(),
        "cpu_family_model": f"{cpu.get('cpu family')}/{cpu.get('model')}",
        "cpus": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in cpu.get("flags", "").split(),
        "kernel": f"{platform.system()} {platform.release()}",
    }
