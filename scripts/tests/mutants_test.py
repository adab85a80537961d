"""Mutants of the library: what the operators make, which verdict a program's end is, and that a run that was killed, or
split, has the same matrix."""

import functools
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest
import unittest.mock
from collections.abc import Sequence
from typing import Any

import support

from fsqlshm import files, merge, results
from fsqlshm.mutants import explained, matrix, run, survey
from fsqlshm.mutants.attacks import LONG_PROOF, SHORT_PROOFS, Engine, Part
from fsqlshm.mutants.judge import EQUIVALENT
from fsqlshm.mutants.ledger import BROKEN, COMPILER, KILLED, SAME, SURVIVED, UNREACHED, Ledger, Verdict
from fsqlshm.mutants.mutant import Edit, Mutant
from fsqlshm.mutants.workshop import Tree, verdict_of
from fsqlshm.processes import Stopper
from fsqlshm.proofs.obligations import OBLIGATIONS

SOURCE = """\
#include <atomic>
namespace fsqlshm {
namespace {
enum class Field { kFirst, kSecond };
int open_at(int directory, int flags);
struct Words {
  unsigned long load(Field field, std::memory_order order) const;
  void store(Field field, unsigned long value);
  int one = 1;
  int other = 2;
};
}  // namespace
bool open(int directory, int access) {
  if (open_at(directory, access | 4) < 0) return false;
  return true;
}
void publish(Words& words, int length) {
  if (length == 0 && words.one != 3) return;
  words.store(Field::kFirst, words.load(Field::kSecond, std::memory_order::acquire));
  words.store(Field::kSecond, words.other + 1);
}
}  // namespace fsqlshm
"""
# By class what stands there afterwards, one of each kind.
EXPECTED = {
    "comparison": ["access | 4) <= 0", "length != 0", "words.one == 3"],
    "condition": ["length == 0 || words", "return true;\n  return true"],
    "constant": ["access | 5", "words.other + 0", "words.other + 2", "int one = 0", "words.one != 4"],
    "arithmetic": ["words.other - 1"],
    "field": ["store(Field::kSecond, words.load", "words.other != 3", "words.one + 1"],
    "order": ["memory_order::relaxed"],
    "flag": ["open_at(directory, access)", "open_at(directory, 4)"],
    "dropped": ["{\n  ;\n  words.store(Field::kFirst", "acquire));\n  ;\n}"],
    "moved": ["words.other + 1);\n  words.store(Field::kFirst"],
    "swapped": ["open_at(access | 4, directory)"],
    "returned": ["{ if (true) return;", "{ if (true) return false;", "{ if (true) return true;"],
}


class OperatorsTest(support.FolderTest):
    def mutants_of(self, source: str) -> dict[str, str]:
        """What becomes of the source, by id."""
        folder = self.top / "core" / "src"
        folder.mkdir(parents=True, exist_ok=True)
        (self.top / "core" / "include").mkdir(exist_ok=True)
        (folder / "small.cc").write_text(source, encoding="utf-8")
        return {one.id: one.applied_to(source.encode()).decode() for one in survey.all_mutants(self.top)}

    def test_every_operator_makes_its_faults(self) -> None:
        made = self.mutants_of(SOURCE)
        self.assertEqual(len(made), len(set(made.values())), "no fault is made twice")
        for operator, texts in EXPECTED.items():
            of_class = [text for name, text in made.items() if f":{operator}:" in name]
            for expected in texts:
                self.assertTrue(any(expected in text for text in of_class), f"{operator}: {expected}")

    def test_what_no_code_comes_of_is_left_alone(self) -> None:
        made = self.mutants_of("static_assert(1 + 1 == 2);\nenum A { kA = 3, kB };\n// 1 == 1\n")
        self.assertEqual(made, {})

    def test_flags_that_are_macros(self) -> None:
        made = self.mutants_of("#define A 1\n#define BC 2\nint f(int x) { return x | A | BC; }\n")
        flags = {text.partition("{ ")[2].strip() for name, text in made.items() if ":flag:" in name}
        self.assertLessEqual({"return x | A; }", "return x | BC; }"}, flags)

    def test_a_survey_is_kept_until_the_code_changes(self) -> None:
        self.mutants_of(SOURCE)
        found = survey.kept(self.top / "kept", self.top)
        self.assertEqual(found, survey.all_mutants(self.top))
        with unittest.mock.patch("fsqlshm.mutants.survey.all_mutants", return_value=[]):
            self.assertEqual(survey.kept(self.top / "kept", self.top), found)
            self.mutants_of(SOURCE.replace("return true;", "return false;"))
            self.assertEqual(survey.kept(self.top / "kept", self.top), [])

    def test_ids_survive_edits_of_other_functions(self) -> None:
        before = self.mutants_of(SOURCE)
        edited = SOURCE.replace("return true;", "if (access < 7) return false;\n  return true;")
        after = self.mutants_of(edited)
        for name, text in before.items():
            if ":publish:" in name:
                published = text[text.index("void publish") :]
                self.assertEqual(after[name][after[name].index("void publish") :], published, name)


