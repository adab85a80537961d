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


class Attacks(support.FolderTest):
    def attack(self, subject: str, *arguments: object) -> tuple[int, dict[str, Any]]:
        """The exit status and the document."""
        path = self.top / "result.json"
        words = [STRESS, *arguments, "--subject", SUBJECTS / f"{subject}.so", "--quiet", "--json", path]
        self.done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=200, check=False)
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.assertEqual(document["engine"], "stress")
        return self.done.returncode, document

    def attack_until(self, event: str, wanted: int, subject: str, *arguments: object) -> dict[str, Any]:
        """The document of a run that ends as soon as this has happened, with the wanted exit status. It has a minute:
        what threads do only if they meet takes its time on a busy machine."""
        status, document = self.attack(subject, "--seconds", 60, "--until", event, *arguments)
        self.assertEqual(status, wanted, self.done.stdout[:3000])
        return document

    def found(self, document: dict[str, Any], text: str) -> dict[str, Any]:
        """The finding whose property, title or detail says so."""
        for finding in document["findings"]:
            if text in f"{finding['property']}: {finding['title']}\n{finding['detail']}":
                return dict(finding)
        raise AssertionError(f"no finding says {text!r}: {json.dumps(document['findings'])[:3000]}")


class Subjects(Attacks):
    """Threads have to meet, so nothing else runs beside these."""

    def test_ours_survives_chaos(self) -> None:
        document = self.attack_until("reached", 0, "hardened", "--chaos-rate", 60)
        self.assertEqual(document["subject"], "hardened.so")
        self.assertEqual(len(document["details"]["subject"]["promises"]), 10)
        for name in ("kills", "execs", "stops", "releases", "publishes", "snapshot_reads", "txn_ids", "gc_moves"):
            self.assertGreater(document["counts"][name], 0, name)
        self.assertLess(document["details"]["run_seconds"], 60)
        # The roles that need a file have no threads.
        self.assertEqual(document["details"]["roles"]["forker"], 0)
        self.assertEqual(document["counts"]["opens"], 0)

    def test_publishers_go_on_after_execs(self) -> None:
        _, document = self.attack("hardened", "--seconds", 4, "--chaos", "exec", "--chaos-rate", 60)
        rows = [row["publishes"] for row in document["details"]["over_time"]]
        self.assertGreater(rows[-1], rows[len(rows) // 2])

    def assert_known_defects(self, document: dict[str, Any]) -> None:
        known = {finding["defect"] for finding in document["findings"]}
        self.assertTrue(known & {"D2", "D3", "D5"}, known)
        self.assertEqual({finding["severity"] for finding in document["findings"]}, {"expected"})

    @unittest.skipIf(os.environ["FSQLSHM_SANITIZER"], "the slow one is for programs that are slow themselves")
    def test_the_published_protocol_shows_known_defects(self) -> None:
        self.assert_known_defects(self.attack_until("found", 0, "reference"))

    def test_the_slow_published_protocol_shows_known_defects(self) -> None:
        document = self.attack_until("found", 0, "slow-reference")
        self.assert_known_defects(document)
        self.assertEqual(document["counts"]["rounds"], 1)

    def test_what_is_expected_ends_a_round_and_not_the_run(self) -> None:
        # The first id that it hands out twice ends a round.
        _, document = self.attack("promises-nothing", "--seconds", 2)
        self.assertEqual(self.found(document, "a transaction id was handed out twice")["severity"], "expected")
        self.assertGreater(document["counts"]["rounds"], 1)
        # What is said of the run is of all rounds.
        details, counts = document["details"], document["counts"]
        self.assertGreater(details["run_seconds"], 0)
        seconds = [row["seconds"] for row in details["over_time"]]
        self.assertEqual(seconds, sorted(seconds))
        self.assertGreater(len(seconds), 1)
        ids = [row["txn_ids"] for row in details["over_time"]]
        self.assertEqual(ids, sorted(ids))
        self.assertGreater(ids[-1], 0)
        self.assertLessEqual(ids[-1], counts["txn_ids"])

    @unittest.skipIf(os.environ["FSQLSHM_SANITIZER"], "a worker is started ten times as slowly, and counted as always")
    def test_kills_are_counted_over_all_rounds(self) -> None:
        # A round takes a quarter of a second, so far fewer kills.
        words = ("--kills", 20, "--chaos", "kill", "--chaos-rate", 50, "--seconds", 100)
        _, document = self.attack("promises-nothing", *words)
        self.assertGreater(document["counts"]["rounds"], 1)
        # A death counts when it is seen; the two other workers may have been killed by then.
        self.assertIn(document["counts"]["kills"], range(20, 20 + 3))

    def test_outcomes(self) -> None:
        # A race goes on for up to a minute if its threads have not met: these do.
        status, document = self.attack("slow-reference", "outcomes", "--iterations", 1000, "--race-seconds", 6)
        self.assertEqual(self.found(document, "words lost")["defect"], "D3", status)
        status, document = self.attack("hardened", "outcomes", "--iterations", 40000, "--race-seconds", 0.5)
        # On a busy machine two threads may never meet: that is vacuous, and a campaign says so.
        self.assertEqual([f for f in document["findings"] if f["severity"] != "vacuous"], [], status)
        self.assertEqual(len(document["details"]["outcomes"]), 9)

    def test_a_broken_one_is_found(self) -> None:
        for subject, title in (
            ("slow-ids", "a transaction id was handed out twice"),
            ("far-ids", "an id was handed out that next_txn_id has not come to"),
            ("jumping-ids", "next_txn_id jumped"),
        ):
            document = self.attack_until("found", 1, subject)
            self.assertEqual(self.found(document, title)["severity"], "violation")


class Misbehaving(Attacks):
    """What one thread is enough for."""

    def test_a_known_defect_that_cannot_show_is_missed(self) -> None:
        status, document = self.attack("reference", "--seconds", 1, "--writers", 0)
        self.assertEqual(status, 1)
        finding = self.found(document, "D3 was not found")
        self.assertEqual(finding["severity"], "vacuous")

    def test_what_does_not_return_is_a_finding(self) -> None:
        # One worker: no second one has to be waited for that hangs, too.
        for subject, text in (
            ("crashes", "every call returns: crashed in fsqlshm_header_alloc_txn_id"),
            ("crashes", "died of signal 4"),
            ("forks", "a call leaves its process as it is: forked in fsqlshm_header_alloc_txn_id"),
            ("writes-outside", "it wrote 8 bytes before its header"),
            ("writes-far-outside", "crashed in fsqlshm_header_store_gc_horizon"),
            ("writes-far-outside", "touching 0 bytes behind the end of its header"),
            ("hangs-on-gc", "hung in fsqlshm_header_store_gc_horizon: gave no sign of life for 10 s"),
        ):
            document = self.attack_until("reached", 1, subject, "--workers", 1)
            finding = self.found(document, text)
            self.assertEqual(finding["severity"], "violation")
            self.assertIn(f"--subject {SUBJECTS / subject}.so", finding["replay"])

    def test_races_that_do_not_return_are_findings(self) -> None:
        for subject, text in (
            ("crashes", "crashed in fsqlshm_header_alloc_txn_id: died of signal 4"),
            ("hangs-on-alloc", "hung in fsqlshm_header_alloc_txn_id: gave no sign of life for 10 s"),
        ):
            status, document = self.attack(subject, "outcomes", "--iterations", 1000, "--race-seconds", 0.1)
            self.assertEqual(status, 1, subject)
            self.found(document, text)
            # The other races ran.
            self.assertGreater(len(document["details"]["outcomes"]), 3)

    def test_races_without_a_header_are_a_finding(self) -> None:
        status, document = self.attack("creates-once", "outcomes")
        self.assertEqual(status, 1)
        self.assertEqual(len(document["findings"]), 1)
        self.found(document, "fsqlshm_header_create refuses a page size of 4096")

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
