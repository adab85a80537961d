"""Which lines of the core the fuzz corpora execute: scripts/fuzz all --coverage as a result document.

Finds nothing; it says where the fuzz targets do not look. It takes the time that it needs.
"""

from fsqlshm import results
from fsqlshm.engine import Description, Job
from fsqlshm.fuzz import coverage

DESCRIPTION = Description(__doc__, corpora=True)


def main(job: Job) -> int:
    result = results.Result("fuzz", "lines covered")
    job.say("building and replaying the corpora")
    lines = coverage.measure(None, job.stop, [job.out / "corpus"])
    result.counts = {"lines": lines["lines"], "lines_covered": lines["covered"]}
    result.headline = f"{lines['percent']:.1f} % of {lines['lines']} lines of the core"
    result.details = {"lines": lines}
    return result.write(job.out / "coverage.json")
