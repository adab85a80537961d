#!/usr/bin/python3
"""The program and scripts as their users call them, for a few milliseconds each.

usage: bench_programs_test.py FOLDER   (where fsqlshm-bench is)
"""

import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from typing import Any

import support
from bench_test import made_up_file

from fsqlshm import ROOT, results
from fsqlshm.bench import measured, peers, tables

FOLDER = pathlib.Path()
SHORT = "--benchmark_min_time=0.0002"


def call(*command: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120, check=False)


class Temporary(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="fsqlshm-bench-test-")
        self.addCleanup(folder.cleanup)
        self.out = pathlib.Path(folder.name)

    def bench(self, *more: object) -> "subprocess.CompletedProcess[str]":
        return call(FOLDER / "fsqlshm-bench", *more)

    def measure(self, *more: str) -> dict[str, Any]:
        path = self.out / "bench.json"
        done = self.bench(SHORT, f"--benchmark_out={path}", *more)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        file: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return file


class Bench(Temporary, support.FullDisk):
    def test_a_lost_output_is_no_success(self) -> None:
        for option in ("--benchmark_list_tests", "--benchmark_filter=^loop/"):
            self.assert_lost_output_is_no_success(FOLDER / "fsqlshm-bench", option, SHORT)

    def test_every_benchmark_runs_and_is_reported(self) -> None:
        file = self.measure("--benchmark_filter=-^tail/")
        listed = self.bench("--benchmark_list_tests", "--benchmark_filter=-^tail/").stdout.split()
        self.assertGreater(len(listed), 150)
        self.assertEqual([row["name"] for row in file["benchmarks"]], listed)
        run = measured.gather(file)
        # The labels have as many facts as the names have parts, so that no two are confused.
        named = {re.sub("(/iterations:1)?/(real|manual)_time$", "", name) for name in listed}
        self.assertEqual(named, set(run["benchmarks"]))
        for name, benchmark in run["benchmarks"].items():
            self.assertEqual(len(benchmark["ns"]), 1, name)
            # Not optimised away.
            self.assertGreater(benchmark["ns"][0], 0.05, name)
            self.assertEqual(benchmark["racy"], benchmark["facts"].get("subject") in ("plain_3", "plain_5"))

    def test_bad_usage(self) -> None:
        for more in (
            ["--nonsense"],
            ["--benchmark_filter=("],
            ["--benchmark_filter=no such name"],
            ["--benchmark_min_time=short"],
            ["--rates=fast"],
            ["--rates="],
            ["--hgrm=/nonexistent", "--benchmark_filter=^tail/thread/0/timer", SHORT],
        ):
            done = self.bench(*more)
            self.assertEqual(done.returncode, 2, more)
            self.assertNotEqual(done.stderr, "", more)
        self.assertEqual(self.bench("--help").returncode, 0)
        self.assertIn("--hgrm", self.bench("--help").stdout)


