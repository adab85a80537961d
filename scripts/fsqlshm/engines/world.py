"""What happens around the words: fork, exec, death, namespaces, full disks, failing calls, lost files, at the moments
of every operation of the file layer. With ten minutes or more at every moment, else at one for each event and operation.
"""

import sys

from fsqlshm import ROOT
from fsqlshm.engine import Description, Job, worst
from fsqlshm.processes import Command

DESCRIPTION = Description(__doc__, builds={"release": "engines-world"})
SECONDS_FOR_ALL = 600


def main(job: Job) -> int:
    # From the repository's root, where the replay commands, which name the program as it was called, can be pasted.
    words: Command = ["build/release/stress/world/fsqlshm-world", "--quiet", "--seed", str(job.seed)]
    words += ["--shard", job.shard, "--json", job.out / "world.json"]
    if job.seconds < SECONDS_FOR_ALL:
        words.append("--quick")
    job.say("at every moment" if job.seconds >= SECONDS_FOR_ALL else "at a moment of every event and operation")
    return worst([job.stop.wait(job.stop.start(words, stdout=sys.stderr, cwd=ROOT))])