class LibraryTest(support.FolderTest):
    @staticmethod
    @functools.cache
    def mutants() -> list[Mutant]:
        return survey.all_mutants()

    def test_there_are_many_and_each_has_a_name_of_its_own(self) -> None:
        mutants = self.mutants()
        self.assertGreater(len(mutants), 1000)
        self.assertEqual(len({one.id for one in mutants}), len(mutants))
        classes = {one.operator for one in mutants}
        self.assertEqual(classes, set(EXPECTED))
        self.assertFalse([one for one in mutants if "reference/" in one.file])

    def test_faults_that_were_once_found_by_hand_are_among_them(self) -> None:
        found = {
            "a file without close-on-exec": ("core/src/descriptor.cc", "-flags | O_CLOEXEC", "+flags | O_NOCTTY"),
            "a symbolic link is followed": ("core/src/open_file.cc", "-O_NOFOLLOW |", "+access | O_NONBLOCK"),
            "a lock to the end": ("core/src/byte_locks.h", "-off_t length = 1", "+off_t length = 0"),
        }
        diffs = [(one.file, one.diff()) for one in self.mutants() if one.file in {file for file, *_ in found.values()}]
        for name, (file, *lines) in found.items():
            hits = [diff for path, diff in diffs if path == file and all(_has(diff, line) for line in lines)]
            self.assertTrue(hits, name)

    def test_the_explained_ones_are_there(self) -> None:
        self.assertEqual(explained.unknown(explained.read(), self.mutants()), [])

    def test_every_obligation_is_proved(self) -> None:
        self.assertEqual(sorted([*SHORT_PROOFS, LONG_PROOF]), sorted(OBLIGATIONS))

    def test_shards_are_all_and_apart(self) -> None:
        mutants = run.drawn(self.mutants())
        shards = [run.share(mutants, f"{index}/3") for index in (1, 2, 3)]
        self.assertEqual(sorted(one.id for part in shards for one in part), sorted(one.id for one in mutants))
        self.assertGreater(min(map(len, shards)), len(mutants) / 5)


def _has(diff: str, line: str) -> bool:
    """Whether a line with this sign has this text."""
    return any(one.startswith(line[0]) and line[1:] in one for one in diff.splitlines()[3:])


def mutant(number: int) -> Mutant:
    return Mutant("core/src/validate.cc", "f", "dropped", number, 1, (Edit(0, 0, " "),))


class FakeWorkshop:
    """Mutant n is killed by the engine "three" if 3 divides n, likewise "five"; 7 does not compile, 8 has the same
    code, 11 meets no engine, and its code is the same, too. `blind`: an engine whose oracle is switched off."""

    engines = ("three", "five")
    jobs = 1

    def __init__(self, blind: str = "") -> None:
        self.blind = blind
        self.asked: list[tuple[str, str]] = []

    def take(self, mutants: Sequence[Mutant]) -> list[Mutant]:
        return [one for one in mutants if one.number % 2]

    def code(self, one: Mutant) -> Verdict:
        return Verdict(SAME if one.number == 11 else SURVIVED, 0.5)

    def compile(self, one: Mutant) -> Verdict:
        self.asked.append((one.id, COMPILER))
        return Verdict({7: BROKEN, 8: SAME}.get(one.number, SURVIVED), 0.5)

    def attack(self, one: Mutant, engine: str) -> Verdict:
        self.asked.append((one.id, engine))
        if one.number == 11:
            return Verdict(UNREACHED, 0.5)
        if one.number % {"three": 3, "five": 5}[engine] == 0 and engine != self.blind:
            return Verdict(KILLED, 2.0, "P2 integrity", "a lease was lost")
        return Verdict(SURVIVED, 1.0)

    def restore(self) -> None:
        self.asked.append(("", "restored"))


