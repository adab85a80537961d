"""The unit tests under the sanitizers, as a result document for each: for a nightly run.

Fuzzing has ASan and UBSan, and stress has TSan; this is for what only the tests call. A test that fails is a
finding. Builds what is not built, within the same time.
"""

import argparse
import fcntl
import os
import pathlib
import re
import shlex
import time
import xml.etree.ElementTree
from collections.abc import Sequence

from fsqlshm import ROOT, command, engine, processes
from fsqlshm.results import CouldNotRun, Result

DESCRIPTION = engine.Description("tests", __doc__)
# Every night other cases for the property tests, as many as they try by themselves.
CASES = "max_success=5000 seed={seed}"
PRESETS = {"asan": "unit tests, ASan and UBSan", "tsan": "unit tests, TSan"}
DETAIL = 20000


class Runner:
    """Runs commands one after the other until the time is up or a signal comes."""

    def __init__(self, seconds: float) -> None:
        self.deadline = time.monotonic() + seconds
        self.signals = processes.Stopper()

    def run(self, words: Sequence[str], log: pathlib.Path) -> int:
        """The exit status. Raises CouldNotRun if it did not come to its end."""
        left = self.deadline - time.monotonic()
        if left <= 0 and not self.signals.requested:
            raise CouldNotRun("no time left")
        with open(log, "ab") as output:
            child = self.signals.start(words, group=True, cwd=ROOT, stdout=output, stderr=output)
            code = self.signals.wait(child, max(0.0, left), grace=5)
        if self.signals.requested:
            raise CouldNotRun("interrupted")
        if code is None:
            raise CouldNotRun(f"not ended in time: {shlex.join(words[:4])}")
        return code


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
        result.find(
            "violation",
            "unit test",
            f"{name} fails",
            detail=(case.findtext("system-out") or "")[-DETAIL:].strip(),
            replay=f"{seed}ctest --test-dir build/{preset} --output-on-failure -R {only}",
        )


def test(preset: str, runner: Runner, options: argparse.Namespace) -> Result:
    """The result of one build."""
    result = Result("tests", PRESETS[preset], seed=options.seed, budget={"seconds": options.seconds})
    log = options.out / f"{preset}.log"
    junit = options.out / f"{preset}-junit.xml"
    engine.say("tests", preset)
    try:
        with open(ROOT / "build" / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for words in (["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset]):
                if runner.run(words, log) != 0:
                    raise CouldNotRun(f"the {preset} build failed, see {log}")
        # Its exit status says no more than the list does.
        words = ["ctest", "--test-dir", f"build/{preset}", "-j", str(os.cpu_count()), "-LE", "contract"]
        runner.run([*words, "--no-tests=error", "--output-on-failure", "--output-junit", str(junit)], log)
        read_junit(junit, preset, result)
    except (CouldNotRun, OSError) as error:
        result.reason = str(error)
    return result


def main(arguments: Sequence[str]) -> int:
    options = engine.parse(DESCRIPTION, arguments)
    os.environ["RC_PARAMS"] = CASES.format(seed=options.seed)
    (ROOT / "build").mkdir(exist_ok=True)
    runner = Runner(options.seconds)
    return engine.worst([test(p, runner, options).write(options.out / f"tests-{p}.json") for p in PRESETS])


if __name__ == "__main__":
    command.run("tests", main)
