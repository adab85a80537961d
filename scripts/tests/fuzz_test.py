#!/usr/bin/python3
"""Tests of the fuzz scripts that need no engine. Argument: the build folder."""

import dataclasses
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Sequence
from typing import Any

from fsqlshm import ROOT, junit, results
from fsqlshm.engines import fuzz
from fsqlshm.fuzz import corpora, coverage, documents, runs, targets
from fsqlshm.fuzz.runs import Failure, Outcome

BUILD = pathlib.Path(".")


def crash(kind: str, *frames: str) -> Failure:
    lines = [f"==1==ERROR: AddressSanitizer: {kind} on address 0x12345678"]
    lines += [f"    #{i} 0x5{i}aa in {frame} /x/y.cc:{10 + i}:3" for i, frame in enumerate(frames)]
    return runs.crash("\n".join([*lines, f"SUMMARY: AddressSanitizer: {kind} /x/y.cc:10:3 in {frames[0]}"]))


def failure(title: str) -> Failure:
    return Failure(title, title, f"FAILED t: {title}")


def target(name: str) -> targets.Target:
    return targets.load(BUILD, name)


class Signatures(unittest.TestCase):
    def test_a_property_is_its_own_name_whatever_the_numbers(self) -> None:
        first = failure("found 1234567 too many")
        self.assertEqual(first.key(), failure("found 7654321 too many").key())
        self.assertNotEqual(first.key(), failure("other").key())

    def test_crashes_are_told_apart_by_their_innermost_frames(self) -> None:
        a = crash("heap-buffer-overflow", "fsqlshm::a()", "fsqlshm::b()")
        same = crash("heap-buffer-overflow", "fsqlshm::a()", "fsqlshm::b()", "main")
        elsewhere = crash("heap-buffer-overflow", "fsqlshm::c()")
        kind = crash("stack-overflow", "fsqlshm::a()", "fsqlshm::b()")
        self.assertEqual((a.title, a.key()), (same.title, same.key()))
        self.assertNotEqual(a.key(), elsewhere.key())
        self.assertNotEqual(a.key(), kind.key())

    def keep(self, folder: str, name: str, options: Sequence[str] = ()) -> Failure:
        path = pathlib.Path(folder) / name
        path.write_bytes(b"x")
        return runs.keep("t", path, failure("p"), pathlib.Path(folder, "crashes"), options)

    def test_a_crash_is_kept_once(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            kept = [self.keep(folder, name) for name in ("crash-1", "crash-2")]
            self.assertEqual(kept[0], kept[1])
            self.assertEqual([path.name for path in pathlib.Path(folder).iterdir()], ["crashes"])
            self.assertEqual(len(list(pathlib.Path(folder, "crashes").iterdir())), 1)
            self.assertTrue(pathlib.Path(kept[0].input).is_file())

    def test_the_command_that_shows_a_finding_again_has_the_targets_options(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            kept = self.keep(folder, "crash-1", ["--only=D4"])
            self.assertEqual(kept.replay, f"scripts/fuzz t --only=D4 --replay {kept.input}")


class Logs(unittest.TestCase):
    LOG = (
        "#2\tINITED cov: 10 ft: 11 corp: 1/1b exec/s: 0 rss: 30Mb\n"
        "#4096\tpulse  cov: 20 ft: 30 corp: 7/1Kb lim: 4 exec/s: 2048 rss: 30Mb\n"
        "stat::number_of_executed_units: 5000\n"
    )

    def outcome(self) -> Outcome:
        outcome = runs.parse_log(self.LOG)
        outcome.counters = {"accept": 4500, "too_small": 500}
        return outcome

    def test_the_last_figures_count(self) -> None:
        outcome = self.outcome()
        self.assertEqual((outcome.executions, outcome.coverage, outcome.features, outcome.corpus), (5000, 20, 30, 7))
        self.assertEqual([row["seconds"] for row in outcome.over_time], [2])
        self.assertAlmostEqual(outcome.share("accept"), 0.9)

    def test_a_run_that_reached_nothing_is_vacuous(self) -> None:
        outcome = self.outcome()
        sealed = target("open_sealed")
        self.assertIn("bad_magic", documents.unreached(sealed, outcome))
        outcome.counters = dict.fromkeys(sealed.reaches, 10)
        self.assertEqual(documents.unreached(sealed, outcome), ["accept in over 85 % of executions"])


class Documents(unittest.TestCase):
    def result(self, name: str, expected: str = "", **changes: Any) -> results.Result:
        values: dict[str, Any] = {"executions": 10, "seconds": 2.0} | changes
        outcome = Outcome(**values)
        return documents.result(target(name), outcome, 1, {"seconds": 2}, expected)

    def test_every_status_is_of_the_schema(self) -> None:
        found = Failure("D3: P: q", "P: q", "t\x01<", "D3", "D3", "i", "r")
        cases: list[tuple[str, dict[str, Any], str]] = [
            ("", {}, "clean"),
            ("", {"findings": [found, found]}, "found"),
            ("D3", {"findings": [found]}, "clean"),
            ("D4", {"findings": [found]}, "found"),
            ("", {"error": "broke"}, "could_not_run"),
            ("", {"executions": 0}, "could_not_run"),
            ("", {"counters": {"parsed": 1}}, "found"),
        ]
        for expected, changes, status in cases:
            document = self.result("proc_stat", expected, **changes).document()
            results.check(document)
            self.assertEqual(document["status"], status)
            self.assertLessEqual(len(document["findings"]), 1)
            if "findings" in changes:
                self.assertEqual(document["findings"][0]["defect"], "D3")
            junit.text([document])

    def test_exit_status(self) -> None:
        clean = self.result("proc_stat").document()
        broke = self.result("proc_stat", error="broke").document()
        self.assertEqual(results.exit_status([clean]), 0)
        self.assertEqual(results.exit_status([clean, broke]), 2)
        self.assertEqual(results.exit_status([]), 2)


class NotCovered(unittest.TestCase):
    def test_every_entry_names_a_line_that_is_there(self) -> None:
        for file, text, why in coverage.excuses():
            self.assertIn(text, (ROOT / file).read_text(encoding="utf-8"), why)
            self.assertNotEqual(why, "")


class Descriptions(unittest.TestCase):
    def test_what_attacks_and_what_must_be_found(self) -> None:
        known = {one.name: one for one in targets.load_all(BUILD)}
        attackers = ["open_raw", "open_sealed", "operations", "proc_stat", "shm_file", "schedule"]
        self.assertEqual([name for name, one in known.items() if one.attacks], attackers)
        for name in attackers:
            self.assertTrue(known[name].reaches and known[name].description and known[name].kept_inputs(), name)
        faults = {one.name: [fault.name for fault in one.known_faults] for one in known.values() if one.known_faults}
        self.assertEqual(faults, {"canary": ["planted"], "schedule_reference": ["D1", "D2", "D3", "D4", "D5", "D6"]})

    def test_faults_are_looked_for_from_nothing_if_there_is_time(self) -> None:
        known = targets.load_all(BUILD)
        short = {search.name: search for search in fuzz.searches(known, 60)}
        self.assertEqual(list(short), ["canary", "reference-D3", "reference-D4", "reference-D5"])
        self.assertEqual([bool(search.seeds) for search in short.values()], [False, True, True, True])
        self.assertEqual(short["canary"].seconds, 15)
        self.assertFalse(any(search.seeds for search in fuzz.searches(known, 960)))

    def test_a_dictionary_is_what_libfuzzer_reads(self) -> None:
        self.assertIn('magic="\\x46\\x53\\x51\\x4c\\x53\\x48\\x4d\\x00"\n', target("open_raw").dictionary_text())


class Corpora(unittest.TestCase):
    def test_a_reduction_removes_only_what_is_not_chosen(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            chosen = hashlib.sha1(b"chosen").hexdigest()
            for file, said in (("a", "chosen"), ("b", "other"), ("c.tmp", "being written")):
                (folder / "corpus").mkdir(exist_ok=True)
                (folder / "corpus" / file).write_text(said, encoding="utf-8")
            (folder / "fuzz").mkdir()
            program = folder / "fuzz" / "canary"
            pretended = dataclasses.replace(target("canary"), build=folder)

            def reduce(command: str) -> tuple[bool, list[str]]:
                """With a program that does this with the folder it is given first."""
                program.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
                program.chmod(0o755)
                reduced = corpora.reduce(pretended, folder / "corpus")
                return reduced, sorted(path.name for path in (folder / "corpus").iterdir())

            self.assertEqual(reduce(f"touch $3/{chosen}; exit 1"), (False, ["a", "b", "c.tmp"]))
            self.assertEqual(reduce("exit 0"), (False, ["a", "b", "c.tmp"]))
            self.assertEqual(reduce(f"touch $3/{chosen}"), (True, ["a", "c.tmp"]))


class Programs(unittest.TestCase):
    def run_program(self, name: str, *arguments: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
        command = [str(BUILD / "fuzz" / name), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    def test_bad_arguments_end_with_2_and_a_sentence(self) -> None:
        bad: list[list[str]] = [["--nonsense"], ["/nowhere"], [], ["--option", "only=D9", "x"]]
        for arguments in bad:
            done = self.run_program("schedule_reference_replay", *arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertNotEqual(done.stderr, "")
        self.assertEqual(self.run_program("open_raw_replay", "--help").returncode, 0)

    def test_scripts_end_with_2_and_a_sentence(self) -> None:
        for command in (
            ["fuzz", "nothing"],
            ["fuzz", "open_raw", "--minutes", "0"],
            ["fuzz", "open_raw", "--build", "/nowhere"],
            ["fuzz", "all", "--replay", "x"],
            ["fuzz", "open_raw", "--only", "D3"],
            ["fuzz", "open_raw", "--coverage", "--measure"],
            ["fuzz", "open_raw", "--json", "/nowhere/x"],
            ["engine", "fuzz", "--seconds", "1"],
            ["engine", "fuzz", "--seconds", "1", "--out", "/x", "--shard", "3/2"],
        ):
            words = [str(ROOT / "scripts" / command[0]), *command[1:]]
            if command[0] == "fuzz" and "--build" not in command:
                words += ["--build", str(BUILD)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, command)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_reduces_the_canary_to_the_two_fields_that_matter(self) -> None:
        found = ROOT / "corpus" / "regressions" / "canary" / "planted"
        with tempfile.TemporaryDirectory() as folder:
            output = pathlib.Path(folder) / "reduced"
            done = self.run_program("canary_replay", "--reduce", found, "--output", output)
            self.assertEqual(done.returncode, 1, done.stderr)
            matters = [line.split()[0] for line in done.stdout.splitlines() if "matters" in line]
            self.assertEqual(sorted(matters), ["layout_checksum", "max_txn_slots", "page_size"])
            self.assertEqual(self.run_program("canary_replay", output).returncode, 1)

    def test_a_good_input_cannot_be_reduced(self) -> None:
        seed = ROOT / "corpus" / "open_sealed" / "ok-1"
        done = self.run_program("canary_replay", "--reduce", seed, "--output", "/dev/null")
        self.assertEqual(done.returncode, 2)

    def test_a_corpus_that_is_not_as_the_target_says_is_found(self) -> None:
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            shutil.copytree(targets.CORPUS / "proc_stat", folder / "proc_stat")
            self.assertEqual(self.run_program("proc_stat_replay", "--check", folder).returncode, 0)
            for name in ("plain", "parentheses"):
                (folder / "proc_stat" / name).unlink()
            done = self.run_program("proc_stat_replay", "--check", folder)
            self.assertEqual((done.returncode, done.stderr), (1, "proc_stat: no input reaches parsed\n"))
            # No input is kept for a fault, or one that shows another; this one shows D2, too.
            self.assertEqual(self.run_program("schedule_reference_replay", "--check", folder).returncode, 1)
            kept = folder / "regressions" / "schedule_reference"
            kept.mkdir(parents=True)
            for fault in ("D1", "D2", "D3", "D4", "D5", "D6"):
                kept.joinpath(fault).write_bytes((targets.CORPUS / "regressions/schedule_reference/D3").read_bytes())
            done = self.run_program("schedule_reference_replay", "--check", folder)
            self.assertEqual((done.returncode, done.stderr.count("does not show it any more")), (1, 4), done.stderr)

    def test_counters_go_where_they_are_asked_for(self) -> None:
        done = self.run_program("open_raw_replay", "--stats", targets.CORPUS / "open_raw")
        self.assertGreater(json.loads(done.stderr)["counters"]["accept"], 0)


class Counters(unittest.TestCase):
    def test_one_of_the_header_has_no_counters_of_the_file_layer(self) -> None:
        # The engine goes through all of them after every input.
        def holds(name: str) -> set[str]:
            done = subprocess.run(["nm", "-C", BUILD / "fuzz" / name], capture_output=True, text=True, check=True)
            return {part for part in ("fsqlshm::FileMapping::", "::g_pairs") if part in done.stdout}

        if not (BUILD / "fuzz" / "open_raw").exists():
            self.skipTest("no programs of the engine: it takes clang")
        self.assertEqual(holds("shm_file"), {"fsqlshm::FileMapping::"})
        self.assertEqual(holds("schedule"), {"::g_pairs"})
        for name in ("open_raw", "open_sealed", "operations", "proc_stat"):
            self.assertEqual(holds(name), set(), name)


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1))
    unittest.main(argv=[sys.argv[0]])