def judged(
    path: pathlib.Path,
    numbers: Sequence[int],
    workshop: FakeWorkshop | None = None,
    why: dict[str, str] | None = None,
    first_kill: bool = False,
    state: str = "code",
) -> Any:
    """The document of a run."""
    result = results.Result("mutants", "hardened", duration_seconds=1.0, started=results.now())
    one = run.Run(workshop or FakeWorkshop(), Ledger(path, state, 1), why or {}, lambda _: first_kill, lambda _: None)
    one.judge([mutant(number) for number in numbers], lambda: True)
    one.finish(result, len(numbers))
    document = result.document()
    results.check(document)
    return document


def by_number(document: Any) -> dict[int, Any]:
    return {int(row["mutant"].rpartition(":")[2]): row for row in document["details"]["matrix"]}


KILLED_RUN = """\
import os, signal, sys
import mutants_test
class Dies(mutants_test.FakeWorkshop):
    def attack(self, one, engine):
        if len(self.asked) >= int(sys.argv[2]):
            with open(sys.argv[1], "a") as file:
                file.write('{"state": "co')
            os.kill(os.getpid(), signal.SIGKILL)
        return super().attack(one, engine)
mutants_test.judged(__import__("pathlib").Path(sys.argv[1]), range(1, 13), Dies())
"""


class RunTest(support.FolderTest):
    def test_the_fate_of_each(self) -> None:
        rows = by_number(judged(self.top / "lines", range(1, 16)))
        states = {number: row["status"] for number, row in rows.items()}
        killed = sorted(number for number, state in states.items() if state == KILLED)
        self.assertEqual(killed, [3, 5, 6, 9, 10, 12, 15])
        self.assertEqual((states[7], states[8], states[11], states[1]), (BROKEN, SAME, SAME, SURVIVED))
        self.assertEqual(rows[15]["by"], ["three", "five"])
        self.assertEqual((rows[5]["property"], rows[5]["title"]), ("P2 integrity", "a lease was lost"))

    def test_a_planted_survivor_is_noticed(self) -> None:
        numbers = [3, 5, 6, 15]
        clean = judged(self.top / "clean", numbers)
        self.assertEqual((clean["status"], clean["findings"]), ("clean", []))
        planted = judged(self.top / "planted", numbers, FakeWorkshop(blind="five"))
        self.assertEqual(planted["status"], "found")
        self.assertEqual([one["severity"] for one in planted["findings"]], ["vacuous"])
        self.assertIn(mutant(5).id, planted["findings"][0]["title"])
        self.assertIn(mutant(5).id, planted["findings"][0]["replay"])

    def test_an_explained_one_is_none_unless_it_is_killed(self) -> None:
        why = {mutant(1).id: "nobody reads it"}
        document = judged(self.top / "lines", [1, 3], why=why)
        self.assertEqual(document["status"], "clean")
        self.assertEqual(by_number(document)[1]["status"], EQUIVALENT)
        wrong = judged(self.top / "wrong", [1, 3], why={mutant(3).id: "nobody reads it"})
        self.assertEqual(len(wrong["findings"]), 2, "number 1 survives, number 3 is killed")

    def test_first_kill_asks_no_further(self) -> None:
        workshop = FakeWorkshop()
        rows = by_number(judged(self.top / "lines", [15], workshop, first_kill=True))
        self.assertEqual(rows[15]["by"], ["three"])
        self.assertFalse(rows[15]["all_engines"])
        self.assertNotIn((mutant(15).id, "five"), workshop.asked)

    def test_a_killed_run_goes_on_and_has_the_same_matrix(self) -> None:
        lines = self.top / "killed"
        for after in (4, 9, 2):
            words = [sys.executable, "-B", "-c", KILLED_RUN, str(lines), str(after)]
            places = f"{pathlib.Path(__file__).parent}:{support.SCRIPTS}"
            done = subprocess.run(words, env={**os.environ, "PYTHONPATH": places}, check=False)
            self.assertEqual(done.returncode, -signal.SIGKILL)
        workshop = FakeWorkshop()
        went_on = judged(lines, range(1, 13), workshop)
        alone = judged(self.top / "alone", range(1, 13))
        self.assertEqual(went_on["details"], alone["details"])
        self.assertEqual(went_on["findings"], alone["findings"])
        kept = map(json.loads, lines.read_text(encoding="utf-8").splitlines())
        asked = [(line["mutant"], line["engine"]) for line in kept]
        self.assertEqual(len(asked), len(set(asked)), "nothing was judged twice")
        self.assertLess(len(workshop.asked), len(asked), "the last run had the rest only")

    def test_other_code_is_judged_again(self) -> None:
        judged(self.top / "lines", [1, 2])
        workshop = FakeWorkshop()
        judged(self.top / "lines", [1, 2], workshop, state="other")
        self.assertIn((mutant(1).id, COMPILER), workshop.asked)

    def test_two_shards_merge_to_the_same_matrix(self) -> None:
        whole = judged(self.top / "whole", range(1, 31))
        parts = [run.share([mutant(number) for number in range(1, 31)], f"{index}/2") for index in (1, 2)]
        documents = [judged(self.top / f"{len(part)}", [one.number for one in part]) for part in parts]
        merged = merge.merge_documents(documents)
        self.assertEqual(by_number(merged), by_number(whole))
        self.assertEqual(merged["counts"], whole["counts"])
        self.assertEqual({f["title"] for f in merged["findings"]}, {f["title"] for f in whole["findings"]})


