"""The programs and scripts as their users call them, for a few milliseconds each.

usage: programs_test.py FOLDER   (where fsqlshm-bench and fsqlshm-tails are)
"""

import copy
import datetime
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from benchreport_test import made_up
from fsqlshm import ROOT, results
from fsqlshm.bench import engine, run

FOLDER = None


def call(*command, timeout=120):
    return subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, timeout=timeout, check=False
    )


class Temporary(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="fsqlshm-bench-test-")
        self.addCleanup(folder.cleanup)
        self.out = pathlib.Path(folder.name)


class Bench(Temporary):
    def test_a_lost_output_is_no_success(self):
        for program, *options in (("fsqlshm-bench", "--list"), ("fsqlshm-tails", "--help")):
            with open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run(
                    [FOLDER / program, *options],
                    stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
                )
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertTrue(done.stderr.startswith(f"{program}: "), done.stderr)

    def test_every_benchmark_runs_and_is_reported(self):
        path = self.out / "bench.json"
        done = call(FOLDER / "fsqlshm-bench", "--min-time", "0.0002", "--json", path, "--junit",
                    self.out / "bench.xml")
        self.assertEqual(done.returncode, 0, done.stderr)
        document = results.load(path)
        self.assertEqual(document["status"], "clean")
        names = call(FOLDER / "fsqlshm-bench", "--list").stdout.split()
        self.assertGreater(len(names), 150)
        entries = document["details"]["benchmarks"]
        self.assertEqual({e["name"] for e in entries}, set(names))
        for entry in entries:
            self.assertEqual(len(entry["ns"]), 1, entry["name"])
            # Not optimised away.
            self.assertGreater(entry["ns"][0], 0.05, entry["name"])
        for fit in document["details"]["complexity"]:
            self.assertIn("big_o", fit)
        self.assertIn("<testsuite", (self.out / "bench.xml").read_text(encoding="utf-8"))

    def test_shards_are_all_of_it(self):
        def names(*more):
            return call(FOLDER / "fsqlshm-bench", "--list", *more).stdout.split()

        parts = [names("--shard", f"{i}/3") for i in (1, 2, 3)]
        self.assertEqual(sum(parts, []), names())

    def test_bad_usage(self):
        for more in (["--nonsense"], ["--filter", "("], ["--filter", "no such name"],
                     ["--shard", "3/2"], ["--min-time", "-1"],
                     ["--filter", "^loop", "--min-time", "0.001", "--json", "/nonexistent/x"]):
            done = call(FOLDER / "fsqlshm-bench", *more)
            self.assertEqual(done.returncode, 2, more)
            self.assertIn("fsqlshm-bench: ", done.stderr)
        self.assertEqual(call(FOLDER / "fsqlshm-bench", "--help").returncode, 0)

    def test_an_interrupted_run_still_reports(self):
        path = self.out / "bench.json"
        process = subprocess.Popen(
            [FOLDER / "fsqlshm-bench", "--min-time", "0.02", "--repetitions", "1000", "--quiet",
             "--filter", "^loop|^growth/alloc|^dead", "--json", path],
            stderr=subprocess.DEVNULL,
        )
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=100), 2)
        document = results.load(path)
        self.assertEqual(document["status"], "could_not_run")
        self.assertEqual(document["reason"], "interrupted")


