"""The golden vectors of the Rust original, replayed on both protocols. They need no time worth mentioning."""

import sys

from fsqlshm import ROOT
from fsqlshm.engine import Description, Job, worst
from fsqlshm.processes import Command

DESCRIPTION = Description(__doc__, builds={"release": "engines-tools"})


def main(job: Job) -> int:
    program = ROOT / "build" / "release" / "core" / "tools" / "fsqlshm-golden"
    words: Command = [program, ROOT / "corpus" / "golden", "--json", job.out / "golden.json"]
    return worst([job.stop.wait(job.stop.start(words, stdout=sys.stderr))])
