"""The unit tests under the sanitizers, as a result document for each: for a nightly run.

Fuzzing has ASan and UBSan, and stress has TSan; this is for what only the tests call. A test that fails is a
finding. Builds what is not built, within the same time.
"""

import os
import pathlib
import re
import shlex
import time
import xml.etree.ElementTree

from fsqlshm.engine import Description, Job, worst
from fsqlshm.results import CouldNotRun, Result

# Every night other cases for the property tests, as many as they try by themselves.
CASES = "max_success=5000 seed={seed}"
PRESETS = {"asan": "unit tests, ASan and UBSan", "tsan": "unit tests, TSan"}
DESCRIPTION = Description(__doc__, builds=dict.fromkeys(PRESETS, "all"))
DETAIL = 20000


def read_junit(path: pathlib.Path, preset: str, result: Result) -> None:
    """Counts and findings from the list that ctest wrote."""
    try:
        cases = xml.etree.ElementTree.parse(path).getroot().findall("testcase")
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        raise CouldNotRun(f"no list of tests: {error}") from error
    failed = [case for case in cases if case.get("status") == "fail"]
    skipped = sum(case.get("status") in ("notrun", "disabled") for case in cases)
    passed = len(cases) - len(failed) - skipped
    if passed + len(failed) == 0:
        raise CouldNotRun("there were no tests")
    result.counts = {"tests": len(cases), "passed": passed, "skipped": skipped, "failed": len(failed)}
    result.headline = f"{passed} of {len(cases)} tests passed"
    seed = f"RC_PARAMS={shlex.quote(CASES.format(seed=result.seed))} "
    for case in failed:
        name = case.get("name", "")
        only = shlex.quote("^" + re.escape(name) + "$")
        replay = f"{seed}ctest --test-dir build/{preset} --output-on-failure -R {only}"
        detail = (case.findtext("system-out") or "")[-DETAIL:].strip()
        result.find("violation", "unit test", f"{name} fails", detail=detail, replay=replay)


def test(preset: str, job: Job, deadline: float) -> Result:
    result = job.result(PRESETS[preset])
    log = job.out / f"{preset}.log"
    junit = job.out / f"{preset}-junit.xml"
    job.say(preset)
    try:
        job.stop.build(preset, ["all"], log, deadline, job.say)
        # Its exit status says no more than the list does.
        words = ["ctest", "--test-dir", f"build/{preset}", "-j", str(job.jobs), "-LE", "contract"]
        job.stop.run([*words, "--no-tests=error", "--output-on-failure", "--output-junit", junit], log, deadline)
        read_junit(junit, preset, result)
    except (CouldNotRun, OSError) as error:
        result.reason = str(error)
    return result


def main(job: Job) -> int:
    os.environ["RC_PARAMS"] = CASES.format(seed=job.seed)
    deadline = time.monotonic() + job.seconds
    return worst([test(preset, job, deadline).write(job.out / f"tests-{preset}.json") for preset in PRESETS])
