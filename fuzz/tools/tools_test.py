"""Tests of the fuzz scripts that need no engine. Argument: the build folder's fuzz folder."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

from fsqlshm import ROOT, results
from fsqlshm.fuzz import fuzzing

BUILD = pathlib.Path(".")


def crash(kind, *frames):
    lines = [f"==1==ERROR: AddressSanitizer: {kind} on address 0x12345678"]
    lines += [f"    #{i} 0x5{i}aa in {frame} /x/y.cc:{10 + i}:3" for i, frame in enumerate(frames)]
    return "\n".join([*lines, f"SUMMARY: AddressSanitizer: {kind} /x/y.cc:10:3 in {frames[0]}"])


class Signatures(unittest.TestCase):
    def test_a_property_is_its_own_name_whatever_the_numbers(self):
        first = fuzzing.signature("FAILED open_raw: found 1234567 too many\n...")
        second = fuzzing.signature("noise\nFAILED open_raw: found 7654321 too many\n")
        self.assertEqual(first[1], second[1])
        self.assertNotEqual(first[1], fuzzing.signature("FAILED open_raw: other")[1])

    def test_crashes_are_told_apart_by_their_innermost_frames(self):
        a = fuzzing.signature(crash("heap-buffer-overflow", "fsqlshm::a()", "fsqlshm::b()"))
        same = fuzzing.signature(crash("heap-buffer-overflow", "fsqlshm::a()", "fsqlshm::b()",
                                       "main"))
        elsewhere = fuzzing.signature(crash("heap-buffer-overflow", "fsqlshm::c()"))
        kind = fuzzing.signature(crash("stack-overflow", "fsqlshm::a()", "fsqlshm::b()"))
        self.assertEqual(a, same)
        self.assertNotEqual(a[1], elsewhere[1])
        self.assertNotEqual(a[1], kind[1])

    def test_a_crash_is_kept_once(self):
        with tempfile.TemporaryDirectory() as folder:
            kept = []
            for name in ("crash-1", "crash-2"):
                path = pathlib.Path(folder) / name
                path.write_bytes(b"x")
                kept.append(fuzzing.keep_crash("t", path, "FAILED t: p", f"{folder}/crashes"))
            self.assertEqual([k["fresh"] for k in kept], [True, False])
            self.assertEqual(len(list(pathlib.Path(folder, "crashes").iterdir())), 1)
            self.assertTrue(pathlib.Path(kept[0]["input"]).is_file())

    def test_the_command_that_shows_a_finding_again_has_the_targets_options(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "crash-1"
            path.write_bytes(b"x")
            kept = fuzzing.keep_crash("t", path, "FAILED t: p", folder, ["--only=D4"])
            self.assertEqual(kept["replay"], f"scripts/fuzz t --only=D4 --replay {kept['input']}")


class Logs(unittest.TestCase):
    LOG = ("#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb\n"
           "#4096\tpulse  cov: 20 ft: 30 corp: 7/1Kb lim: 4 exec/s: 2048 rss: 30Mb\n"
           "stat::number_of_executed_units: 5000\n"
           'fsqlshm-stats {"target": "open_sealed", "accept": 90, "too_small": 10}\n')

    def test_the_last_figures_count(self):
        outcome = fuzzing.parse_log(self.LOG)
        self.assertEqual((outcome.executions, outcome.coverage, outcome.features, outcome.corpus),
                         (5000, 20, 30, 7))
        self.assertEqual(outcome.counters, {"accept": 90, "too_small": 10})
        self.assertAlmostEqual(fuzzing.accept_ratio(outcome), 0.9)

    def test_a_run_that_reached_nothing_is_vacuous(self):
        outcome = fuzzing.parse_log(self.LOG)
        self.assertIn("bad_magic", fuzzing.vacuous(fuzzing.TARGETS["open_sealed"], outcome))
        outcome.counters = dict.fromkeys(fuzzing.TARGETS["open_sealed"].reaches, 10)
        self.assertEqual(fuzzing.vacuous(fuzzing.TARGETS["open_sealed"], outcome),
                         ["accept in over 85 % of executions"])


class Documents(unittest.TestCase):
    def outcome(self, **changes):
        outcome = fuzzing.Outcome(executions=10, seconds=2.0)
        for name, value in changes.items():
            setattr(outcome, name, value)
        return outcome

    def document(self, outcome, **keywords):
        return fuzzing.document(fuzzing.TARGETS["proc_stat"], outcome, 1, {"seconds": 2},
                                fuzzing.now(), **keywords)

    def test_every_status_is_of_the_schema(self):
        finding = {"title": "P: q", "key": "k", "input": "i", "replay": "r", "report": "t\x01<"}
        for outcome, keywords, status in (
            (self.outcome(), {}, "clean"),
            (self.outcome(findings=[finding, finding]), {}, "found"),
            (self.outcome(findings=[finding]), {"expected": "P:"}, "clean"),
            (self.outcome(findings=[finding]), {"expected": "D3:"}, "found"),
            (self.outcome(error="broke"), {}, "could_not_run"),
            (self.outcome(executions=0), {}, "could_not_run"),
            (self.outcome(counters={"parsed": 1}), {}, "found"),
        ):
            document = self.document(outcome, **keywords)
            results.check(document)
            self.assertEqual(document["status"], status)
            self.assertLessEqual(len(document["findings"]), 1)
            fuzzing.junit([document])

    def test_exit_status(self):
        clean = self.document(self.outcome())
        broke = self.document(self.outcome(error="broke"))
        self.assertEqual(fuzzing.exit_status([clean]), 0)
        self.assertEqual(fuzzing.exit_status([clean, broke]), 2)
        self.assertEqual(fuzzing.exit_status([]), 2)


class NotCovered(unittest.TestCase):
    def test_every_entry_names_a_line_that_is_there(self):
        text = (ROOT / "fuzz" / "not_covered.txt").read_text(encoding="utf-8")
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            file, quote, why = line.split(" | ")
            self.assertIn(quote, (ROOT / file).read_text(encoding="utf-8"), line)
            self.assertNotEqual(why, "")


class Programs(unittest.TestCase):
    def run_program(self, name, *arguments):
        return subprocess.run([BUILD / name, *arguments], capture_output=True, text=True,
                              timeout=100, check=False)

    def test_bad_arguments_end_with_2_and_a_sentence(self):
        for arguments in (["--nonsense"], ["/nowhere"], [], ["--option", "only=D9", "x"]):
            done = self.run_program("schedule_reference_replay", *arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertNotEqual(done.stderr, "")
        self.assertEqual(self.run_program("open_raw_replay", "--help").returncode, 0)

    def test_scripts_end_with_2_and_a_sentence(self):
        for command in (["fuzz", "nothing"], ["fuzz", "open_raw", "--minutes", "0"],
                        ["fuzz", "open_raw", "--build", "/nowhere"],
                        ["fuzz", "all", "--replay", "x"], ["fuzz", "open_raw", "--only", "D3"],
                        ["fuzz", "open_raw", "--coverage", "--measure"],
                        ["fuzz", "open_raw", "--corpus", "x"],
                        ["fuzz", "open_raw", "--json", "/nowhere/x"], ["engines/fuzz", "--seconds", "1"],
                        ["engines/fuzz", "--seconds", "1", "--out", "/x", "--shard", "3/2"]):
            done = subprocess.run([ROOT / "scripts" / command[0], *command[1:]],
                                  capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, command)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_reduces_the_canary_to_the_two_fields_that_matter(self):
        found = ROOT / "corpus" / "regressions" / "canary" / "found"
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder) / "reduced"
            done = self.run_program("canary_replay", "--reduce", found, "--output", output)
            self.assertEqual(done.returncode, 1, done.stderr)
            matters = [line.split()[0] for line in done.stdout.splitlines() if "matters" in line]
            self.assertEqual(sorted(matters), ["layout_checksum", "max_txn_slots", "page_size"])
            self.assertEqual(self.run_program("canary_replay", output).returncode, 1)

    def test_a_good_input_cannot_be_reduced(self):
        seed = ROOT / "corpus" / "open_sealed" / "ok-1"
        done = self.run_program("canary_replay", "--reduce", seed, "--output", "/dev/null")
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1))
    unittest.main(argv=[sys.argv[0]])
