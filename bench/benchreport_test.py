"""The comparison logic on made-up runs, and the statistics on known values."""

import copy
import itertools
import json
import math
import pathlib
import random
import tempfile
import unittest

from fsqlshm.bench import claims, compare, run, stats


def brute_force(a, b):
    """The two-sided permutation p of the rank sum, from the definition."""
    everything = list(a) + list(b)
    ranks = {}
    for value in everything:
        below = sum(v < value for v in everything)
        equal = sum(v == value for v in everything)
        ranks[value] = below + (equal + 1) / 2
    mean = len(a) * (len(everything) + 1) / 2
    seen = abs(sum(ranks[v] for v in a) - mean)
    sums = [
        abs(sum(ranks[everything[i]] for i in chosen) - mean)
        for chosen in itertools.combinations(range(len(everything)), len(a))
    ]
    return sum(s >= seen - 1e-9 for s in sums) / len(sums)


class MannWhitney(unittest.TestCase):
    def test_a_published_example(self):
        # The ages in scipy.stats.mannwhitneyu's documentation: U = 17, exact p = 1/9.
        u, p = stats.mann_whitney([19, 22, 16, 29, 24], [20, 11, 17, 12])
        self.assertEqual(u, 17)
        self.assertAlmostEqual(p, 1 / 9, places=12)

    def test_the_normal_approximation_of_that_example(self):
        limit, stats.EXACT_LIMIT = stats.EXACT_LIMIT, 0
        try:
            _, p = stats.mann_whitney([19, 22, 16, 29, 24], [20, 11, 17, 12])
        finally:
            stats.EXACT_LIMIT = limit
        self.assertAlmostEqual(p, 0.11134688653314041, places=12)

    def test_critical_values_of_the_tables(self):
        # Two-sided 5 %: n = m = 9 rejects at U <= 17, n = m = 5 at U <= 2.
        for size, critical in ((9, 17), (5, 2)):
            sums = stats._rank_sums(tuple(range(2, 4 * size + 1, 2)), size)
            def p_of(u):
                least = size * (size + 1) // 2
                below = sum(c for s, c in sums.items() if s / 2 - least <= u)
                return 2 * below / math.comb(2 * size, size)
            self.assertLessEqual(p_of(critical), 0.05)
            self.assertGreater(p_of(critical + 1), 0.05)

    def test_against_the_definition_with_and_without_ties(self):
        generator = random.Random(3)
        for span in (3, 6, 1000):
            for _ in range(30):
                a = [generator.randrange(span) for _ in range(generator.randint(1, 6))]
                b = [generator.randrange(span) for _ in range(generator.randint(1, 6))]
                self.assertAlmostEqual(stats.mann_whitney(a, b)[1], brute_force(a, b), places=12)

    def test_extremes(self):
        self.assertEqual(stats.mann_whitney([1] * 9, [1] * 9)[1], 1)
        self.assertAlmostEqual(
            stats.mann_whitney(range(9), range(9, 18))[1], 2 / math.comb(18, 9), places=15
        )
        self.assertEqual(stats.mann_whitney([1] * 50, [1] * 50)[1], 1)
        with self.assertRaises(ValueError):
            stats.mann_whitney([], [1])


class Corrections(unittest.TestCase):
    def test_holm(self):
        got = stats.holm([0.01, 0.04, 0.03, 0.005])
        for value, want in zip(got, (0.03, 0.06, 0.06, 0.02)):
            self.assertAlmostEqual(value, want)

    def test_noise_has_a_floor_and_sees_drift(self):
        self.assertEqual(stats.noise([1.0] * 9), stats.NOISE_FLOOR)
        self.assertGreater(stats.noise([1, 1, 1, 1, 1.3, 1.3, 1.3, 1.3, 1.3]), 0.25)
        self.assertEqual(stats.noise([1.0, 2.0]), math.inf)


def made_up(scale=None, seed=1, rounds=9, spread=0.01):
    """A run with three operations of ours and one control; `scale` slows some of them."""
    generator = random.Random(seed)
    document = run.new_document("release", {"filter": "."})
    document["context"].update(rounds=rounds, compiler="test")
    for name, ns in (
        ("read/uncontended/hardened", 0.3), ("publish/hardened", 0.6), ("header/open_owned", 6.0),
        ("read/uncontended/std_mutex", 11.0),
    ):
        factor = (scale or {}).get(name, 1)
        document["benchmarks"][name] = {
            "clock": "cpu", "racy": False, "counters": {},
            "ns": [ns * factor * (1 + generator.uniform(-spread, spread)) for _ in range(rounds)],
        }
    return document


def verdicts(old, new):
    return {row["name"]: row["verdict"] for row in compare.compare(old, new)}


