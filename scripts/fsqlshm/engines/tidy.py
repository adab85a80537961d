"""clang-tidy over every source, for a nightly run: scripts/test looks only at what changed."""

import random
import subprocess
from collections.abc import Sequence

from fsqlshm import ROOT, tidy
from fsqlshm.engine import Description, Job, worst
from fsqlshm.results import Result

DESCRIPTION = Description(__doc__)


def look_at(job: Job, files: Sequence[str], result: Result) -> None:
    """Adds a finding for each complaint about `files`, as far as there is time."""
    seen: set[tidy.Diagnostic] = set()
    done = 0
    for file, output in tidy.check(files, lambda: not job.stop.requested and job.left() > 0):
        done += 1
        job.say(f"{done} of {len(files)} sources")
        found = tidy.diagnostics(output)
        if output and not found:
            result.find("violation", "clang-tidy", f"{file}: clang-tidy failed", detail=output)
        for one in sorted(found - seen):  # a header's are seen from every source
            place = {"file": one.file, "line": one.line}
            replay = f"clang-tidy-19 -p build/tidy {file}"
            title = f"{one.file}: {one.text}"
            result.find("violation", f"clang-tidy {one.check}", title, replay=replay, source=place)
        seen |= found
    result.counts = {"sources": done, "complaints": len(seen)}
    result.headline = f"{done} sources, {len(seen)} complaints"
    if done < len(files):
        result.reason = "interrupted" if job.stop.requested else f"time for {done} of {len(files)} sources only"


def main(job: Job) -> int:
    result = job.result("every source")
    # There has to be a compilation database to go by.
    configure = ["cmake", "--preset", "tidy"]
    if subprocess.run(configure, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode == 0:
        index, count = (int(part) for part in job.shard.split("/"))
        files = tidy.sources()[index - 1 :: count]
        # If there is not time for all, another seed looks at others.
        random.Random(job.seed).shuffle(files)
        look_at(job, files, result)
    else:
        result.reason = f"{' '.join(configure)} failed"
    return worst([result.write(job.out / "tidy.json")])
