"""Every execution of the C++ memory model: hardened must be clean in all of them, reference must show D1 to D6.

Writes rc11-litmus.json, rc11-reference.json, rc11-hardened.json and rc11-orders.json, the order audit, which the
first of several shards does. All executions of all scenarios take some ten seconds of a processor's core and the
audit some five, so a longer run has nothing more to do; a shorter one says which it has not visited all of
(details.scenarios: complete). It draws nothing, so it is the same for every seed.
"""

import os
import subprocess

from fsqlshm import ROOT
from fsqlshm.engine import Description, Job, worst
from fsqlshm.processes import Child
from fsqlshm.results import CouldNotRun

NO_OBJECT = "it explores the memory orders of the source, which a shared object has not"
DESCRIPTION = Description(__doc__, builds={"release": "engines-rc11"}, subject=True, no_object=NO_OBJECT)
BINARY = ROOT / "build" / "release" / "relacy" / "rc11" / "fsqlshm-rc11"


def start(job: Job, document: str, *arguments: str) -> Child:
    # Traces and tables are in the documents; nothing reads standard output of an engine.
    return job.stop.start([BINARY, *arguments, "--json", job.out / document], stdout=subprocess.DEVNULL)


def main(job: Job) -> int:
    if not os.access(BINARY, os.X_OK):
        raise CouldNotRun(f"{BINARY} is not built")
    every = ["--jobs", str(job.jobs)]
    running = [start(job, "rc11-litmus.json", "--litmus")]
    # The known defects take some seconds; a loaded machine gets more, however short the run is.
    seconds = max(20.0, job.seconds)
    if job.subject != "hardened":
        minutes = str(seconds / 60)
        running.append(start(job, "rc11-reference.json", "--protocol", "reference", "--minutes", minutes, *every))
    if job.subject != "reference":
        if job.shard.startswith("1/"):
            running.append(start(job, "rc11-orders.json", "--audit-orders", "--quiet", *every))
        minutes = str(max(1.0, job.left()) / 60)
        running.append(start(job, "rc11-hardened.json", "--minutes", minutes, "--shard", job.shard, *every))
    return worst([job.stop.wait(child) for child in running])
