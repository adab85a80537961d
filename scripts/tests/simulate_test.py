"""What scripts/simulate predicts, on searches whose schedule is known."""

import re
import subprocess
import unittest
from typing import Any

import support

from fsqlshm import ROOT, files, simulate
from fsqlshm.simulate import Costs, predict, schedule

FREE = Costs(build=0, longest=0, piece=0, scenario=0, merge=0)


def search(engine: str, *scenarios: tuple[float, int], kind: str = "full") -> dict[str, Any]:
    rows = [{"name": str(i), "seconds": seconds, "executions": e} for i, (seconds, e) in enumerate(scenarios)]
    document: dict[str, Any] = support.document(engine=engine)
    return document | {"details": {"scenarios": rows, "search": kind}, "budget": {}}


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [str(word) for word in (ROOT / "scripts" / "simulate", *words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class SimulateTest(support.FolderTest):
    def test_a_free_job_takes_the_next_piece(self) -> None:
        self.assertEqual(schedule([3, 1, 1, 2], 1), 7)
        self.assertEqual(schedule([3, 1, 1, 2], 2), 4)  # 3 beside 1, 1, 2
        self.assertEqual(schedule([1, 1, 1, 9], 2), 10)
        self.assertEqual(schedule([], 4), 0)

    def test_a_long_search_has_parts_where_the_engine_has_them(self) -> None:
        long = (32.0, 32_000)
        self.assertEqual(predict([search("step", long)], 8, 1, FREE).search, 32)
        # 5,000 executions are 5 s; then two rounds of eight parts, 2 s each.
        self.assertEqual(predict([search("rc11", long)], 8, 1, FREE).search, 5 + 4)
        self.assertEqual(predict([search("rc11", (32.0, 5000))], 8, 1, FREE).search, 32)
        # One that ends by its budget has none.
        self.assertEqual(predict([search("relacy", long, kind="random")], 8, 1, FREE).search, 32)
        self.assertEqual(predict([search("rc11", long) | {"budget": {"seconds": 60}}], 8, 1, FREE).search, 32)

    def test_a_process_costs_something_where_there_are_several(self) -> None:
        costs = Costs(build=0, longest=0, piece=1, scenario=0, merge=0)
        one = search("step", (4.0, 10), (4.0, 10))
        self.assertEqual(predict([one], 1, 1, costs).search, 8)
        self.assertEqual(predict([one], 2, 1, costs).search, 5)

    def test_machines_share_every_scenario_build_each_for_itself_and_are_merged(self) -> None:
        costs = Costs(build=100, longest=30, piece=0, scenario=1, merge=2)
        one = predict([search("step", (20.0, 10), (20.0, 10))], 2, 10, costs)
        self.assertEqual((one.build, one.search, one.merge), (50, 3, 20))
        self.assertEqual(predict([], 64, 1, costs).build, 30)
        self.assertEqual(predict([], 64, 1, costs).merge, 0)

    def test_the_pieces_are_those_of_the_explorers(self) -> None:
        text = (ROOT / "harness" / "scenarios" / "exploration.cc").read_text(encoding="utf-8")
        found = dict(re.findall(r"constexpr std::uint64_t (kShort|kParts) = (\d+);", text))
        self.assertEqual(found, {"kShort": str(simulate.SHORT), "kParts": str(simulate.PARTS)})

    def test_a_document_of_something_else_is_refused(self) -> None:
        files.write_json(self.top / "other.json", support.document(engine="fuzz"))
        done = run(self.top / "other.json")
        self.assertEqual(done.returncode, 2)
        self.assertIn("is not of a search of scenarios", done.stderr)

    def test_a_prediction_is_compared_with_a_run(self) -> None:
        files.write_json(self.top / "one.json", search("step", (4.0, 10), (4.0, 10)) | {"duration_seconds": 8.0})
        files.write_json(self.top / "two.json", search("step", (4.0, 10), (4.0, 10)) | {"duration_seconds": 5.0})
        words = ["--piece", "0", "--jobs", "2", "--machines", "1", "--measured", f"2:{self.top / 'two.json'}"]
        done = run(self.top / "one.json", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("step, 2 jobs: predicted 4.0 s, measured 5.0 s, -20 %", done.stdout)
        # Of another search nothing is known.
        files.write_json(self.top / "two.json", search("step", (4.0, 10), kind="bounded"))
        done = run(self.top / "one.json", *words)
        self.assertEqual(done.returncode, 2)
        self.assertIn("is of a search that no other document is of", done.stderr)


if __name__ == "__main__":
    unittest.main()