class Comparison(unittest.TestCase):
    def test_says_slower_faster_and_no_difference(self):
        old = made_up(seed=1)
        new = made_up({"read/uncontended/hardened": 1.2, "publish/hardened": 0.8}, seed=2)
        self.assertEqual(verdicts(old, new), {
            "read/uncontended/hardened": "slower",
            "publish/hardened": "faster",
            "header/open_owned": "no difference",
            "read/uncontended/std_mutex": "no difference",
        })
        self.assertEqual(
            [r["name"] for r in compare.slower(compare.compare(old, new))],
            ["read/uncontended/hardened"],
        )
        # And the other way round.
        self.assertEqual(verdicts(new, old)["read/uncontended/hardened"], "faster")
        self.assertEqual(verdicts(new, old)["publish/hardened"], "slower")

    def test_a_run_does_not_differ_from_another_of_the_same(self):
        for seed in range(20):
            got = set(verdicts(made_up(seed=2 * seed), made_up(seed=2 * seed + 1)).values())
            self.assertEqual(got, {"no difference"})

    def test_a_difference_below_the_noise_is_none(self):
        # Certain (the samples do not overlap), but under the floor of 2 %.
        old, new = made_up(spread=0.001), made_up({"publish/hardened": 1.01}, spread=0.001)
        row = next(r for r in compare.compare(old, new) if r["name"] == "publish/hardened")
        self.assertLess(row["p_corrected"], 0.05)
        self.assertEqual(row["verdict"], "no difference")
        # Large, but the runs themselves are wilder than that.
        old, new = made_up(seed=1, spread=0.5), made_up({"publish/hardened": 1.3}, 2, spread=0.5)
        self.assertEqual(verdicts(old, new)["publish/hardened"], "no difference")

    def test_a_slower_control_is_no_slow_down_of_ours_but_a_warning(self):
        old, new = made_up(seed=1), made_up({"read/uncontended/std_mutex": 1.5}, seed=2)
        rows = compare.compare(old, new)
        self.assertEqual(compare.slower(rows), [])
        self.assertIn("CAREFUL: 1 controls", compare.text(rows))

    def test_too_few_rounds_are_not_compared(self):
        self.assertEqual(compare.compare(made_up(rounds=8), made_up(rounds=9)), [])

    def test_other_machine_or_compiler_is_said(self):
        old, new = made_up(), made_up()
        self.assertEqual(compare.differences_of_context(old, new), [])
        new["context"]["compiler"] = "another"
        self.assertIn("compiler differs", compare.differences_of_context(old, new)[0])

    def test_tails_are_compared_too(self):
        old = made_up()
        old["tails"] = [{
            "subject": "hardened", "rate": "100k", "where": "thread", "racy": False,
            "runs": [{"ns": {"p50": 20 + i % 2, "p99.9": 180 + i}} for i in range(9)],
        }]
        new = copy.deepcopy(old)
        for each in new["tails"][0]["runs"]:
            each["ns"]["p99.9"] *= 2
        got = verdicts(old, new)
        self.assertEqual(got["tails/thread/100k/hardened/p99.9"], "slower")
        self.assertEqual(got["tails/thread/100k/hardened/p50"], "no difference")


class Documents(unittest.TestCase):
    def test_saved_and_loaded_again(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "new" / "run.json"
            document = made_up()
            run.save(document, path)
            loaded = run.load(path)
            self.assertEqual(list(loaded), list(document))
            for name, entry in document["benchmarks"].items():
                for a, b in zip(entry["ns"], loaded["benchmarks"][name]["ns"]):
                    self.assertAlmostEqual(a / b, 1, places=5)

    def test_what_is_no_run_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "x.json"
            for text in ("", "[]", "{}", json.dumps({"schema": "other"})):
                path.write_text(text, encoding="utf-8")
                with self.assertRaises(run.CouldNotRun):
                    run.load(path)
            with self.assertRaises(run.CouldNotRun):
                run.load(path.with_name("missing.json"))


class Claims(unittest.TestCase):
    def test_ratios_are_taken_within_rounds(self):
        document = made_up()
        # The machine's speed changes tenfold between rounds; the ratio does not.
        speeds = [1, 10, 1, 10, 1, 10, 1, 10, 1]
        for name, ns in (("read/uncontended/hardened", 1.1), ("read/uncontended/plain_5", 1.0)):
            document["benchmarks"][name] = {
                "clock": "cpu", "racy": False, "counters": {}, "ns": [ns * s for s in speeds],
            }
        ratio = claims.ratios(document)[0]
        self.assertAlmostEqual(ratio["min"], 1.1)
        self.assertAlmostEqual(ratio["max"], 1.1)
        self.assertTrue(ratio["kept"])
        for i in range(9):
            document["benchmarks"]["read/uncontended/hardened"]["ns"][i] *= 1.1
        self.assertFalse(claims.ratios(document)[0]["kept"])


if __name__ == "__main__":
    unittest.main()
