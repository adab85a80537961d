"""The model checker in a campaign: hardened must be clean, reference must show D1 to D6, and no memory order
of hardened may survive its weakening.

Writes relacy-litmus.json, relacy-reference.json, relacy-hardened.json and relacy-orders.json. The third is a
bounded and a random search side by side, merged: each entry of details.scenarios says in "search" which of the
two it is. The last is the order audit. It is the same for every seed, so of several shards the first does it,
and it needs AUDIT_SECONDS to be worth beginning: details.left_out of relacy-hardened.json says if it was left
out, and why.
"""

import os
import pathlib
import subprocess
import tempfile
from collections.abc import Sequence

from fsqlshm import ROOT, files, merge, results
from fsqlshm.engine import Description, Job, worst
from fsqlshm.processes import Child
from fsqlshm.results import COULD_NOT_RUN, CouldNotRun, Document
from fsqlshm.schema import BadDocument

NO_OBJECT = "the model checker needs a protocol's source, over the seam; fsqlshm-step explores compiled code"
DESCRIPTION = Description(__doc__, builds={"release": "engines-relacy"}, subject=True, no_object=NO_OBJECT)
BINARY = ROOT / "build" / "release" / "relacy" / "fsqlshm-relacy"
AUDIT = "relacy-orders.json"
RANDOM_NUMBERS = 1 << 40  # executions that one seed has for itself
AUDIT_SECONDS = 15  # of a processor it takes 6 to 20 s, depending on the machine
AUDIT_PATIENCE = 90  # how long after the engine's time it may still end on a loaded machine


def start(job: Job, document: str, *arguments: str) -> Child:
    # Traces and tables are in the documents; nothing reads standard output of an engine.
    return job.stop.start([BINARY, *arguments, "--json", job.out / document], stdout=subprocess.DEVNULL)


def run(job: Job, document: str, *arguments: str) -> int | None:
    return job.stop.wait(start(job, document, *arguments))


def finish_audit(job: Job, audit: Child) -> int | None:
    """Waits for the audit, on a loaded machine longer than the engine has."""
    code = job.stop.wait(audit, job.seconds + AUDIT_PATIENCE - job.passed())
    if code is None:
        job.say("the order audit did not end in time")
    if not (job.out / AUDIT).exists():
        job.say(f"the order audit wrote no result (exit status {audit.returncode})")
        return COULD_NOT_RUN
    return code


def hardened(job: Job, left_out: str) -> list[int | None]:
    """A bounded and a random search side by side, as one document."""
    with tempfile.TemporaryDirectory(dir=job.out) as scratch:
        parts = [f"{scratch}/bounded.json", f"{scratch}/random.json"]
        common = ["--minutes", str(max(1.0, job.left()) / 60), "--shard", job.shard, *job.half()]
        first = 1 + (job.seed % (1 << 20)) * RANDOM_NUMBERS
        running = [
            start(job, parts[0], "--search", "bounded", "--context-bound", "6", *common),
            start(job, parts[1], "--search", "random", "--first-iteration", str(first), *common),
        ]
        codes = [job.stop.wait(child) for child in running]
        try:
            document = side_by_side([results.load(pathlib.Path(part)) for part in parts], left_out)
            files.write_json(job.out / "relacy-hardened.json", document)
        except BadDocument as error:
            job.say(f"a search of hardened wrote no result: {error}")
            codes.append(COULD_NOT_RUN)
    return codes


def side_by_side(documents: Sequence[Document], left_out: str) -> Document:
    """Two searches of the same subject at the same time as one document."""
    for document in documents:
        search = document["details"]["search"]
        document["details"] = {"scenarios": [{**one, "search": search} for one in document["details"]["scenarios"]]}
    merged = merge.merge_documents(documents)
    merged["duration_seconds"] = max(document["duration_seconds"] for document in documents)
    del merged["parts"]
    if left_out:
        merged["details"]["left_out"] = left_out
    return merged


def why_no_audit(job: Job) -> str:
    """Why this run does not audit the memory orders; empty if it does."""
    if job.subject == "reference":
        return "the order audit: it is not about the published protocol's defects"
    if not job.shard.startswith("1/"):
        return "the order audit: the first shard does it"
    if job.seconds < AUDIT_SECONDS:
        return f"the order audit: it needs {AUDIT_SECONDS} s, there are {job.seconds:g} s"
    return ""


def main(job: Job) -> int:
    if not os.access(BINARY, os.X_OK):
        raise CouldNotRun(f"{BINARY} is not built")
    # The audit has one process, and goes on next to everything else.
    left_out = why_no_audit(job)
    audit = None if left_out else start(job, AUDIT, "--audit-orders", "--quiet", "--jobs", "1")
    codes = [run(job, "relacy-litmus.json", "--litmus")]
    # The known defects take a second or two; a loaded machine gets more, however short the run is.
    if job.subject != "hardened":
        seconds = job.seconds if job.subject else min(60.0, max(5.0, job.seconds / 4))
        known = ["--protocol", "reference", "--search", "bounded", "--minutes", str(seconds / 60)]
        known += ["--jobs", str(job.jobs)]
        codes.append(run(job, "relacy-reference.json", *known))
    if job.subject != "reference":
        codes += hardened(job, left_out)
    if audit is not None:
        codes.append(finish_audit(job, audit))
    return worst(codes)
