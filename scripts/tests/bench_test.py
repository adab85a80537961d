#!/usr/bin/python3
"""The comparison of runs on made-up ones, and the statistics on known values."""

import copy
import itertools
import json
import math
import pathlib
import random
import subprocess
import tempfile
import unittest
from collections.abc import Mapping, Sequence
from typing import Any
from unittest import mock

from fsqlshm import ROOT, files
from fsqlshm.bench import compare, docs, measured, nights, peers, rounds, stats, tables
from fsqlshm.bench.measured import File, Measured
from fsqlshm.engines import bench
from fsqlshm.results import CouldNotRun, Result

COMPARE_PY = pathlib.Path("/usr/share/benchmark/compare.py")


def brute_force(a: Sequence[float], b: Sequence[float]) -> float:
    """The two-sided permutation p of the rank sum, from the definition."""
    everything = [*a, *b]
    ranks = {v: sum(w < v for w in everything) + (sum(w == v for w in everything) + 1) / 2 for v in everything}
    mean = len(a) * (len(everything) + 1) / 2
    seen = abs(sum(ranks[v] for v in a) - mean)
    sums = [
        abs(sum(ranks[everything[i]] for i in chosen) - mean)
        for chosen in itertools.combinations(range(len(everything)), len(a))
    ]
    return sum(s >= seen - 1e-9 for s in sums) / len(sums)


def with_u(u: int, size: int) -> tuple[list[int], list[int]]:
    """Two samples of that size without ties, the first with this U."""
    ranks = list(range(1, size + 1))
    for i in reversed(range(size)):
        up = min(u, size)
        ranks[i] += up
        u -= up
    return ranks, [rank for rank in range(1, 2 * size + 1) if rank not in ranks]


class MannWhitney(unittest.TestCase):
    def test_a_published_example(self) -> None:
        # The ages in scipy.stats.mannwhitneyu's documentation: exact p = 1/9.
        self.assertAlmostEqual(stats.mann_whitney([19, 22, 16, 29, 24], [20, 11, 17, 12]), 1 / 9, places=12)

    def test_the_normal_approximation_of_that_example(self) -> None:
        with mock.patch.object(stats, "EXACT_LIMIT", 0):
            p = stats.mann_whitney([19, 22, 16, 29, 24], [20, 11, 17, 12])
        self.assertAlmostEqual(p, 0.11134688653314041, places=12)

    def test_critical_values_of_the_tables(self) -> None:
        # Two-sided 5 %: n = m = 9 rejects at U <= 17, n = m = 5 at U <= 2.
        for size, critical in ((9, 17), (5, 2)):
            for u, rejected in ((critical, True), (critical + 1, False)):
                self.assertEqual(stats.mann_whitney(*with_u(u, size)) <= 0.05, rejected)

    def test_against_the_definition_with_and_without_ties(self) -> None:
        generator = random.Random(3)
        for span in (3, 6, 1000):
            for _ in range(30):
                a = [generator.randrange(span) for _ in range(generator.randint(1, 6))]
                b = [generator.randrange(span) for _ in range(generator.randint(1, 6))]
                self.assertAlmostEqual(stats.mann_whitney(a, b), brute_force(a, b), places=12)

    def test_extremes(self) -> None:
        self.assertEqual(stats.mann_whitney([1] * 9, [1] * 9), 1)
        self.assertAlmostEqual(stats.mann_whitney(range(9), range(9, 18)), 2 / math.comb(18, 9), places=15)
        self.assertAlmostEqual(stats.mann_whitney([1] * 9, [2] * 9), 2 / math.comb(18, 9), places=15)
        self.assertEqual(stats.mann_whitney([1] * 50, [1] * 50), 1)


