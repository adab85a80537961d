"""What happens around the words: fork, exec, death, namespaces, full disks, failing calls, lost files; the power goes
off; a process writes anything. With ten minutes or more at every moment, else at one for each event and operation.
"""

import sys

from fsqlshm import ROOT
from fsqlshm.engine import Description, Job, worst

NO_OBJECT = "its events happen to the file layer, which a shared object does not have"
DESCRIPTION = Description(__doc__, builds={"release": "engines-world"}, no_object=NO_OBJECT)
SECONDS_FOR_ALL = 600
MOST_JOBS = 256  # that fsqlshm-world takes


def main(job: Job) -> int:
    moments = [] if job.seconds >= SECONDS_FOR_ALL else ["--quick"]
    parts = {
        "moments": [*moments, "--jobs", str(min(job.jobs, MOST_JOBS))],
        "power-loss": [*moments, "power-loss"],
        "scribbler": ["scribbler", "--seconds", f"{max(1.0, job.seconds / 20):.1f}"],
    }
    codes = []
    for name, arguments in parts.items():
        if job.stop.requested:
            break
        job.say(f"{name}, {job.left():.0f} s left")
        # From the repository's root, so that the replay commands, which name the program as it was called, can be
        # pasted there.
        words = ["build/release/stress/world/fsqlshm-world", "--quiet", "--seed", str(job.seed)]
        words += ["--shard", job.shard, "--json", str(job.out / f"world-{name}.json"), *arguments]
        codes.append(job.stop.wait(job.stop.start(words, stdout=sys.stderr, cwd=ROOT)))
    return worst(codes)
