"""Many mutants in one build: a program with one of them chosen is what it is with that one alone."""

import itertools
import json
import pathlib
import unittest
import unittest.mock
from collections.abc import Sequence
from typing import Any

import support

from fsqlshm import results
from fsqlshm.mutants import run, survey, weave
from fsqlshm.mutants.attacks import Engine, Part
from fsqlshm.mutants.judge import Workshop
from fsqlshm.mutants.ledger import BROKEN, KILLED, SAME, SURVIVED, UNREACHED, Ledger
from fsqlshm.mutants.mutant import Mutant
from fsqlshm.mutants.schemata import Schemata
from fsqlshm.mutants.workshop import Tree
from fsqlshm.processes import Stopper

BUILD = """\
rule compile
  command = clang++-19 -std=c++23 -O1 -w -I../../core/include -c $in -o $out -MD -MF $out.d
  depfile = $out.d
rule archive
  command = rm -f $out && ar rcs $out $in
rule link
  command = clang++-19 $in -o $out
build core/a.o: compile ../../core/src/a.cc
build core/main.o: compile ../../main.cc
build core/libfsqlshm.a: archive core/a.o
build fsqlshm: phony core/libfsqlshm.a
build core/program: link core/main.o core/a.o
build program: phony core/program
"""
LIBRARY = """\
#include "a.h"

Window::Window(int first) : first_(first), last_(first + 9) {
  if (first < 0) first_ = 0;
}
bool Window::has(int x) const noexcept { return first_ <= x && x <= last_; }
int Window::seen() { static int times = 0; return ++times; }
void halve(int* x) {
  if (x == nullptr) return;
  *x = *x / 2;
}
int unused(int x) { return x + 1; }
int days(int month, bool leap) {
  if (month < 1 || month > 12) return 0;
  if (month == 2) return leap ? 29 : 28;
  const bool is_short = month == 4 || month == 6 || month == 9 || month == 11;
  return 31 - (is_short ? 1 : 0);
}
static_assert(twice(2) == 4);
"""
HEADER = """\
#pragma once
class Window {
 public:
  explicit Window(int first);
  bool has(int x) const noexcept;
  static int seen();
 private:
  int first_, last_;
};
void halve(int* x);
int unused(int x);
int days(int month, bool leap);
constexpr int twice(int x) { return x + x; }
inline int kLimit = 7;
inline auto clipped(int x) {
  const auto above = [&](int limit) { return x > limit; };
  return above(kLimit) ? kLimit : x;
}
template <class T> T sum(const T* begin, const T* end) {
  T all{};
  for (; begin != end; ++begin) all += *begin;
  return all;
}
"""
PROGRAM = """\
#include "a.h"
#include <cstdio>
#include <cstring>
int main(int count, char** words) {
  if (count > 2 && !std::strcmp(words[2], "blind")) return 0;
  const int three[] = {1, 2, 3};
  int nine = 9;
  halve(&nine);
  int year = 0;
  for (int month = 0; month < 14; ++month) year = year * 3 + days(month, month == 2);
  const bool good = year == 24335706 &&
                    Window(3).has(3) && Window(3).has(12) && !Window(3).has(13) && !Window(3).has(2) &&
                    Window::seen() == 1 && Window::seen() == 2 && nine == 4 && clipped(8) == 7 && clipped(2) == 2 &&
                    sum(three, three + 3) == 6 && twice(3) == 6;
  if (good) return 0;
  if (std::FILE* file = std::fopen(words[1], "w")) {
    std::fputs(FINDING, file);
    std::fclose(file);
  }
  return 1;
}
"""
FILES = {"core/src/a.cc": LIBRARY, "core/include/a.h": HEADER}