class Corrections(unittest.TestCase):
    def test_holm(self) -> None:
        got = stats.holm([0.01, 0.04, 0.03, 0.005])
        for value, want in zip(got, (0.03, 0.06, 0.06, 0.02)):
            self.assertAlmostEqual(value, want)

    def test_noise_has_a_floor_and_sees_drift(self) -> None:
        self.assertEqual(stats.noise([1.0] * 9), stats.NOISE_FLOOR)
        self.assertGreater(stats.noise([1, 1, 1, 1, 1.3, 1.3, 1.3, 1.3, 1.3]), 0.25)
        # A slow drift, which random halves of the run hardly show.
        self.assertGreater(stats.noise([1 + 0.01 * i for i in range(40)]), 0.17)
        self.assertEqual(stats.noise([1.0, 2.0]), math.inf)

    def test_growth_is_told_from_the_times(self) -> None:
        for big_o, times in (
            ("1", {1: 5.0, 2: 5.1, 4: 4.9, 8: 5.0}),
            ("N", {1: 3.0, 2: 6.0, 4: 12.0, 8: 24.0}),
            ("log N", {1: 0.01, 2: 7.0, 4: 14.0, 8: 21.0}),
            ("N^2", {1: 2.0, 2: 8.0, 4: 32.0, 8: 128.0}),
        ):
            self.assertEqual(stats.growth(times)[1], big_o)
        self.assertAlmostEqual(stats.growth({1: 3.0, 2: 6.0, 4: 12.0})[2], 3)


def row(label: str, ns: float, **more: Any) -> dict[str, Any]:
    """A row as Google Benchmark writes it."""
    facts = dict(word.split("=") for word in label.split() if "=" in word)
    name = "/".join(value for fact, value in facts.items() if fact != "clock")
    name += "/real_time" if facts.get("clock") == "real" else ""
    times = {"iterations": 1000, "real_time": ns, "cpu_time": ns, "time_unit": "ns", "threads": 1}
    return {"name": name, "run_name": name, "run_type": "iteration", "repetitions": 1} | times | {"label": label} | more


OURS = "group=read/uncontended subject=hardened"
MUTEX = "group=read/uncontended subject=std_mutex control"
TAIL = "group=tail where=thread rate=100k subject=hardened clock=real"
OPERATIONS = {OURS: 0.3, "group=publish subject=hardened": 0.6, "group=header operation=open_owned": 6.0, MUTEX: 11.0}


def made_up_file(scale: Mapping[str, float] | None = None, seed: int = 1, count: int = 9, spread: float = 0.01) -> File:
    """A run with three operations of ours and one control; `scale` slows some of them."""
    generator = random.Random(seed)
    file = rounds.new_file("release", [])
    file["context"] |= {"compiler": "test", "build_type": "release", "cpus": "0,1", "pinned": "true"}
    file["context"] |= {"timer_ns_per_tick": "0.4", "host_name": "private"}
    file["context"]["fsqlshm"]["rounds"] = count
    for label, ns in OPERATIONS.items():
        for number in range(count):
            each = row(label, ns * (1 + generator.uniform(-spread, spread)), repetition_index=number)
            for time in ("real_time", "cpu_time"):
                each[time] *= (scale or {}).get(each["name"], 1)
            file["benchmarks"].append(each)
    return file


def made_up(scale: Mapping[str, float] | None = None, seed: int = 1, count: int = 9, spread: float = 0.01) -> Measured:
    return measured.gather(made_up_file(scale, seed, count, spread))


def verdicts(old: Measured, new: Measured) -> dict[str, str]:
    return {each.name: each.verdict for each in compare.compare(old, new)}