class MatrixTest(support.FolderTest):
    def test_by_class_and_by_engine(self) -> None:
        document = judged(self.top / "lines", range(1, 16))
        rows, engines = document["details"]["matrix"], document["details"]["engines"]
        total = matrix.by_class(rows)[-1]
        self.assertEqual((total.mutants, total.compiled, total.killed, total.survived), (15, 12, 7, 5))
        self.assertEqual(total.rate, 7 / 12)
        three, five = matrix.by_engine(rows, engines)
        self.assertEqual((three.met, three.killed, three.unique, three.compared), (12, 5, 4, 5))
        self.assertEqual((five.killed, five.unique, five.median), (3, 2, 2.0))
        self.assertEqual(matrix.redundant(rows, engines), [])

    def test_an_engine_without_a_kill_of_its_own(self) -> None:
        document = judged(self.top / "lines", [3, 15])
        self.assertEqual(matrix.redundant(document["details"]["matrix"], ("three", "five")), ["five"])

    def test_the_report_shows_it(self) -> None:
        from fsqlshm.report import page

        document = judged(self.top / "lines", range(1, 16))
        text = page.page(support.summary([document]))
        for expected in ("By class", "By engine", "Survivors", mutant(1).id, "P2 integrity", "✗ survived", "<td>three"):
            self.assertIn(expected, text)
        self.assertNotIn("is not as", text)


BUILD = """\
rule compile
  command = c++ -O1 -c $in -o $out
rule archive
  command = rm -f $out && ar rcs $out $in
rule link
  command = c++ $in -o $out
build core/a.o: compile ../../core/src/a.cc
build core/libfsqlshm.a: archive core/a.o
build fsqlshm: phony core/libfsqlshm.a
build core/other: link core/a.o
build other: phony core/other
"""
PROGRAM = """\
#include <cstdio>
#include <cstring>
int twice(int x) { return x + x; }
int main(int count, char** words) {
  if (count > 2 && !std::strcmp(words[2], "blind")) return 0;
  if (twice(21) == 42) return 0;
  if (twice(21) < 0) *(volatile int*)0 = 1;
  if (std::FILE* file = std::fopen(words[1], "w")) {
    std::fputs(FINDING, file);
    std::fclose(file);
  }
  return 1;
}
"""


