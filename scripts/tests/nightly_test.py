"""A nightly run goes on after any interruption, and loses nothing."""

import os
import pathlib
import random
import signal
import subprocess
import time
import unittest
from typing import Any

import support

HERE = pathlib.Path(__file__).resolve().parent
TABLE = """
golden 0  0  golden
relacy 40 0  relacy
fuzz   30 0  fuzz
stress 30 0  stress
long   1  60 stress
"""


CRASH = """
crash = pathlib.Path(o.out) / "crashes" / "1" / "input"
crash.parent.mkdir(parents=True)
crash.write_text("the input")
write("target", [{"severity": "violation", "property": "P", "title": "it crashed", "detail": "",
                  "replay": f"scripts/fuzz target --replay {crash}", "artefacts": [str(crash)]}], {}, {})
bad = True
"""


def counts_of(summary: Any, engine: str, subject: str) -> Any:
    return next(d["counts"] for d in summary["results"] if (d["engine"], d["subject"]) == (engine, subject))


class NightlyTest(support.FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.engines = support.make_engines(self.top / "engines", ["golden", "relacy", "fuzz", "stress"])
        (self.top / "table").write_text(TABLE, encoding="utf-8")

    def start(self, state: str, *arguments: str, report: bool = False) -> support.Running:
        return support.start_night(self.top, state, *arguments, report=report)

    def findings(self, state: str) -> set[tuple[str, ...]]:
        return {
            (f["engine"], f["subject"], f["severity"], f["property"], f["title"])
            for f in support.read(self.top / state / "findings.json")["findings"]
        }

    def processes(self) -> list[str]:
        """The pretended engines that are still alive."""
        out = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
        return [line for line in out.splitlines() if str(self.top) in line and "drive.py" not in line]

    def test_a_night(self) -> None:
        status, output = support.finish(self.start("a", "--seed", "1", report=True))
        self.assertEqual(status, 1, output)
        summary = support.read(self.top / "a" / "latest" / "summary.json")
        self.assertEqual(summary["status"], "found")
        for name in ("report.html", "junit.xml", "summary.md", "report.sarif"):
            self.assertTrue((self.top / "a" / "latest" / name).is_file(), name)
        # Two slices of relacy and fuzz and stress, one of golden, 100 executions each and 1000.
        counts = {(d["engine"], d["subject"]): d["counts"].get("executions") for d in summary["results"]}
        self.assertEqual(counts[("relacy", "early")], 200)
        self.assertEqual(counts[("golden", "late")], 1000)
        self.assertEqual(len(summary["history"]), 1)
        # The second slice of fuzz went on from the corpus of the first.
        self.assertEqual(counts_of(summary, "fuzz", "canary"), {"inputs": 3})
        self.assertEqual({p.name for p in (self.top / "a" / "corpus" / "target").iterdir()}, {"3", "6"})
        self.assertEqual(summary["corpora"], {"target": 2})
        self.assertFalse(list((self.top / "a").glob("nights/*/slices/*/corpus")))

    def test_the_next_night_goes_on_where_the_last_one_stopped(self) -> None:
        support.finish(self.start("a", "--seed", "1"))
        state = support.read(self.top / "a" / "state.json")
        self.assertIsNone(state["night"])
        self.assertEqual(state["next_seed"], 8)
        support.finish(self.start("a"))
        state = support.read(self.top / "a" / "state.json")
        self.assertEqual(state["next_seed"], 15)
        summary = support.read(self.top / "a" / "latest" / "summary.json")
        self.assertEqual([h["seed"] for h in summary["history"]], [1, 8])
        self.assertTrue(summary["found_before"])

    def test_killed_three_times_it_finds_the_same(self) -> None:
        status, _ = support.finish(self.start("alone", "--seed", "5"))
        self.assertEqual(status, 1)
        choose = random.Random(int(os.environ.get("FSQLSHM_TEST_SEED", time.time_ns())))
        for kill in range(3):
            process = self.start("killed", "--seed", "5")
            # Not before it is at work, or nothing would be interrupted.
            support.wait_for_line(process, "starting")
            time.sleep(choose.uniform(0, 0.5))
            process.kill()
            support.finish(process)
            self.assertEqual(process.returncode, -signal.SIGKILL, f"kill {kill}")
        status, output = support.finish(self.start("killed", "--seed", "5"))
        self.assertEqual(status, 1, output)
        self.assertIn("going on with night", output)
        self.assertEqual(self.findings("killed"), self.findings("alone"))
        self.assertGreaterEqual(len(self.findings("alone")), 3)
        self.assertTrue(support.interrupted(self.top / "killed" / "latest"), "no kill hit a slice")
        state = support.read(self.top / "killed" / "state.json")
        self.assertEqual(state, support.read(self.top / "alone" / "state.json"))

    def test_a_killed_run_leaves_no_engine_behind(self) -> None:
        # The engine's own child has a session of its own.
        start = (
            "import subprocess\nsubprocess.Popen(['/bin/sh', '-c', 'sleep 30; : ' + o.out], start_new_session=True)\n"
        )
        support.make_engines(
            self.engines, ["golden"], pause=30, text=support.ENGINE.replace("print(f", start + "print(f", 1)
        )
        process = self.start("a")
        support.wait_for_line(process, "at work")
        # A process is forked before it becomes another program.
        self.assertTrue(support.until(lambda: len(self.processes()) == 2), self.processes())
        process.kill()
        support.finish(process)
        self.assertTrue(support.until(lambda: not self.processes()), self.processes())

    @unittest.skipUnless(os.access("/dev/shm", os.W_OK), "there is no /dev/shm")
    def test_a_killed_run_leaves_no_scratch_behind(self) -> None:
        start = """import subprocess, tempfile
open(tempfile.mkdtemp() + "/large", "w").close()
memory = tempfile.mkdtemp(prefix="fsqlshm-report-test-", dir="/dev/shm")
subprocess.Popen(["sleep", "30"], env={"TMPDIR": memory, "PATH": os.environ["PATH"]})
print("memory", memory, file=sys.stderr, flush=True)
"""
        support.make_engines(
            self.engines, ["golden"], pause=30, text=support.ENGINE.replace("print(f", start + "print(f", 1)
        )
        process = self.start("a")
        line = support.wait_for_line(process, "memory")
        memory = pathlib.Path(line.split()[-1])
        self.assertTrue(memory.is_dir())
        self.assertEqual(len(list((self.top / "a" / "tmp").glob("*/large"))), 1)
        process.kill()
        support.finish(process)
        self.assertTrue(support.until(lambda: not memory.exists()))
        support.make_engines(self.engines, ["golden"])
        support.finish(self.start("a"))
        self.assertEqual(list((self.top / "a" / "tmp").iterdir()), [])

    def test_what_an_interrupted_slice_found_counts(self) -> None:
        # The early document of the first slice has a finding (seed 3); then it is killed.
        support.make_engines(self.engines, ["golden"], pause=30)
        process = self.start("a", "--seed", "3")
        self.assertTrue(support.until(lambda: list(self.top.glob("a/nights/*/slices/*/early.json"))))
        process.kill()
        support.finish(process)
        # From now on that engine finds nothing.
        support.make_engines(self.engines, ["golden"], text=support.ENGINE.replace("n % 3 == 0", "False"))
        support.finish(self.start("a"))
        self.assertIn(("golden", "early", "violation", "P", "golden finds 3"), self.findings("a"))

    def test_a_slice_is_done_again_as_it_was(self) -> None:
        support.finish(self.start("alone", "--seed", "5"))
        support.make_engines(self.engines, ["golden"], afterwards=30)
        process = self.start("killed", "--seed", "5")
        self.assertTrue(support.until(lambda: list(self.top.glob("killed/nights/*/slices/*/late.json"))))
        process.kill()
        support.finish(process)
        support.make_engines(self.engines, ["golden"])
        support.finish(self.start("killed"))
        interrupted = support.interrupted(self.top / "killed" / "latest")
        self.assertEqual([(folder / "late.json").exists() for folder in interrupted], [True])
        # Its work counts once.
        done = [support.read(self.top / state / "latest" / "summary.json") for state in ("killed", "alone")]
        counts = [[(d["engine"], d["subject"], d["counts"]) for d in summary["results"]] for summary in done]
        self.assertEqual(sorted(counts[0], key=str), sorted(counts[1], key=str))
        self.assertEqual(self.findings("killed"), self.findings("alone"))
        self.assertEqual(
            support.read(self.top / "killed" / "state.json"), support.read(self.top / "alone" / "state.json")
        )

    def test_interrupted_it_sums_up_and_goes_on(self) -> None:
        support.make_engines(self.engines, ["stress"], pause=1.5)
        process = self.start("a", "--seed", "1", report=True)
        support.wait_for_line(process, "stress: starting")
        process.send_signal(signal.SIGTERM)
        status, output = support.finish(process)
        self.assertIn(status, (1, 2), output)
        self.assertIn("the next run goes on", output)
        self.assertTrue((self.top / "a" / "latest" / "report.html").is_file())
        status, output = support.finish(self.start("a"))
        self.assertIn("going on with night", output)
        self.assertIsNone(support.read(self.top / "a" / "state.json")["night"])

    def test_two_at_once(self) -> None:
        support.make_engines(self.engines, ["golden"], pause=3)
        first = self.start("a")
        support.wait_for_line(first, "at work")
        status, output = support.finish(self.start("a"))
        self.assertEqual(status, 2)
        self.assertIn("another nightly run", output)
        first.terminate()
        support.finish(first)

    def test_no_canary_is_no_success(self) -> None:
        text = support.ENGINE.replace("n % 3 == 0", "False")
        support.make_engines(self.engines, ["golden", "relacy", "fuzz", "stress"], text=text, canary=False)
        status, output = support.finish(self.start("a"))
        self.assertEqual(status, 2, output)
        self.assertIn("canary", output)

    def test_a_failing_input_is_proposed_as_a_regression(self) -> None:
        text = support.ENGINE.replace("n % 3 == 0", "False").replace("numbers = range", CRASH + "numbers = range", 1)
        support.make_engines(self.engines, ["fuzz"], text=text)
        status, output = support.finish(self.start("a", "--seed", "1"))
        self.assertEqual(status, 1, output)
        kept = list((self.top / "a" / "regressions" / "target").iterdir())
        self.assertEqual([p.read_text(encoding="utf-8") for p in kept], ["the input"])
        self.assertIn(f"cp {kept[0]} corpus/regressions/target/", output)
        # The command to replay it names a file that is there.
        summary = support.read(self.top / "a" / "latest" / "summary.json")
        replays = [f["replay"] for d in summary["results"] for f in d["findings"] if d["subject"] == "target"]
        self.assertEqual(len(replays), 1)
        self.assertTrue(pathlib.Path(replays[0].split()[-1]).is_file(), replays)

    def test_an_engine_that_says_nothing_is_no_success(self) -> None:
        support.make_engines(self.engines, ["stress"], text="#!/bin/sh\nexit 0\n")
        support.make_engines(
            self.engines, ["golden", "relacy", "fuzz"], text=support.ENGINE.replace("n % 3 == 0", "False")
        )
        status, output = support.finish(self.start("a"))
        self.assertEqual(status, 2, output)
        self.assertIn("wrote no result", output)

    def test_bad_arguments(self) -> None:
        for arguments in (["--hours", "0"], ["--hours", "x"], ["--seed", "-1"], ["--table", "/nowhere"], ["--foo"]):
            status, output = support.finish(self.start("a", *arguments))
            self.assertEqual(status, 2, output)
            self.assertEqual(len(output.strip().splitlines()), 1, output)

    def test_a_broken_state_is_no_fresh_start(self) -> None:
        (self.top / "a").mkdir()
        (self.top / "a" / "state.json").write_text("{", encoding="utf-8")
        status, output = support.finish(self.start("a"))
        self.assertEqual(status, 2)
        self.assertIn("state.json", output)


if __name__ == "__main__":
    unittest.main()
