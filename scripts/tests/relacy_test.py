"""The Relacy engine of a campaign audits the memory orders, or says why it did not.

Usage: relacy_test.py FSQLSHM-RELACY
"""

import contextlib
import io
import pathlib
import sys
import unittest
from unittest import mock

import support

from fsqlshm import engine
from fsqlshm.engines import relacy

PROGRAM = pathlib.Path(sys.argv.pop(1)) if len(sys.argv) > 1 else None
# Does what the real one does, but for audits.
WITHOUT_AUDIT = """#!/bin/sh
case "$*" in *--audit-orders*) echo 'no audit here' >&2; exit 2;; esac
exec {program} "$@"
"""


class RelacyTest(support.FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.out = self.top / "out"
        self.out.mkdir()
        for name, value in (("BINARY", PROGRAM), ("AUDIT_SECONDS", relacy.AUDIT_SECONDS)):
            patch = mock.patch.object(relacy, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def run_engine(self, *arguments: str) -> tuple[int, str]:
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            return engine.main(["relacy", "--out", str(self.out), *arguments]), errors.getvalue()

    def test_it_audits(self) -> None:
        relacy.AUDIT_SECONDS = 4  # it may take longer than the engine has
        code, errors = self.run_engine("--seconds", "4")
        self.assertEqual(code, 0, errors)
        orders = support.read(self.out / "relacy-orders.json")
        self.assertEqual((orders["subject"], orders["status"]), ("memory orders", "clean"))
        hardened = orders["details"]["audit"]["hardened"]
        self.assertEqual(hardened["survived"], 0)
        self.assertGreater(hardened["killed"], 20)
        self.assertEqual(len(hardened["matrix"]), hardened["weakenings"])
        self.assertNotIn("left_out", support.read(self.out / "relacy-hardened.json")["details"])

    def test_what_is_left_out_is_said(self) -> None:
        for arguments, why in (((), "it needs 15 s, there are 1 s"), (("--shard", "2/2"), "the first shard does it")):
            code, errors = self.run_engine("--seconds", "1", "--subject", "hardened", *arguments)
            self.assertEqual(code, 0, errors)
            self.assertFalse((self.out / "relacy-orders.json").exists())
            self.assertIn(why, support.read(self.out / "relacy-hardened.json")["details"]["left_out"])

    def test_an_audit_that_cannot_run_is_no_success(self) -> None:
        program = self.top / "program"
        program.write_text(WITHOUT_AUDIT.format(program=PROGRAM), encoding="utf-8")
        program.chmod(0o755)
        relacy.BINARY = program
        relacy.AUDIT_SECONDS = 1
        code, errors = self.run_engine("--seconds", "1", "--subject", "hardened")
        self.assertEqual(code, 2)
        self.assertIn("the order audit wrote no result (exit status 2)", errors)


if __name__ == "__main__":
    unittest.main()