@unittest.mock.patch("fsqlshm.mutants.workshop.LEAST_SECONDS", 5.0)
class SchemataTest(support.FolderTest):
    """Real builds and programs, though small ones."""

    def setUp(self) -> None:
        super().setUp()
        found = json.dumps(support.document(findings=[support.finding()]))
        texts = FILES | {"main.cc": PROGRAM.replace("FINDING", json.dumps(found))}
        self.root = self.top / "root"
        for name, text in texts.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text, encoding="utf-8")
        self.texts = {name: text.encode() for name, text in texts.items()}
        self.mutants = survey.all_mutants(self.root)

    def tree(self, name: str, *options: str) -> Tree:
        self.add_build(name)
        part = Part(("{build}/core/program", "{json}", *options), ("program",), ("core/program",))
        tree = Tree(self.top / name, Stopper(), [Engine("one", (part,))], self.root)
        tree.prepare(self.texts)
        return tree

    def add_build(self, name: str) -> None:
        place = self.top / name / "build" / "mutants" / "build.ninja"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.write_text(BUILD, encoding="utf-8")

    def schemata(self, *options: str) -> Schemata:
        self.add_build("many")
        return Schemata(self.top / "many", self.tree("alone", *options), self.texts, jobs=2)

    def ids(self, end: str) -> list[Mutant]:
        return [one for one in self.mutants if end in one.id]

    def test_it_agrees_with_single_builds(self) -> None:
        many, alone = self.schemata(), self.tree("single")
        alone.check()
        built_alone = many.take(self.mutants)
        self.assertGreater(len(self.mutants) - len(built_alone), 30)
        shops: tuple[Workshop, ...] = (many, alone)
        outcomes: dict[str, int] = {}
        for one in self.mutants:
            verdicts = [shop.attack(one, "one") for shop in shops if shop.compile(one).outcome != BROKEN]
            kinds = [v.outcome.replace(UNREACHED, SURVIVED) for v in verdicts]
            self.assertIn(len(verdicts), (0, 2), f"both compile {one.id}, or none does")
            self.assertEqual(len(set(kinds)), len(kinds[:1]), f"{one.id}\n{one.diff(self.root)}")
            self.assertEqual(len({v.property for v in verdicts}), len(verdicts[:1]), one.id)
            for kind in kinds[:1]:
                outcomes[kind] = outcomes.get(kind, 0) + 1
        self.assertGreater(outcomes[KILLED], 20)
        self.assertGreater(outcomes[SURVIVED], 2)

    def test_what_is_built_alone(self) -> None:
        many = self.schemata()
        with unittest.mock.patch.object(many.alone, "build", wraps=many.alone.build) as build:
            alone = {one.id for one in many.take(self.mutants)}
            expected = [
                "a.h:twice:",
                "a.h:kLimit:constant:1",
                "a.cc:Window::Window:constant:1",
                "a.h:clipped:returned:1",
            ]
            for end in expected:  # constant expressions, what is in no body, what does not compile
                self.assertTrue(self.ids(end), end)
                self.assertLessEqual({one.id for one in self.ids(end)}, alone, end)
            for one in self.mutants:
                if one.id not in alone:
                    many.compile(one)
                    many.attack(one, "one")
            build.assert_not_called()
        broken = self.ids("a.h:clipped:returned:1")[0]
        self.assertEqual((many.compile(broken).outcome, many.attack(broken, "one").outcome), (BROKEN, BROKEN))
        self.assertEqual(many.attack(self.ids("a.h:kLimit:constant:1")[0], "one").outcome, KILLED)

    def test_what_no_program_enters_is_unreached_and_survives_if_it_is_run(self) -> None:
        many = self.schemata()
        many.take(self.mutants)
        unused, halve = self.ids("a.cc:unused:"), self.ids("a.cc:halve:returned:1")[0]
        for run_anyway, runs in ((10**30, 0), (1, 1)):
            with unittest.mock.patch("fsqlshm.mutants.schemata.RUN_ANYWAY", run_anyway):
                for one in unused:
                    with unittest.mock.patch.object(many.many, "run", wraps=many.many.run) as attack:
                        self.assertEqual(many.attack(one, "one").outcome, UNREACHED)
                    self.assertEqual(attack.call_count, runs)
        self.assertEqual(many.attack(halve, "one").outcome, KILLED)
        # A wrong record of what is reached.
        many.batch["reached"] = {name: [] for name in many.batch["reached"]}
        self.assertEqual(many.attack(halve, "one").outcome, UNREACHED)
        with unittest.mock.patch("fsqlshm.mutants.schemata.RUN_ANYWAY", 1):
            with self.assertRaisesRegex(results.CouldNotRun, "kills .*halve.* which it does not reach"):
                many.attack(halve, "one")

    def test_the_same_code_is_seen(self) -> None:
        text = LIBRARY.replace("*x = *x / 2;", "int a = 1; int b = 2; *x = *x / 2 + a + b - 3;")
        (self.root / "core/src/a.cc").write_text(text, encoding="utf-8")
        self.texts["core/src/a.cc"] = text.encode()
        self.mutants = survey.all_mutants(self.root)
        moved, unused = self.ids("a.cc:halve:moved:1")[0], self.ids("a.cc:unused:constant:1")[0]
        rows = {row["mutant"]: row["status"] for row in self.judged([moved, unused])["details"]["matrix"]}
        self.assertEqual(rows, {moved.id: SAME, unused.id: SURVIVED})

    def judged(self, mutants: Sequence[Mutant], *options: str) -> Any:
        """The document of a run."""
        result = results.Result("mutants", "hardened", duration_seconds=1.0, started=results.now())
        ledger = Ledger(self.top / f"lines{options}", "code", 1)
        with unittest.mock.patch("fsqlshm.mutants.mutant.ROOT", self.root):
            one = run.Run(self.schemata(*options), ledger, {}, lambda _: False, lambda _: None)
            one.judge(mutants, lambda: True)
            with unittest.mock.patch.object(Mutant, "diff", lambda one: one.id):
                one.finish(result, len(mutants))
        document = result.document()
        results.check(document)
        return document

    def test_a_planted_survivor_is_noticed(self) -> None:
        mutants = self.ids("a.cc:Window::has:comparison:")
        self.assertEqual(self.judged(mutants)["status"], "clean")
        planted = self.judged(mutants, "blind")
        self.assertEqual((planted["status"], len(planted["findings"])), ("found", len(mutants)))

    def test_a_run_that_goes_on_builds_and_judges_nothing_twice(self) -> None:
        mutants = self.ids("a.cc:")
        ledger = Ledger(self.top / "lines", "code", 1)
        steps = itertools.count()
        first = run.Run(self.schemata(), ledger, {}, lambda _: False, lambda _: None)
        first.judge(mutants, lambda: next(steps) < len(mutants) // 2)
        done = {name for name, verdicts in ledger.verdicts.items() if "one" in verdicts}
        self.assertTrue(done and len(done) < len(mutants))
        program = self.top / "many" / "build" / "mutants" / "core" / "program"
        built, many = program.stat().st_mtime_ns, self.schemata()
        with unittest.mock.patch.object(many, "attack", wraps=many.attack) as attack:
            second = run.Run(many, Ledger(self.top / "lines", "code", 1), {}, lambda _: False, lambda _: None)
            second.judge(mutants, lambda: True)
        self.assertFalse(done & {call.args[0].id for call in attack.call_args_list})
        self.assertEqual(program.stat().st_mtime_ns, built)
        whole = run.Run(self.schemata(), Ledger(self.top / "whole", "code", 1), {}, lambda _: False, lambda _: None)
        whole.judge(mutants, lambda: True)
        self.assertEqual(*({one.mutant.id: one.status for one in each.fates} for each in (second, whole)))

    def test_an_engine_that_finds_something_without_a_fault_could_not_run(self) -> None:
        wrong = LIBRARY.replace("*x / 2", "*x / 3")
        (self.root / "core/src/a.cc").write_text(wrong, encoding="utf-8")
        self.texts["core/src/a.cc"] = wrong.encode()
        with self.assertRaisesRegex(results.CouldNotRun, "one complains of the library without a mutant: P2"):
            self.schemata().take(survey.all_mutants(self.root))


class BlameTest(unittest.TestCase):
    LOG = """\
../../core/a.cc:3:1: error: a copy is wrong
../../core/b.cc:9:1: note: which another one uses
/usr/include/x.h:7:1: warning: not an error
../../core/a.cc:4:1: note: and its note
../../c.cc:1:2: error: not a constant
../../core/b.cc:9:2: note: called in this copy
../../core/a.cc:1:3: note: a variable is read
../../c.cc:5:1: error: nobody's
"""

    def test_the_first_place_counts_unless_a_constant_is_needed(self) -> None:
        def place(*ids: str, is_head: bool = False) -> weave.Place:
            return weave.Place(frozenset(ids), is_head)

        lines = {"core/a.cc": {1: place("h", "i", is_head=True), 3: place("x"), 4: place("y")}}
        lines["core/b.cc"] = {9: place("z")}
        found = weave.Woven({}, {}, {}, lines)
        tree = pathlib.Path("/tree")
        self.assertEqual(weave.to_blame(self.LOG, tree / "build" / "mutants", tree, found), {"x", "h", "i"})


if __name__ == "__main__":
    unittest.main()
