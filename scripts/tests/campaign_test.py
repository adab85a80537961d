"""A campaign sums up what its engines did, also when they fail."""

import contextlib
import hashlib
import io
import os
import pathlib
import pty
import shutil
import signal
import subprocess
import sys
import time
import unittest
from typing import Any, Dict
from unittest import mock

import support

from fsqlshm import campaign, runner
from fsqlshm.engine import Description
from fsqlshm.results import CouldNotRun
from fsqlshm.text import Clock

HERE = pathlib.Path(__file__).resolve().parent
NOTHING = support.ENGINE.replace("n % 3 == 0", "False")
NAMES = ["golden", "proofs", "relacy", "rc11", "step", "fuzz", "stress", "world", "bench"]


class CampaignTest(support.FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.engines = support.make_engines(self.top / "engines", NAMES, pause=0.05, text=NOTHING)

    def command(self, *arguments: str) -> list[str]:
        return [
            sys.executable,
            str(HERE / "drive.py"),
            "campaign",
            str(self.engines),
            "--out",
            str(self.top / "out"),
            "--seed",
            "1",
            "--minutes",
            "0.5",
            *arguments,
        ]

    def campaign(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False, timeout=100)

    def summary(self) -> Any:
        return support.read(self.top / "out" / "summary.json")

    def test_clean(self) -> None:
        done = self.campaign()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("campaign: Nothing found", done.stdout)
        self.assertEqual(len(self.summary()["results"]), 19)
        for name in ("report.html", "junit.xml", "summary.md", "report.sarif"):
            self.assertTrue((self.top / "out" / name).is_file(), name)
        self.assertNotIn("\x1b", done.stdout, "colours where there is no terminal")

    def test_found_beats_could_not_run(self) -> None:
        support.make_engines(self.engines, ["relacy"], text=support.ENGINE.replace("n % 3 == 0", "True"))
        support.make_engines(self.engines, ["stress"], text="#!/bin/sh\nexit 2\n")
        done = self.campaign()
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("reproduce: relacy 1", done.stdout)
        self.assertIn("wrote no result", done.stdout)

    def test_a_closed_pipe_is_neither_clean_nor_a_finding(self) -> None:
        for arguments, streams in (((), ("stdout", "stderr")), ((), ("stdout",)), (("--nonsense",), ("stderr",))):
            reader, writer = os.pipe()
            os.close(reader)
            ends: Any = {name: writer for name in streams}
            done = subprocess.run(
                self.command(*arguments),
                **({"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | ends),
                check=False,
                timeout=100,
            )
            os.close(writer)
            shutil.rmtree(self.top / "out", ignore_errors=True)
            self.assertEqual(done.returncode, 2, streams)

    def test_what_has_no_command_to_show_it_again(self) -> None:
        said = io.StringIO()
        vacuous = support.finding(severity="vacuous", replay="", detail="nothing met\nin 5 iterations")
        with contextlib.redirect_stdout(said):
            campaign.print_results([support.document(status="found", findings=[vacuous])])
        self.assertNotIn("reproduce", said.getvalue())
        self.assertTrue(said.getvalue().endswith("  property: P2 integrity\n  nothing met\n"), said.getvalue())

    def test_engines_that_misbehave(self) -> None:
        bad = {
            "exit status 0 contradicts its results": support.ENGINE.replace("n % 3 == 0", "True").replace(
                "int(bad)", "0"
            ),
            "wrote no result (exit status 0)": "#!/bin/sh\nexit 0\n",
            "early.json": "#!/bin/sh\nwhile [ $1 != --out ]; do shift; done\necho '{' > $2/early.json\n",
            "cannot be started": "#!/nowhere/python\n",
            "wrote no result (exit status -9)": "#!/bin/sh\nkill -9 $$\n",
        }
        for reason, text in bad.items():
            support.make_engines(self.engines, ["fuzz"], text=text)
            done = self.campaign("--engines", "fuzz", "--out", str(self.top / str(len(reason))))
            self.assertIn(done.returncode, (1, 2), reason)
            self.assertIn(reason, done.stdout)

    def test_interrupted(self) -> None:
        support.make_engines(self.engines, ["relacy"], pause=20, text=NOTHING)
        process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        support.wait_for_line(process, "relacy: at work")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 2, output)
        self.assertIn("interrupted", output)
        self.assertTrue((self.top / "out" / "report.html").is_file())
        self.assertEqual(self.summary()["status"], "could_not_run")

    def test_subject(self) -> None:
        done = self.campaign("--subject", "reference", "--engines", "relacy")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--subject: relacy: cannot attack a chosen subject alone", done.stderr)
        text = NOTHING.replace("DESCRIPTION", '{"subject": True}').replace(
            '"out", "shard"', '"out", "shard", "subject"'
        )
        support.make_engines(self.engines, ["stress"], text=text)
        done = self.campaign("--subject", "reference")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual({d["engine"] for d in self.summary()["results"]}, {"stress"})

    # An engine of which only `text` is its own; it takes a shared object.
    def engine_for_objects(
        self, name: str, text: str = NOTHING, description: str = '{"object_builds": {"x": "y"}}'
    ) -> None:
        text = text.replace("DESCRIPTION", description).replace('"out", "shard"', '"out", "shard", "subject"')
        support.make_engines(self.engines, [name], text=text)

    def test_shared_object(self) -> None:
        who: Dict[str, Any] = {
            "checksum": "0",
            "implementation": "one, 1.0",
            "promises": ["P1 exclusion"],
            "known_defects": ["D2"],
        }
        said = {"subject": {"file": "x", **who}}
        path = self.top / "one.so"
        path.write_bytes(b"machine code")
        self.engine_for_objects(
            "golden", NOTHING.replace('{"executions": 100}, {})', f'{{"executions": 100}}, {said})')
        )
        self.engine_for_objects("bench")
        self.engine_for_objects("relacy", description='{"no_object": "it needs the source"}')
        done = self.campaign("--subject", str(path))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        summary = self.summary()
        self.assertEqual({d["engine"] for d in summary["results"]}, {"golden", "bench"})
        self.assertEqual(summary["subject"], "one.so")
        self.assertIn("relacy: it needs the source", summary["unable"])
        self.assertIn("left out: relacy: it needs the source", done.stdout)
        expected = {"file": str(path), "sha256": hashlib.sha256(b"machine code").hexdigest(), **who}
        del expected["checksum"]
        self.assertEqual(summary["shared_object"], expected)
        for name in ("report.html", "summary.md"):
            text = (self.top / "out" / name).read_text(encoding="utf-8")
            self.assertIn(str(expected["sha256"]), text)
            self.assertIn("it needs the source", text)
        self.assertIn("P1 exclusion", (self.top / "out" / "report.html").read_text(encoding="utf-8"))

    def test_a_shared_object_that_cannot_be_loaded(self) -> None:
        path = self.top / "one.so"
        path.write_bytes(b"nonsense")
        # An engine that cannot run says nothing of the others; one that cannot load the subject does.
        unable = NOTHING.replace('"clean"', '"could_not_run"').replace("int(bad)", "2")
        self.engine_for_objects("golden", unable)
        self.engine_for_objects("bench")
        done = self.campaign("--subject", str(path), "--out", str(self.top / "first"))
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("bench: starting", done.stdout)
        reason = f"subject {path}: is no shared object"
        self.engine_for_objects("golden", unable.replace('"headline": ""', f'"headline": "", "reason": "{reason}"'))
        done = self.campaign("--subject", str(path))
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertEqual({d["engine"] for d in self.summary()["results"]}, {"golden"})
        self.assertIn("bench: not started, the subject cannot be loaded", done.stdout)
        self.assertEqual(set(self.summary()["shared_object"]), {"file", "sha256"})

    def test_a_shared_object_that_changes(self) -> None:
        path = self.top / "one.so"
        path.write_bytes(b"machine code")
        change = "pathlib.Path(o.subject).write_bytes(b'other code')\nprint(f\"{me}: at work\""
        self.engine_for_objects("golden", NOTHING.replace('print(f"{me}: at work"', change))
        done = self.campaign("--subject", str(path))
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        before = hashlib.sha256(b"machine code").hexdigest()
        self.assertEqual(self.summary()["shared_object"]["sha256"], before)
        self.assertIn(f"the subject changed while it was attacked: sha256 {before} at the start", done.stdout)
        self.assertIn(hashlib.sha256(b"other code").hexdigest(), done.stdout)

    def test_bad_arguments(self) -> None:
        for arguments in (
            ["--minutes", "0"],
            ["--minutes", "x"],
            ["--engines", "x"],
            ["--engines", "fuzz,fuzz"],
            ["--seed", "-1"],
            ["--shard", "2/1"],
            ["--shard", "x"],
            ["--subject", "x"],
            ["--bogus"],
        ):
            done = self.campaign(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)

    def test_on_a_terminal(self) -> None:
        """Progress is one line that is redrawn, with the time left; the verdict has a colour."""
        try:
            main, other = pty.openpty()
        except OSError as error:
            self.skipTest(f"no terminal to be had: {error}")
        environment = {**os.environ, "TERM": "xterm"}
        environment.pop("NO_COLOR", None)
        process = subprocess.Popen(
            self.command("--engines", "golden"), stdout=other, stderr=other, stdin=other, env=environment
        )
        os.close(other)
        output = b""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                chunk = os.read(main, 65536)
            except OSError:
                break
            if not chunk:
                break
            output += chunk
        process.wait(timeout=60)
        os.close(main)
        self.assertEqual(process.returncode, 0, output)
        self.assertRegex(output, rb"\r\x1b\[K\[\d+ s, \d+ s left\] golden: at work")
        self.assertIn(b"\x1b[32;1mNothing found", output)


class BuildTest(unittest.TestCase):
    def test_one_that_fails_stops_no_other_engine_and_takes_none_of_its_time(self) -> None:
        chosen = {runner.Row(name, 1, 0, name, ()): Description(name) for name in ("relacy", "fuzz", "stress")}
        clock, now, given = Clock(), [0.0], {}

        def build(engines: list[Description], *_: Any) -> None:
            now[0] += 1000
            if engines[0].summary == "fuzz":
                raise CouldNotRun("the asan build failed")

        def run(name: str, _: Any, __: Any, seconds: int, *___: Any) -> list[Any]:
            given[name] = seconds
            now[0] += seconds
            return [support.document(engine=name)]

        options = mock.Mock(seed=1, shard="1/1", subject=None, jobs=None)
        stop = mock.Mock(requested=False)
        with (
            mock.patch.object(runner, "build", build),
            mock.patch.object(runner, "run_engine", run),
            mock.patch("time.monotonic", lambda: now[0]),
        ):
            clock.run_engines_for(60)
            documents = campaign.run_engines(chosen, pathlib.Path("nowhere"), options, clock, stop)
        said = [(document["engine"], document["status"], document.get("reason")) for document in documents]
        failed = ("fuzz", "could_not_run", "the asan build failed")
        self.assertEqual(said, [("relacy", "clean", None), failed, ("stress", "clean", None)])
        self.assertEqual(given, {"relacy": 20, "stress": 40})


if __name__ == "__main__":
    unittest.main()
