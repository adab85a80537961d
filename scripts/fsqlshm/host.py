"""What git and Linux say of the sources and of the processor."""

import pathlib
import subprocess

from fsqlshm import ROOT


def git(*arguments: str) -> str:
    """What git prints; nothing if it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def processor() -> dict[str, str]:
    """The first of /proc/cpuinfo."""
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