@unittest.mock.patch("fsqlshm.mutants.workshop.LEAST_SECONDS", 3.0)
class TreeTest(support.FolderTest):
    """Real builds and programs, though small ones."""

    def tree(self, *options: str, program: str = PROGRAM) -> Tree:
        found = json.dumps(support.document(findings=[support.finding()]))
        source = program.replace("FINDING", json.dumps(found))
        root, folder = self.top / "root", self.top / "tree"
        (root / "core" / "src").mkdir(parents=True, exist_ok=True)
        (root / "core" / "src" / "a.cc").write_text(source, encoding="utf-8")
        (folder / "build" / "mutants").mkdir(parents=True, exist_ok=True)
        (folder / "build" / "mutants" / "build.ninja").write_text(BUILD, encoding="utf-8")
        part = Part(("{build}/core/other", "{json}", *options), ("other",), ("core/other",))
        tree = Tree(folder, Stopper(), [Engine("one", (part,))], root)
        tree.prepare({"core/src/a.cc": source.encode()})
        tree.check()
        return tree

    def change(self, tree: Tree, before: str, after: str) -> Mutant:
        text = (tree.root / "core" / "src" / "a.cc").read_text(encoding="utf-8")
        edit = Edit(text.index(before), text.index(before) + len(before), after)
        return Mutant("core/src/a.cc", "twice", "arithmetic", abs(hash(after)), 1, (edit,))

    def verdicts(self, tree: Tree, before: str, after: str) -> tuple[str, Verdict]:
        one = self.change(tree, before, after)
        compiled = tree.compile(one)
        return compiled.outcome, tree.attack(one, "one")

    def test_verdicts_of_real_programs(self) -> None:
        tree = self.tree()
        wrong, verdict = self.verdicts(tree, "x + x", "x + x + 1")
        self.assertEqual((wrong, verdict.outcome), (SURVIVED, KILLED))
        self.assertEqual((verdict.property, verdict.title), ("P2 integrity", "a lease was lost"))
        self.assertEqual(tree.compile(self.change(tree, "x + x", "x + y")).outcome, BROKEN)
        self.assertEqual(tree.compile(self.change(tree, "x + x", "2 * x")).outcome, SAME)
        crash = self.verdicts(tree, "x + x", "-x")[1]
        self.assertEqual((crash.property, crash.title), ("no crash", f"dies of signal {signal.SIGSEGV.value}"))
        endless = self.verdicts(tree, "{ return x + x; }", "{ for (volatile int y = 0;;) y = x; }")[1]
        self.assertEqual((endless.outcome, endless.property), (KILLED, "end"))
        tree.restore()
        copy = tree.tree / "core" / "src" / "a.cc"
        self.assertEqual(copy.read_bytes(), (tree.root / "core" / "src" / "a.cc").read_bytes())

    def test_what_was_not_reached_in_time_is_no_kill(self) -> None:
        part = Part((), (), (), by_time=True)
        for severity, outcome in (("vacuous", SURVIVED), ("violation", KILLED)):
            files.write_json(self.top / "json", support.document(findings=[support.finding(severity=severity)]))
            self.assertEqual(verdict_of(part, 1, self.top / "json").outcome, outcome)
        files.write_json(self.top / "json", support.document(status="could_not_run", reason="no room"))
        self.assertEqual(verdict_of(part, 2, self.top / "json").title, "could not run: no room")

    def test_an_oracle_that_is_switched_off_leaves_a_survivor(self) -> None:
        self.assertEqual(self.verdicts(self.tree("blind"), "x + x", "x + x + 1")[1].outcome, SURVIVED)

    def test_an_input_that_fails_without_the_fault_is_no_kill(self) -> None:
        part = Part(("other", "facts"), (), (), "facts")
        tree, found = self.tree(), self.top / "crash-1"
        found.write_bytes(b"x")
        self.assertFalse(tree._fails_without(part, found), "it is not kept")
        tree.original.mkdir(exist_ok=True)
        for status in (0, 1):
            (tree.original / "other").write_text(f"#!/bin/sh\nexit {status}\n", encoding="utf-8")
            (tree.original / "other").chmod(0o755)
            self.assertEqual(tree._fails_without(part, found), status != 0)

    def test_an_engine_that_finds_something_without_a_fault_could_not_run(self) -> None:
        wrong = PROGRAM.replace("return x + x;", "return x;")
        with self.assertRaisesRegex(results.CouldNotRun, "one complains of the library without a mutant: P2"):
            self.tree(program=wrong)


if __name__ == "__main__":
    unittest.main()
