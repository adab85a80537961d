"""The golden vectors of the Rust original, replayed on both protocols, or on a shared object. They need no time worth
mentioning.
"""

import sys

from fsqlshm import ROOT
from fsqlshm.engine import Description, Job, worst
from fsqlshm.processes import Command

BUILDS = {"release": "engines-tools"}
DESCRIPTION = Description(__doc__, builds=BUILDS, object_builds=BUILDS)


def main(job: Job) -> int:
    program = ROOT / "build" / "release" / "core" / "tools" / "fsqlshm-golden"
    subject: Command = ["--subject", job.shared_object] if job.shared_object else []
    words: Command = [program, ROOT / "corpus" / "golden", "--json", job.out / "golden.json", *subject]
    return worst([job.stop.wait(job.stop.start(words, stdout=sys.stderr))])
