"""The engine that runs the unit tests says what CTest's list says."""

import shlex
import time
import unittest
from typing import Any

import support

from fsqlshm import results
from fsqlshm.engines import tests
from fsqlshm.processes import Stopper

LIST = """<testsuite name="x">
  <testcase name="Words.Load" status="run"><system-out>fine</system-out></testcase>
  <testcase name="Words.Store/1" status="fail"><system-out>expected 1, found 2</system-out></testcase>
  <testcase name="Words.Later" status="disabled"/>
</testsuite>
"""


class UnitEngineTest(support.FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.list = self.top / "junit.xml"
        self.engine = tests

    def read(self, text: str) -> Any:
        self.list.write_text(text, encoding="utf-8")
        result = results.Result("tests", "asan", seed=1)
        self.engine.read_junit(self.list, "asan", result)
        document = result.document()
        results.check(document)
        return document

    def test_a_test_that_fails_is_a_finding(self) -> None:
        document = self.read(LIST)
        self.assertEqual(document["status"], "found")
        self.assertEqual(document["counts"], {"tests": 3, "passed": 1, "skipped": 1, "failed": 1})
        finding = document["findings"][0]
        self.assertEqual((finding["title"], finding["detail"]), ("Words.Store/1 fails", "expected 1, found 2"))
        self.assertEqual(shlex.split(finding["replay"])[-2:], ["-R", r"^Words\.Store/1$"])

    def test_none_that_fails(self) -> None:
        self.assertEqual(self.read(LIST.replace('"fail"', '"run"'))["status"], "clean")

    def test_no_tests_are_no_success(self) -> None:
        for text in ("", "<testsuite/>", '<testsuite><testcase name="a" status="notrun"/></testsuite>'):
            with self.assertRaises(results.CouldNotRun):
                self.read(text)

    def test_what_does_not_end_in_time_is_ended(self) -> None:
        log = self.top / "log"
        with self.assertRaisesRegex(results.CouldNotRun, "not ended in time"):
            Stopper().run(["sleep", "100"], log, time.monotonic() + 0.5)
        self.assertEqual(Stopper().run(["false"], log, time.monotonic() + 100), 1)
        with self.assertRaisesRegex(results.CouldNotRun, "no time left"):
            Stopper().run(["true"], log, time.monotonic())


if __name__ == "__main__":
    unittest.main()