class Tails(Temporary):
    def test_every_subject_is_timed_and_checked(self):
        for where in ("thread", "process"):
            path = self.out / "tails.json"
            done = call(FOLDER / "fsqlshm-tails", "--rates", "0,1M,saturating", "--seconds", "0.003",
                        "--repetitions", "1", "--where", where, "--json", path, "--hgrm", self.out)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            document = results.load(path)
            rows = document["details"]["tails"]
            self.assertEqual(len({r["subject"] for r in rows}), 11 if where == "thread" else 9)
            for row in rows:
                ns = row["runs"][0]["ns"]
                self.assertGreater(row["runs"][0]["reads"], 0)
                self.assertLessEqual(ns["p50"], ns["p99.9"])
                self.assertLessEqual(ns["p99.9"], ns["max"])
                self.assertTrue(row["racy"] or row["runs"][0]["torn"] == 0)
            text = (self.out / f"hardened-{where}-1M.hgrm").read_text(encoding="utf-8")
            self.assertTrue(text.startswith("       Value     Percentile TotalCount"))

    def test_bad_usage(self):
        for more in (["--rates", "fast"], ["--subjects", "nobody"], ["--where", "elsewhere"],
                     ["--hgrm", "/nonexistent"],
                     ["--where", "process", "--subjects", "std_mutex"]):
            done = call(FOLDER / "fsqlshm-tails", *more)
            self.assertEqual(done.returncode, 2, more)
            self.assertIn("fsqlshm-tails: ", done.stderr)


class Script(Temporary):
    def compare(self, old, new):
        for name, document in (("old", old), ("new", new)):
            run.save(document, self.out / f"{name}.json")
        return call(ROOT / "scripts" / "bench", "--compare", self.out / "old.json",
                    self.out / "new.json")

    def test_exit_status(self):
        old = made_up(seed=1)
        self.assertEqual(self.compare(old, made_up(seed=2)).returncode, 0)
        self.assertEqual(self.compare(old, made_up({"publish/hardened": 0.7}, 2)).returncode, 0)
        slower = self.compare(old, made_up({"publish/hardened": 1.4}, 2))
        self.assertEqual(slower.returncode, 1)
        self.assertIn("slower", slower.stdout)
        self.assertEqual(self.compare(old, made_up(rounds=3)).returncode, 2)
        missing = call(ROOT / "scripts" / "bench", "--compare", self.out / "old.json", "/nonexistent")
        self.assertEqual(missing.returncode, 2)
        self.assertIn("cannot read", missing.stderr)
        self.assertEqual(call(ROOT / "scripts" / "bench", "--nonsense").returncode, 2)

    def test_without_a_build_it_does_not_look_clean(self):
        done = call(ROOT / "scripts" / "bench", "--no-build", "--preset", "no-such-preset",
                    "--save", self.out / "x.json")
        self.assertEqual(done.returncode, 2)
        self.assertIn("is not built", done.stderr)


class Engine(Temporary):
    def engine(self, *more):
        return call(ROOT / "scripts" / "engines" / "bench", "--out", self.out, *more)

    def test_without_a_build_it_does_not_look_clean(self):
        done = self.engine("--seconds", "1", "--preset", "no-such-preset")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(results.load(self.out / "bench.json")["status"], "could_not_run")

    def test_a_short_run(self):
        if FOLDER.resolve().parent.parent != ROOT / "build":
            self.skipTest("the engine runs what is in build/PRESET")
        done = self.engine("--seconds", "1", "--preset", FOLDER.resolve().parent.name)
        self.assertEqual(done.returncode, 0, done.stderr)
        document = results.load(self.out / "bench.json")
        self.assertEqual(document["status"], "clean")
        self.assertIn("x five loads", document["headline"])
        self.assertGreater(document["counts"]["reads"], 0)

    def test_a_torn_read_is_found(self):
        # What the engine makes of a round in which a program found something.
        document = {"severity": "violation", "property": "p", "title": "t", "detail": "d",
                    "replay": "r"}
        measured = run.new_document("release", {})
        measured["findings"] = [copy.deepcopy(document)]
        options = type("Options", (), {"seed": 1, "seconds": 1, "shard": "1/1"})
        started = datetime.datetime.now()
        result = engine.result_of(measured, options, started, 1.0, None)
        results.check(json.loads(json.dumps(result)))
        self.assertEqual(result["status"], "found")


if __name__ == "__main__":
    FOLDER = pathlib.Path(sys.argv.pop(1))
    unittest.main()
