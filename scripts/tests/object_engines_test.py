"""The engines on shared objects, as a campaign runs them: what is broken is found, what cannot be loaded is said.

usage: object_engines_test.py FOLDER   (the build folder; the engines run what is in build/release)
"""

import pathlib
import signal
import subprocess
import sys
import unittest
from typing import Any

import support

from fsqlshm import ROOT, results

FOLDER = pathlib.Path()
SKIPPED = 77
ENGINES = ("golden", "step", "stress", "bench")


class ObjectEngines(support.FolderTest):
    def attack(self, engine: str, subject: str, seconds: int = 3) -> tuple[int, list[Any]]:
        """The exit status and the documents."""
        out = self.top / engine / subject
        path = FOLDER / "harness" / "subjects" / f"{subject}.so"
        words = [support.SCRIPTS / "engine", engine, "--seconds", seconds, "--out", out, "--subject", path]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=250, check=False)
        documents = [results.load(file) for file in sorted(out.glob("*.json"))]
        self.said = done.stdout + done.stderr
        self.assertGreater(len(documents), 0, self.said)
        self.assertEqual(done.returncode, results.exit_status(documents), self.said)
        return done.returncode, documents

    def test_ours(self) -> None:
        for engine in ENGINES:
            _, documents = self.attack(engine, "hardened")
            for document in documents:
                self.assertEqual(document["subject"], "hardened.so", engine)
                self.assertEqual(len(document["details"]["subject"]["promises"]), 10)
                # On a busy machine two threads may never meet in a race: that is vacuous, and a campaign says so.
                found = {finding["severity"] for finding in document["findings"]} - {"expected"}
                self.assertLessEqual(found, {"vacuous"} if engine == "stress" else set(), document["findings"])

    def test_one_that_crashes(self) -> None:
        for engine, text in (
            ("golden", "crashed in fsqlshm_header_alloc_txn_id"),
            ("step", "memory: an illegal instruction or a panic (SIGILL)"),
            ("stress", "crashed in fsqlshm_header_alloc_txn_id"),
            ("bench", "crashed in fsqlshm_header_alloc_txn_id: died of signal 4"),
        ):
            status, documents = self.attack(engine, "crashes")
            self.assertEqual(status, results.FOUND, engine)
            said = [finding for document in documents for finding in document["findings"]]
            violations = [finding for finding in said if finding["severity"] == "violation"]
            titles = [f"{one['title']} {one['detail'][:200]}" for one in violations]
            self.assertTrue(any(text in title for title in titles), (engine, titles))
            self.assertTrue(all("crashes.so" in one["replay"] for one in violations))

    def test_one_that_crashes_while_it_is_measured(self) -> None:
        status, documents = self.attack("bench", "crashes-later")
        self.assertEqual(status, results.FOUND)
        finding = documents[0]["findings"][0]
        self.assertEqual(finding["severity"], "violation")
        self.assertRegex(finding["title"], "^crashed in call/alloc/.*crashes-later.so: died of signal 4")
        self.assertIn("crashes-later.so", finding["replay"])

    def test_an_interrupted_measurement(self) -> None:
        path = FOLDER / "harness" / "subjects" / "reference.so"
        words = [support.SCRIPTS / "engine", "bench", "--seconds", 60, "--out", self.top, "--subject", path]
        process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        support.wait_for_line(process, "bench: 1 round in")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, results.COULD_NOT_RUN, output)
        document = results.load(self.top / "bench.json")
        self.assertEqual(document["status"], "could_not_run")
        self.assertIn("interrupted", document["reason"])

    def test_one_of_another_version(self) -> None:
        for engine in ("golden", "stress", "bench"):
            status, documents = self.attack(engine, "other-version")
            self.assertEqual(status, results.COULD_NOT_RUN, engine)
            self.assertIn("interface version 2, expected 1", documents[0]["reason"])

    def test_one_that_cannot_be_attacked(self) -> None:
        for engine in ("relacy", "world"):
            path = FOLDER / "harness" / "subjects" / "hardened.so"
            words = [support.SCRIPTS / "engine", engine, "--seconds", 1, "--out", self.top, "--subject", path]
            done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, results.COULD_NOT_RUN)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)


if __name__ == "__main__":
    FOLDER = pathlib.Path(sys.argv.pop(1)).resolve()
    if FOLDER != ROOT / "build" / "release":
        print("the engines run what is in build/release")
        sys.exit(SKIPPED)
    unittest.main()
