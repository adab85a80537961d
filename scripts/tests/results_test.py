"""Result documents as they are made, checked and told apart; and child processes as they are ended."""

import math
import os
import pathlib
import signal
import subprocess
import time
import unittest
import xml.etree.ElementTree
from typing import Any

import support

from fsqlshm import files, junit, processes, results, schema
from fsqlshm.schema import BadDocument


def changed(path: str, value: Any) -> Any:
    """A good document but for one member."""
    document = support.document(findings=[support.finding(defect="D3")], details={"scenarios": [{"name": "a"}]})
    *keys, last = path.split(".")
    inner = document
    for key in keys:
        inner = inner[int(key)] if key.isdigit() else inner[key]
    inner[last] = value
    return document


class CheckTest(unittest.TestCase):
    def refused(self, document: Any, sentence: str) -> None:
        with self.assertRaises(BadDocument) as caught:
            results.check(document)
        self.assertEqual(str(caught.exception), sentence)

    def test_what_is_wrong_is_said_with_its_place(self) -> None:
        results.check(changed("headline", ""))
        self.refused([], "it is [], expected object")
        self.refused(changed("seed", "x"), 'seed is "x", expected integer or null')
        self.refused(changed("seed", True), "seed is true, expected integer or null")
        self.refused(changed("counts.executions", None), "counts.executions is null, expected number")
        self.refused(changed("duration_seconds", 1e40), "duration_seconds is 1e+40, expected at most 1e+30")
        self.refused(
            changed("findings.0.defect", "third"), 'findings[0].defect is "third", expected a match of ^(D[0-9]+)?$'
        )
        self.refused(changed("details.scenarios", [{}]), "details.scenarios[0].name is missing")
        self.refused(changed("status", "clean"), "status and findings contradict each other")
        long = "x" * 1000
        self.refused(
            changed("findings.0.severity", [long]),
            f'findings[0].severity is ["{long[:58]}..., expected one of violation or vacuous or expected',
        )

    def test_a_number_that_json_does_not_have(self) -> None:
        with support.temporary() as folder:
            path = pathlib.Path(folder) / "x.json"
            files.write_json(path, changed("duration_seconds", math.nan))
            with self.assertRaisesRegex(BadDocument, "NaN is no JSON"):
                results.load(path)

    def test_what_cannot_be_read(self) -> None:
        for path, why in (("/nonexistent", "No such file or directory"), ("/dev/null", "no JSON: Expecting value.*")):
            with self.assertRaisesRegex(BadDocument, f"^cannot read {path}: {why}$"):
                results.load(pathlib.Path(path))

    def test_every_schema_is_one(self) -> None:
        import jsonschema

        for name in sorted(path.name for path in schema.FOLDER.glob("*.json")):
            jsonschema.Draft4Validator.check_schema(schema.schema(name))
            self.assertNotIn("$ref", str(schema.schema(name)))


class ResultTest(unittest.TestCase):
    def test_what_is_built_keeps_to_the_schema(self) -> None:
        result = results.Result("fuzz", "open_raw", seed=7)
        self.assertEqual(result.status, "clean")
        result.find("expected", "P2 integrity", "a lease was lost", defect="D3")
        results.check(result.document())
        self.assertEqual(result.status, "clean")
        result.reason = "interrupted"
        self.assertEqual((result.status, result.document()["reason"]), ("could_not_run", "interrupted"))
        result.find("violation", "P1 exclusion", "two owners", detail="<&>", replay="again")
        document = result.document()
        results.check(document)
        self.assertEqual(results.exit_status([document]), results.FOUND)
        suite = xml.etree.ElementTree.fromstring(junit.text([document]))[0]
        self.assertEqual([suite.get(name) for name in ("tests", "failures", "errors")], ["3", "1", "1"])

    def test_a_defect_makes_another_finding(self) -> None:
        findings = [support.finding(), support.finding(defect=""), support.finding(defect="D3")]
        document = support.document(findings=findings)
        self.assertEqual(len({results.identity(document, finding) for finding in findings}), 2)


class StopperTest(unittest.TestCase):
    def setUp(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.stop = processes.Stopper()

    def test_a_child_that_ends_in_time(self) -> None:
        self.assertEqual(self.stop.wait(self.stop.start(["sh", "-c", "exit 3"])), 3)

    def test_one_that_does_not(self) -> None:
        child = self.stop.start(["sleep", "100"])
        self.assertIsNone(self.stop.wait(child, 0.1))
        self.assertEqual(child.returncode, -signal.SIGTERM)

    def test_one_that_does_not_listen(self) -> None:
        words = ["sh", "-c", "trap '' INT TERM; echo; while :; do sleep 1; done"]
        child = self.stop.start(words, group=True, stdout=subprocess.PIPE)
        assert child.stdout is not None
        with child.stdout:
            child.stdout.readline()
        self.assertIsNone(self.stop.wait(child, 0, grace=0.1))
        self.assertEqual(child.returncode, -signal.SIGKILL)

    def test_a_child_is_told_once(self) -> None:
        """The second signal would end a program that is about to report what it did."""
        words = ["sh", "-c", "trap 'trap - TERM; sleep 1; exit 7' TERM; echo; while :; do sleep 0.1; done"]
        child = self.stop.start(words, stdout=subprocess.PIPE)
        assert child.stdout is not None
        with child.stdout:
            child.stdout.readline()
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(self.stop.wait(child, 0.1), 7)

    def test_a_signal_reaches_the_children(self) -> None:
        child = self.stop.start(["sleep", "100"])
        start = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)
        self.assertEqual(self.stop.wait(child), -signal.SIGTERM)
        self.assertTrue(self.stop.requested)
        # Also one that is started only now.
        self.assertEqual(self.stop.wait(self.stop.start(["sleep", "100"])), -signal.SIGTERM)
        self.assertLess(time.monotonic() - start, 50)


if __name__ == "__main__":
    unittest.main()