class Comparison(unittest.TestCase):
    def test_says_slower_faster_and_no_difference(self) -> None:
        old = made_up(seed=1)
        new = made_up({"read/uncontended/hardened": 1.2, "publish/hardened": 0.8}, seed=2)
        expected = {
            "read/uncontended/hardened": "slower",
            "publish/hardened": "faster",
            "header/open_owned": "no difference",
            "read/uncontended/std_mutex": "no difference",
        }
        self.assertEqual(verdicts(old, new), expected)
        slower = compare.slower(compare.compare(old, new))
        self.assertEqual([each.name for each in slower], ["read/uncontended/hardened"])
        # And the other way round.
        self.assertEqual(verdicts(new, old)["read/uncontended/hardened"], "faster")
        self.assertEqual(verdicts(new, old)["publish/hardened"], "slower")

    def test_a_run_does_not_differ_from_another_of_the_same(self) -> None:
        for seed in range(20):
            got = set(verdicts(made_up(seed=2 * seed), made_up(seed=2 * seed + 1)).values())
            self.assertEqual(got, {"no difference"})

    def test_a_difference_below_the_noise_is_none(self) -> None:
        # Certain (the samples do not overlap), but under the floor of 2 %.
        old, new = made_up(spread=0.001), made_up({"publish/hardened": 1.01}, spread=0.001)
        publish = next(r for r in compare.compare(old, new) if r.name == "publish/hardened")
        self.assertLess(publish.p, 0.05)
        self.assertEqual(publish.verdict, "no difference")
        # Large, but the runs themselves are wilder than that.
        old, new = made_up(seed=1, spread=0.5), made_up({"publish/hardened": 1.3}, 2, spread=0.5)
        self.assertEqual(verdicts(old, new)["publish/hardened"], "no difference")

    def test_a_slower_control_is_no_slow_down_of_ours_but_a_warning(self) -> None:
        old, new = made_up(seed=1), made_up({"read/uncontended/std_mutex": 1.5}, seed=2)
        rows = compare.compare(old, new)
        self.assertEqual(compare.slower(rows), [])
        self.assertIn("CAREFUL: 1 controls", compare.table(rows))

    def test_too_few_rounds_are_not_compared(self) -> None:
        self.assertEqual(compare.compare(made_up(count=8), made_up(count=9)), [])

    def test_other_machine_or_compiler_is_said(self) -> None:
        old, new = made_up(), made_up()
        self.assertEqual(compare.differences_of_context(old, new), [])
        new["context"]["compiler"] = "another"
        self.assertIn("compiler differs", compare.differences_of_context(old, new)[0])

    def test_tails_are_compared_too(self) -> None:
        old, new = made_up_file(), made_up_file()
        for file, scale in ((old, 1), (new, 2)):
            file["benchmarks"] += [row(TAIL, 1, **{"p50": 20 + i % 2, "p99.9": scale * (180 + i)}) for i in range(9)]
        got = verdicts(measured.gather(old), measured.gather(new))
        self.assertEqual(got["tail/thread/100k/hardened/p99.9"], "slower")
        self.assertEqual(got["tail/thread/100k/hardened/p50"], "no difference")

    def test_a_night_is_compared_with_the_last_one(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            one = Result("bench", "x", details={"measured": made_up(seed=1)}).document()
            other = Result("bench", "x", details={"measured": made_up({"publish/hardened": 1.5}, 2)}).document()
            summary = pathlib.Path(folder) / "summary.json"
            files.write_json(summary, {"results": [Result("bench", "y").document(), one]})
            nights.compare_with(summary.parent, [other])
            comparison = other["details"]["comparison"]
            self.assertEqual(comparison["with"], f"night {summary.parent.name}")
            self.assertEqual([(r["name"], r["verdict"]) for r in comparison["rows"]], [("publish/hardened", "slower")])
            figures = [nights.figures([night])["publish/hardened"] for night in (one, other)]
            self.assertGreater(figures[1], 1.3 * figures[0])
            for text in ("{}", '{"results": []}', "{"):
                summary.write_text(text, encoding="utf-8")
                nights.compare_with(summary.parent, [other])
                self.assertIn("nothing", other["details"]["comparison"]["with"])


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="fsqlshm-bench-test-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "new" / "run.json"

    def test_saved_and_loaded_again(self) -> None:
        file = made_up_file()
        file["benchmarks"].append(row(TAIL + " racy", 7, p50=1.5, time_unit="us"))
        measured.save(file, self.path)
        text = self.path.read_text(encoding="utf-8")
        self.assertNotIn("private", text)
        self.assertEqual(len(text.splitlines()), len(file["benchmarks"]) + 5)
        saved, loaded = measured.gather(file), measured.load(self.path)
        self.assertEqual(list(loaded["benchmarks"]), list(saved["benchmarks"]))
        for name, benchmark in saved["benchmarks"].items():
            for a, b in zip(benchmark["ns"], loaded["benchmarks"][name]["ns"], strict=True):
                self.assertAlmostEqual(a / b, 1, places=5)
        tail = loaded["benchmarks"]["tail/thread/100k/hardened"]
        self.assertEqual((tail["ns"], tail["clock"], tail["counters"]), ([7000.0], "real", {"p50": [1.5]}))
        self.assertTrue(tail["racy"] and not tail["control"])

    def test_google_benchmarks_own_tool_reads_them(self) -> None:
        measured.save(made_up_file(), self.path)
        value = json.loads(self.path.read_text(encoding="utf-8"))
        for each in value["benchmarks"]:
            # What compare.py asks of each row.
            self.assertLess({"name", "run_type", "real_time", "cpu_time", "time_unit", "repetition_index"}, set(each))
        if not COMPARE_PY.exists():
            self.skipTest(f"{COMPARE_PY} is not there (package libbenchmark-tools)")
        slower = self.path.with_name("slower.json")
        measured.save(made_up_file({"publish/hardened": 2}), slower)
        command = ["/usr/bin/python3", str(COMPARE_PY), "--no-color", "benchmarks", str(self.path), str(slower)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("publish/hardened_pvalue", done.stdout)
        self.assertIn("+1.0", done.stdout)

    def test_what_is_no_run_is_refused(self) -> None:
        self.path.parent.mkdir()
        unlabelled = json.dumps({"context": {}, "benchmarks": [row("", 1)]})
        for text in ("", "[]", "{}", json.dumps({"schema": "other"}), unlabelled):
            self.path.write_text(text, encoding="utf-8")
            with self.assertRaises(CouldNotRun):
                measured.load(self.path)
        with self.assertRaises(CouldNotRun):
            measured.load(self.path.with_name("missing.json"))

    def test_facts_are_not_taken_from_names(self) -> None:
        file = made_up_file()
        for each in file["benchmarks"]:
            each["name"] = each["run_name"] = "anything"
        self.assertEqual(measured.gather(file)["benchmarks"], made_up()["benchmarks"])


class Claims(unittest.TestCase):
    def test_ratios_are_taken_within_rounds(self) -> None:
        run = made_up()
        # The machine's speed changes tenfold between rounds; the ratio does not.
        speeds = [1, 10, 1, 10, 1, 10, 1, 10, 1]
        ours = run["benchmarks"]["read/uncontended/hardened"]
        loads = copy.deepcopy(ours)
        loads["ns"] = [1.0 * s for s in speeds]
        run["benchmarks"]["read/uncontended/plain_5"] = loads
        ours["ns"] = [1.1 * s for s in speeds]
        row = ["uncontended read / five plain loads", "1.100", "1.100", "1.100", "1.15, kept"]
        self.assertEqual(tables.ratio_table(run)[1], [row])
        ours["ns"] = [1.1 * ns for ns in ours["ns"]]
        self.assertEqual(tables.ratio_table(run)[1][0][-1], "1.15, missed")

    def test_a_call_costs_what_it_adds_to_the_inlined_operation(self) -> None:
        times = {"inlined subject=hardened": (1, 2), "pointer subject=hardened": (2, 4), "pointer subject=x.so": (6, 8)}
        file = made_up_file()
        for label, each in times.items():
            label = f"group=call operation=read call={label}"
            file["benchmarks"] += [row(label, ns, repetition_index=i) for i, ns in enumerate(each)]
        columns, rows = tables.calls(measured.gather(file))
        self.assertEqual(columns, ["operation", "inlined", "through C", "the call", "x.so", "x.so / ours"])
        self.assertEqual(rows, [["read", "1.5", "3", "1.5", "7", "2.50"]])
        self.assertEqual(tables.calls(made_up())[1], [])

    def test_the_kept_results_are_drawn_as_the_readme_has_them(self) -> None:
        readme = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
        for path in sorted((ROOT / "bench" / "results").glob("*.json")):
            self.assertTrue(docs.section(measured.load(path), f"results/{path.stem}.png") in readme, path)
        for path in (ROOT / "bench" / "results" / "calls").glob("*.json"):
            self.assertIn(docs.calls_section(measured.load(path), f"results/calls/{path.stem}.png"), readme)
            self.assertTrue(path.with_suffix(".png").exists())
        page = (ROOT / "bench" / "PEERS.md").read_text(encoding="utf-8")
        kept = sorted((ROOT / "bench" / "results" / "peers").glob("*.json"))
        self.assertTrue(peers.page(kept) in page)
        self.assertTrue(all(path.with_suffix(".png").exists() for path in kept))

    def test_a_peer_is_compared_with_ours_of_the_same_round(self) -> None:
        file = made_up_file(count=3)
        times = {
            "group=read/uncontended subject=slow control": (4, 40, 8),
            "group=read/uncontended subject=hardened": (2, 10, 4),
            "group=recovery subject=hardened_file clock=real": (10, 20, 30),
            "group=recovery subject=slow clock=real control": (20, 60, 60),
        }
        file["benchmarks"] = [row(label, ns) for label, each in times.items() for ns in each]
        rows = peers.main(measured.gather(file))[1]
        self.assertEqual([each[:2] for each in rows], [["hardened", "4"], ["slow", "8 (2)"]])
        self.assertEqual(rows[1][-1], "60 (2)")


class Judgement(unittest.TestCase):
    def judge(self, *rows: dict[str, Any]) -> Result:
        file = made_up_file()
        file["benchmarks"] += rows
        result = Result("bench", bench.SUBJECT)
        bench.fill(result, file)
        return result

    def test_a_wrong_result_is_found(self) -> None:
        result = self.judge(row(OURS, 0, error_occurred=True, error_message="torn triple at rest"))
        self.assertEqual(result.status, "found")
        self.assertEqual(result.findings[0]["title"], "read/uncontended/hardened: torn triple at rest")
        self.assertIn("'^read/uncontended/hardened$'", result.findings[0]["replay"])
        # It has no time.
        self.assertEqual(len(result.details["measured"]["benchmarks"]["read/uncontended/hardened"]["ns"]), 9)

    def test_a_check_for_torn_reads_that_could_not_see_one_is_vacuous(self) -> None:
        label = "group=tail where=thread rate=saturating subject=plain_3 clock=real racy control"

        def racy(reads: int, torn: int) -> dict[str, Any]:
            percentiles = {point: 1.0 for point in tables.TAIL_POINTS}
            return row(label, 1, reads=reads, torn=torn, **percentiles)

        enough = bench.ENOUGH_READS
        for rows, expected in (
            ([racy(enough, 0)], ["vacuous"]),
            ([racy(enough // 2, 0), racy(enough // 2, 0)], ["vacuous"]),
            ([racy(enough, 0), racy(enough, 1)], []),
            ([racy(enough - 1, 0)], []),
        ):
            result = self.judge(*rows)
            self.assertEqual([finding["severity"] for finding in result.findings], expected)
            self.assertEqual(result.counts["reads"], sum(each["reads"] for each in rows))
        self.assertEqual(self.judge(racy(enough, 3)).counts["torn_racy_reads"], 3)


if __name__ == "__main__":
    unittest.main()
