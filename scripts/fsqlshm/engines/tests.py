"""The unit tests under the sanitizers, as a result document for each: for a nightly run.

Fuzzing has ASan and UBSan, and stress has TSan; this is for whatever only the tests call. A test that
fails is a finding. Builds what is not built, within the same time.
"""

import argparse
import contextlib
import fcntl
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

from fsqlshm import ROOT, results, runner

# Every night other cases for the property tests, as many as they try by themselves.
CASES = "max_success=5000 seed={seed}"
PRESETS = {"asan": "unit tests, ASan and UBSan", "tsan": "unit tests, TSan"}
DETAIL = 20000


class Runner:
    """Runs commands one after the other until the time is up or a signal comes."""

    def __init__(self, seconds):
        self.deadline = time.monotonic() + seconds
        self.process = None
        self.stopped = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def stop(self, _number, _frame):
        self.stopped = True
        self.end()

    def end(self):
        if self.process and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def run(self, command, log):
        """The exit status. Raises CouldNotRun if it did not come to its end."""
        left = self.deadline - time.monotonic()
        if self.stopped or left <= 0:
            raise runner.CouldNotRun("interrupted" if self.stopped else "no time left")
        with open(log, "ab") as output:
            # A session of its own: what a test started ends with it.
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
            try:
                code = self.process.wait(left)
            except subprocess.TimeoutExpired as error:
                self.end()
                self.process.wait()
                raise runner.CouldNotRun(f"not ended in time: {shlex.join(command[:4])}") from error
        if self.stopped:
            raise runner.CouldNotRun("interrupted")
        return code


def read_junit(path, preset, document):
    """Counts and findings out of what ctest wrote."""
    try:
        cases = xml.etree.ElementTree.parse(path).getroot().findall("testcase")
    except (OSError, xml.etree.ElementTree.ParseError) as error:
        raise runner.CouldNotRun(f"no list of tests: {error}") from error
    failed = [case for case in cases if case.get("status") == "fail"]
    skipped = sum(case.get("status") in ("notrun", "disabled") for case in cases)
    document["counts"] = {
        "tests": len(cases),
        "passed": len(cases) - len(failed) - skipped,
        "skipped": skipped,
        "failed": len(failed),
    }
    document["headline"] = f"{document['counts']['passed']} of {len(cases)} tests passed"
    for case in failed:
        name = case.get("name", "")
        output = case.findtext("system-out") or ""
        document["findings"].append(
            {
                "severity": "violation",
                "property": "unit test",
                "title": f"{name} fails",
                "detail": output[-DETAIL:].strip(),
                "replay": f"ctest --test-dir build/{preset} --output-on-failure -R {shlex.quote('^' + re.escape(name) + '$')}",
                "artefacts": [],
            }
        )
    document["status"] = "found" if failed else "clean"
    if document["counts"]["passed"] + len(failed) == 0:
        raise runner.CouldNotRun("there were no tests")


def test(preset, runner, out):
    """The result document of one build."""
    document = {**results.could_not_run("tests", "none", started=runner.now()), "subject": PRESETS[preset]}
    start = time.monotonic()
    log = out / f"{preset}.log"
    junit = out / f"{preset}-junit.xml"
    print(f"tests: {preset}", file=sys.stderr, flush=True)
    try:
        with open(ROOT / "build" / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for command in (["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset]):
                if runner.run(command, log) != 0:
                    raise runner.CouldNotRun(f"the {preset} build failed, see {log}")
        # Its exit status says no more than the list does.
        runner.run(
            [
                "ctest",
                "--test-dir",
                f"build/{preset}",
                "-j",
                str(os.cpu_count()),
                "-LE",
                "contract",
                "--no-tests=error",
                "--output-on-failure",
                "--output-junit",
                str(junit),
            ],
            log,
        )
        document.pop("reason")
        read_junit(junit, preset, document)
    except (runner.CouldNotRun, OSError) as error:
        document.update(status="could_not_run", reason=str(error), findings=[])
    document["duration_seconds"] = time.monotonic() - start
    return document


def main():
    parser = argparse.ArgumentParser(prog="tests", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, required=True, help="wall time at most")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", type=int, default=1, help="of the property tests")
    parser.add_argument("--shard", default="1/1", help="not used: every machine runs all tests")
    options = parser.parse_args()
    os.environ["RC_PARAMS"] = cases = CASES.format(seed=options.seed)
    (ROOT / "build").mkdir(exist_ok=True)
    runner = Runner(options.seconds)
    documents = []
    for preset in PRESETS:
        documents.append(test(preset, runner, options.out.resolve()))
        for finding in documents[-1]["findings"]:
            finding["replay"] = f"RC_PARAMS={shlex.quote(cases)} {finding['replay']}"
        results.write_json(options.out / f"tests-{preset}.json", documents[-1])
    return results.exit_status(documents)


if __name__ == "__main__":
    sys.exit(main())
