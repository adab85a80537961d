"""Interleavings of compiled code: the library's protocol as it was compiled must be clean, the published one must
show D1 to D6.

Writes step-reference.json, and of hardened, or of a shared object, step-bounded.json (every execution with 0, 1, 2, ...
preemptions, as far as it gets) and step-random.json, which runs beside it.
"""

import os
import pathlib
import subprocess

from fsqlshm import ROOT
from fsqlshm.engine import Description, Job, worst
from fsqlshm.processes import Child
from fsqlshm.results import CouldNotRun

BUILDS = {"release": "engines-step"}
DESCRIPTION = Description(__doc__, builds=BUILDS, subject=True, object_builds=BUILDS, job_mib=1024)
BINARY = ROOT / "build" / "release" / "stress" / "step" / "fsqlshm-step"
SUBJECTS = pathlib.Path("build", "release", "harness", "subjects")
RANDOM_NUMBERS = 1 << 40  # executions that one seed has for itself


def start(job: Job, document: str, subject: pathlib.Path, seconds: float, *arguments: str) -> Child:
    # From the repository's root, where the replay commands can be pasted.
    words: list[str | pathlib.Path] = [BINARY, "--subject", subject, "--minutes", str(max(1.0, seconds) / 60)]
    words += [*arguments, "--json", job.out / document]
    return job.stop.start(words, stdout=subprocess.DEVNULL, cwd=ROOT)


def explore(job: Job, subject: pathlib.Path) -> list[int | None]:
    """A bounded and a random search side by side."""
    common = ["--shard", job.shard, *job.half()]
    first = 1 + (job.seed % (1 << 20)) * RANDOM_NUMBERS
    drawn = ["--search", "random", "--first-iteration", str(first)]
    running = [
        start(job, "step-bounded.json", subject, job.left(), "--context-bound", "100", *common),
        start(job, "step-random.json", subject, job.left(), *drawn, *common),
    ]
    return [job.stop.wait(child) for child in running]


def main(job: Job) -> int:
    if not os.access(BINARY, os.X_OK):
        raise CouldNotRun(f"{BINARY} is not built")
    if job.shared_object:
        return worst(explore(job, job.shared_object))
    codes = []
    every = ["--jobs", str(job.jobs)]
    # The known defects take a second or two; a loaded machine gets more, however short the run is.
    if job.subject != "hardened":
        seconds = job.seconds if job.subject else min(60.0, max(10.0, job.seconds / 4))
        codes.append(job.stop.wait(start(job, "step-reference.json", SUBJECTS / "reference.so", seconds, *every)))
    if job.subject != "reference":
        codes += explore(job, SUBJECTS / "hardened.so")
    return worst(codes)
