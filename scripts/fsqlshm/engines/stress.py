"""Real processes over a real mapping: all roles with chaos under TSan and at full speed, death at every
step, litmus outcomes, recovery times; and the reference, whose defects must be found. Of a shared object: outcomes, and
all roles of the header with chaos.

Each part writes stress-NAME.json and, as it prints it, stress-NAME.txt.
"""

import pathlib

from fsqlshm import ROOT, results
from fsqlshm.engine import Description, Job, worst

BUILDS = {"release": "engines-stress"}
DESCRIPTION = Description(__doc__, builds=BUILDS | {"tsan": "engines-stress"}, subject=True, object_builds=BUILDS)

MOST_WORKERS = 32  # that fsqlshm-stress takes


def run(job: Job, name: str, preset: str, *arguments: str) -> int | None:
    if job.stop.requested:
        return results.COULD_NOT_RUN
    # From the repository's root, so that the replay commands, which name the program as it was
    # called, can be pasted there.
    words = [f"build/{preset}/stress/fsqlshm-stress", *arguments, "--seed", str(job.seed)]
    words += ["--shard", job.shard, "--json", str(job.out / f"stress-{name}.json")]
    job.say(f"{name}, {job.left():.0f} s left")
    try:
        with open(job.out / f"stress-{name}.txt", "wb") as text:
            code = job.stop.wait(job.stop.start(words, stdout=text, cwd=ROOT))
    except OSError as error:
        job.say(f"cannot run {words[0]}: {error.strerror}")
        return results.COULD_NOT_RUN
    if code not in (results.CLEAN, results.FOUND, results.COULD_NOT_RUN):
        job.say(f"{name} ended with status {code}")
    return code


def workers(job: Job) -> list[str]:
    """More than three only where there are processors for them."""
    return ["--workers", str(min(max(3, job.jobs), MOST_WORKERS))]


def attack_object(job: Job, path: pathlib.Path) -> int:
    what = ["--subject", str(path)]
    race = f"{min(3.0, max(0.3, job.seconds / 100)):.2f}"
    codes = [run(job, "outcomes", "release", "outcomes", "--race-seconds", race, *what)]
    codes.append(run(job, "chaos", "release", "--seconds", f"{max(5.0, job.left()):.1f}", *what, *workers(job)))
    return worst(codes)


def main(job: Job) -> int:
    if job.shared_object:
        return attack_object(job, job.shared_object)
    # A tenth of the time for the outcomes of nine races, or ten, of each protocol.
    race = f"{min(3.0, max(0.1, job.seconds / 200)):.2f}"
    # What must be found gets more. A race in which nothing met goes on for several times as long.
    sure = f"{min(3.0, max(0.5, job.seconds / 200)):.2f}"
    codes = []
    if job.subject != "hardened":
        expect = ["--protocol", "reference", "--expect-defects"]
        codes.append(run(job, "reference-crash-points", "release", "crash-points", *expect))
        codes.append(run(job, "reference-outcomes", "release", "outcomes", "--race-seconds", sure, *expect))
        codes.append(run(job, "reference", "release", "--seconds", "30", *expect))
    if job.subject != "reference":
        codes.append(run(job, "crash-points", "release", "crash-points"))
        codes.append(run(job, "outcomes", "release", "outcomes", "--race-seconds", race))
        deaths = str(max(20, int(job.seconds * 2)))
        codes.append(run(job, "recovery", "release", "recovery", "--deaths", deaths))
        codes.append(run(job, "tsan", "tsan", "--seconds", f"{max(2.0, job.left() / 2):.1f}", *workers(job)))
        codes.append(run(job, "chaos", "release", "--seconds", f"{max(2.0, job.left()):.1f}", *workers(job)))
    return worst(codes)