class SharedObjects(Temporary):
    """fsqlshm-bench --subject."""

    def measure_subject(self, name: str, status: int) -> dict[str, dict[str, Any]]:
        """The rows of the subject, by operation."""
        path = self.out / "bench.json"
        subject = FOLDER.parent / "harness" / "subjects" / f"{name}.so"
        done = self.bench(SHORT, f"--benchmark_out={path}", "--benchmark_filter=^call/", f"--subject={subject}")
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        file: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.assertEqual(json.loads(file["context"]["subject"])["file"], str(subject))
        return {row["name"].split("/")[1]: row for row in file["benchmarks"] if row["name"].endswith(f"/{name}.so")}

    def test_is_measured_beside_ours(self) -> None:
        rows = self.measure_subject("reference", 0)
        self.assertEqual(set(rows), {"read", "publish", "open", "acquire_release", "alloc", "gc_horizon"})
        for row in rows.values():
            self.assertGreater(row["cpu_time"], 0.05)
            self.assertIn("control", row["label"])

    def test_what_does_not_return_or_writes_elsewhere_is_an_error_of_its_row(self) -> None:
        for subject, operation, text in (
            ("crashes", "alloc", "crashed in fsqlshm_header_alloc_txn_id: died of signal 4"),
            ("hangs-on-gc", "gc_horizon", "hung in fsqlshm_header_store_gc_horizon: gave no sign of life for 10 s"),
            ("writes-outside", "gc_horizon", "it wrote 8 bytes before its header"),
            ("writes-far-outside", "gc_horizon", "touching 0 bytes behind the end of its header"),
        ):
            rows = self.measure_subject(subject, 1)
            self.assertIn(text, rows[operation]["error_message"], subject)
            self.assertEqual({name for name in rows if rows[name].get("error_occurred")}, {operation})

    def test_one_that_crashes_while_it_is_measured_is_named(self) -> None:
        subject = FOLDER.parent / "harness" / "subjects" / "crashes-later.so"
        done = self.bench("--benchmark_min_time=0.2", "--benchmark_filter=^call/alloc/", f"--subject={subject}")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stderr, "fsqlshm-bench: crashed in call/alloc/.*crashes-later.so: died of signal 4")

    def test_a_blank_in_a_path_and_before_it(self) -> None:
        subject = self.out / "a subject.so"
        subject.symlink_to((FOLDER.parent / "harness" / "subjects" / "reference.so").resolve())
        done = self.bench(SHORT, "--benchmark_filter=^call/alloc/", "--subject", subject)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("a_subject.so", done.stdout)
        done = self.bench(SHORT, f"--subject={subject}", "--bogus", "--rates=0")
        self.assertEqual(done.returncode, 2)
        self.assertIn("not understood: --bogus (", done.stderr)

    def test_one_that_cannot_be_loaded_is_refused(self) -> None:
        subject = FOLDER.parent / "harness" / "subjects" / "other-version.so"
        done = self.bench(f"--subject={subject}", "--benchmark_list_tests")
        self.assertEqual(done.returncode, 2)
        self.assertIn("has interface version 2, expected 1", done.stderr)


