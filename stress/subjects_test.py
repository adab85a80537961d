#!/usr/bin/python3
"""fsqlshm-stress on shared objects: what is promised holds, what is broken is found, nothing breaks the harness.

usage: subjects_test.py FSQLSHM-STRESS SUBJECTS   (the folder where they are)
"""

import json
import os
import pathlib
import subprocess
import sys
import unittest
from typing import Any

import support

STRESS, SUBJECTS = sys.argv[1], pathlib.Path(sys.argv[2])
del sys.argv[1:3]


class Subjects(support.FolderTest):
    def attack(self, subject: str, *arguments: object) -> tuple[int, dict[str, Any]]:
        """The exit status and the document."""
        path = self.top / "result.json"
        words = [STRESS, *arguments, "--subject", SUBJECTS / f"{subject}.so", "--quiet", "--json", path]
        self.done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=200, check=False)
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.assertEqual(document["engine"], "stress")
        return self.done.returncode, document

    def attack_until(self, wanted: int, subject: str, *arguments: object) -> dict[str, Any]:
        """The document of a run with this exit status. What threads do only if they meet may take several runs on a
        busy machine: a run without it says that it is vacuous."""
        for _ in range(5):
            status, document = self.attack(subject, *arguments)
            violations = [f for f in document["findings"] if f["severity"] == "violation"]
            if status == wanted and (wanted == 0 or violations):
                return document
            self.assertEqual(violations, [], self.done.stdout[:3000])
        raise AssertionError(f"exit status {status}, never {wanted}: {self.done.stdout[:3000]}")

    def found(self, document: dict[str, Any], text: str) -> dict[str, Any]:
        """The finding whose property, title or detail says so."""
        for finding in document["findings"]:
            if text in f"{finding['property']}: {finding['title']}\n{finding['detail']}":
                return dict(finding)
        raise AssertionError(f"no finding says {text!r}: {json.dumps(document['findings'])[:3000]}")

    def test_ours_survives_chaos(self) -> None:
        document = self.attack_until(0, "hardened", "--seconds", 4, "--chaos-rate", 60)
        self.assertEqual(document["subject"], "hardened.so")
        self.assertEqual(len(document["details"]["subject"]["promises"]), 10)
        for name in ("kills", "execs", "stops", "acquires", "publishes", "snapshot_reads", "txn_ids", "gc_moves"):
            self.assertGreater(document["counts"][name], 0, name)
        # The roles that need a file have no threads.
        self.assertEqual(document["details"]["roles"]["forker"], 0)
        self.assertEqual(document["counts"]["opens"], 0)

    @unittest.skipIf("address" in os.environ["FSQLSHM_SANITIZER"], "too slow for threads to meet in seconds")
    def test_the_published_protocol_shows_known_defects(self) -> None:
        document = self.attack_until(0, "reference", "--seconds", 10)
        known = {finding["defect"] for finding in document["findings"]}
        self.assertTrue(known & {"D2", "D3"}, known)
        self.assertEqual({finding["severity"] for finding in document["findings"]}, {"expected"})
        self.assertGreater(document["counts"]["rounds"], 1, "what is expected ends a round and not the run")

    def test_a_known_defect_that_cannot_show_is_missed(self) -> None:
        status, document = self.attack("reference", "--seconds", 1, "--writers", 0)
        self.assertEqual(status, 1)
        finding = self.found(document, "D3 was not found")
        self.assertEqual(finding["severity"], "vacuous")

    def test_outcomes(self) -> None:
        status, document = self.attack("reference", "outcomes", "--race-seconds", 0.5)
        self.assertEqual(self.found(document, "words lost")["defect"], "D3", status)
        status, document = self.attack("hardened", "outcomes", "--iterations", 40000, "--race-seconds", 0.5)
        # On a busy machine two threads may never meet: that is vacuous, and a campaign says so.
        self.assertEqual([f for f in document["findings"] if f["severity"] != "vacuous"], [], status)
        self.assertEqual(len(document["details"]["outcomes"]), 9)

    def test_what_does_not_return_is_a_finding(self) -> None:
        for subject, text in (
            ("crashes", "every call returns: crashed in fsqlshm_header_alloc_txn_id"),
            ("crashes", "died of signal 4"),
            ("writes-outside", "it wrote 8 bytes before its header"),
            ("writes-far-outside", "crashed in fsqlshm_header_store_gc_horizon"),
            ("writes-far-outside", "touching 0 bytes behind the end of its header"),
            ("hangs-on-gc", "hung in fsqlshm_header_store_gc_horizon: gave no sign of life for 10 s"),
        ):
            status, document = self.attack(subject, "--seconds", 2 if subject != "hangs-on-gc" else 30)
            self.assertEqual(status, 1, subject)
            finding = self.found(document, text)
            self.assertEqual(finding["severity"], "violation")
            self.assertIn(f"--subject {SUBJECTS / subject}.so", finding["replay"])
            self.assertLess(document["duration_seconds"], 60)

    def test_races_that_do_not_return_are_findings(self) -> None:
        for subject, text in (
            ("crashes", "crashed in fsqlshm_header_alloc_txn_id: died of signal 4"),
            ("hangs", "hung in fsqlshm_header_publish_snapshot: gave no sign of life for 10 s"),
        ):
            status, document = self.attack(subject, "outcomes", "--iterations", 1000, "--race-seconds", 0.1)
            self.assertEqual(status, 1, subject)
            self.found(document, text)
            # The other races ran.
            self.assertGreater(len(document["details"]["outcomes"]), 3)

    def test_a_broken_one_is_found(self) -> None:
        document = self.attack_until(1, "unlocked-ids", "--seconds", 10)
        self.assertEqual(self.found(document, "a transaction id was handed out twice")["severity"], "violation")

    def test_what_cannot_be_attacked_is_said(self) -> None:
        for subject, text in (
            ("other-version", "has interface version 2, expected 1"),
            ("no-open", "does not export fsqlshm_header_open"),
            ("crashes-on-open", "crashed in fsqlshm_header_open: died of signal 11"),
        ):
            status, document = self.attack(subject, "--seconds", 1)
            self.assertEqual((status, document["status"]), (2, "could_not_run"))
            self.assertIn(text, document["reason"])
        for words, text in (
            (["crash-points"], "crash-points cannot take a subject: its steps are those of our seam"),
            (["recovery"], "recovery cannot take a subject"),
            (["verification"], "verification cannot take a subject"),
            (["--protocol", "hardened"], "excludes"),
        ):
            words = [STRESS, *words, "--subject", str(SUBJECTS / "hardened.so")]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn(text, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


if __name__ == "__main__":
    unittest.main()