class Peers(Temporary):
    """fsqlshm-bench --peers."""

    def test_are_measured_by_every_workload_and_said_what_they_are(self) -> None:
        subject = FOLDER.parent / "harness" / "subjects" / "reference.so"
        path = self.out / "bench.json"
        done = self.bench(
            SHORT, "--peers", f"--subject={subject}", "--rates=100k", f"--benchmark_out={path}",
            "--benchmark_filter=-^(growth|writer|file|sharing|header|dead_publisher|call)/",
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        run = measured.gather(json.loads(path.read_text(encoding="utf-8")))
        said = {each["name"] for each in run["context"]["subjects"]}
        missing = {sentence.split()[0] for sentence in run["context"]["left_out"]}
        libraries = {"boost_mutex", "ck_sequence", "abseil", "urcu_memb", "urcu_qsbr", "lmdb", "sqlite"}
        self.assertEqual(libraries - said, missing)
        self.assertLess({"hardened_file", "hardened_c", "robust_mutex", "reference.so"}, said)
        for group in ("read/uncontended", "publish"):
            self.assertEqual(
                set(measured.pick(run, group=group)), said - ({"plain_3"} if group == "publish" else set())
            )
        for group in ("read", "tail"):
            self.assertLessEqual(said, set(measured.pick(run, group=group, where="thread", rate="100k")))
        self.assertLess({"hardened_file", "robust_mutex", "reference.so"}, set(measured.pick(run, group="recovery")))
        columns, rows = peers.main(run)
        self.assertEqual({row[0].removesuffix(" (racy)") for row in rows}, said)
        self.assertEqual({len(row) for row in rows}, {len(columns)})

    def test_without_peers_none_is_measured(self) -> None:
        self.assertNotIn("robust_mutex", self.bench("--benchmark_list_tests").stdout)
        self.assertIn("robust_mutex", self.bench("--benchmark_list_tests", "--peers").stdout)


class Tails(Temporary):
    def test_every_subject_is_timed_and_checked(self) -> None:
        file = self.measure("--benchmark_filter=^tail/", "--rates=0,1M,saturating", f"--hgrm={self.out}")
        for where, subjects in (("thread", 8), ("process", 6)):
            rows = measured.pick(measured.gather(file), group="tail", where=where)
            self.assertEqual(len(rows), 3 * subjects)
            for row in rows.values():
                counters = {name: values[0] for name, values in row["counters"].items()}
                self.assertGreater(counters["reads"], 0)
                self.assertLessEqual(counters["p50"], counters["p99.9"])
                self.assertLessEqual(counters["p99.9"], counters["max"])
                self.assertTrue(row["racy"] or counters["torn"] == 0)
            text = (self.out / f"hardened-{where}-1M.hgrm").read_text(encoding="utf-8")
            self.assertTrue(text.startswith("       Value     Percentile TotalCount"))

    def test_rates_are_those_that_were_asked_for(self) -> None:
        names = self.bench("--benchmark_list_tests", "--rates=250,2k", "--benchmark_filter=^(read|tail)/thread/").stdout
        self.assertEqual({name.split("/")[2] for name in names.split()}, {"250", "2k"})


class Script(Temporary):
    def compare(self, old: measured.File, new: measured.File) -> "subprocess.CompletedProcess[str]":
        for name, file in (("old", old), ("new", new)):
            measured.save(file, self.out / f"{name}.json")
        return call(ROOT / "scripts" / "bench", "--compare", self.out / "old.json", self.out / "new.json")

    def test_exit_status(self) -> None:
        old = made_up_file(seed=1)
        self.assertEqual(self.compare(old, made_up_file(seed=2)).returncode, 0)
        self.assertEqual(self.compare(old, made_up_file({"publish/hardened": 0.7}, 2)).returncode, 0)
        slower = self.compare(old, made_up_file({"publish/hardened": 1.4}, 2))
        self.assertEqual(slower.returncode, 1)
        self.assertIn("slower", slower.stdout)
        self.assertEqual(self.compare(old, made_up_file(count=3)).returncode, 2)
        missing = call(ROOT / "scripts" / "bench", "--compare", self.out / "old.json", "/nonexistent")
        self.assertEqual(missing.returncode, 2)
        self.assertIn("cannot read", missing.stderr)
        self.assertEqual(call(ROOT / "scripts" / "bench", "--nonsense").returncode, 2)

    def test_the_programs_own_files_are_compared_too(self) -> None:
        path = self.out / "bench.json"
        self.measure("--benchmark_filter=^publish/", "--benchmark_repetitions=9")
        done = call(ROOT / "scripts" / "bench", "--compare", path, path, "--all")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("publish/hardened", done.stdout)

    def test_without_a_build_it_does_not_look_clean(self) -> None:
        save = self.out / "x.json"
        done = call(ROOT / "scripts" / "bench", "--no-build", "--preset", "no-such-preset", "--save", save)
        self.assertEqual(done.returncode, 2)
        self.assertIn("is not built", done.stderr)


class Engine(Temporary):
    def engine(self, preset: str, *more: str) -> list[str]:
        """A command that runs the engine on another build."""
        run = f"from fsqlshm.engines import bench; bench.PRESET = {preset!r}; command.run('engine', engine.main)"
        python = [sys.executable, "-B", "-c", f"from fsqlshm import command, engine; {run}"]
        return [*python, "bench", "--out", str(self.out), *more]

    def preset(self) -> str:
        """Of the build that is tested; skips if it is not where the engine looks for it."""
        if FOLDER.resolve().parent.parent != ROOT / "build":
            self.skipTest("the engine runs what is in build/PRESET")
        return FOLDER.resolve().parent.name

    def test_without_a_build_it_does_not_look_clean(self) -> None:
        done = call(*self.engine("no-such-preset", "--seconds", "1"))
        self.assertEqual(done.returncode, 2)
        self.assertEqual(results.load(self.out / "bench.json")["status"], "could_not_run")

    def test_a_short_run(self) -> None:
        done = call(*self.engine(self.preset(), "--seconds", "1", "--shard", "2/3"))
        self.assertEqual(done.returncode, 0, done.stderr)
        document = results.load(self.out / "bench.json")
        self.assertEqual(document["status"], "clean")
        self.assertIn("x five loads", document["headline"])
        self.assertGreater(document["counts"]["reads"], 0)
        # Every shard measures everything.
        self.assertEqual(document["details"]["shard"], "2/3")
        self.assertEqual(len(tables.ratios(document["details"]["measured"])), 8)

    def test_an_interrupted_run_still_reports(self) -> None:
        process = subprocess.Popen(
            self.engine(self.preset(), "--seconds", "60"), stderr=subprocess.DEVNULL, process_group=0
        )
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), 2)
        document = results.load(self.out / "bench.json")
        self.assertEqual(document["status"], "could_not_run")
        self.assertRegex(document.get("reason", ""), "^interrupted after [0-9]+ rounds?$")


if __name__ == "__main__":
    FOLDER = pathlib.Path(sys.argv.pop(1))
    unittest.main()
