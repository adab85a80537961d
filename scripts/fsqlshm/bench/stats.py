"""Medians, the Mann-Whitney test, how much of a difference is noise, and how times grow."""

import functools
import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np

# With at most so many ways to choose the one sample from both, those with ties are compared with all of them.
MOST_WAYS = 200_000
# With at most so many values in all the distribution without ties is computed; beyond, the normal one is close.
EXACT_LIMIT = 40
# No machine is believed to be quieter than this.
NOISE_FLOOR = 0.02

median = statistics.median


class Spread(TypedDict):
    """Of a ratio over the rounds."""

    median: float
    min: float
    max: float


class Growth(TypedDict):
    """Time over n: the best of the usual curves, by least squares, and its root mean square error over the mean."""

    big_o: str
    coefficient_ns: float
    rms: float


@functools.cache
def _choices(size: int, total: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return np.array(list(itertools.combinations(range(total), size)))


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """(U of a, two-sided p that `a` and `b` come from the same distribution); Mann and Whitney 1947.

    Scipy's exact test assumes that no two values are equal, and its approximation is too coarse for nine rounds and
    hundreds of comparisons. So with ties p is taken from all permutations, as long as they are few enough.
    """
    import scipy.stats  # here, because a campaign compares no runs and does without

    if not a or not b:
        raise ValueError("a sample is empty")
    both = [*a, *b]
    if len(set(both)) == len(both) or math.comb(len(both), len(a)) > MOST_WAYS:
        exact = len(set(both)) == len(both) <= EXACT_LIMIT
        test = scipy.stats.mannwhitneyu(a, b, method="exact" if exact else "asymptotic")
        return float(test.statistic), 1.0 if math.isnan(test.pvalue) else float(test.pvalue)
    ranks = scipy.stats.rankdata(both)
    centre = len(a) * (len(both) + 1) / 2
    seen = float(ranks[: len(a)].sum())
    distances = np.abs(ranks[_choices(len(a), len(both))].sum(axis=1) - centre)
    p = float(np.mean(distances >= abs(seen - centre) - 1e-9))
    return seen - len(a) * (len(a) + 1) / 2, p


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for there being many of them (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[i]))
        corrected[i] = highest
    return corrected


def noise(samples: Sequence[float]) -> float:
    """The relative difference that two halves of the same run show, by chance and by drift.

    The larger of: the first half of the run against the second, and what 95 of 100 random halves stay below. Halves
    have half the samples, so two whole runs differ by less unless the machine changed in between.
    """
    if len(samples) < 4:
        return math.inf
    if min(samples) <= 0:
        return NOISE_FLOOR
    half = len(samples) // 2
    orders = np.random.default_rng(1).permuted(np.tile(samples, (200, 1)), axis=1)
    orders = np.vstack([samples, orders])
    differences = np.abs(np.log(np.median(orders[:, :half], axis=1) / np.median(orders[:, half:], axis=1)))
    return max(NOISE_FLOOR, math.expm1(max(differences[0], float(np.quantile(differences[1:], 0.95)))))


def ratio_per_round(a: Sequence[float], b: Sequence[float]) -> Spread | None:
    """Of a[i] / b[i]: both were measured in round i."""
    ratios = [x / y for x, y in zip(a, b) if y > 0]
    return {"median": median(ratios), "min": min(ratios), "max": max(ratios)} if ratios else None


_CURVES: dict[str, Callable[[float], float]] = {
    "1": lambda n: 1,
    "log N": math.log2,
    "N": lambda n: n,
    "N log N": lambda n: n * math.log2(n),
    "N^2": lambda n: n**2,
    "N^3": lambda n: n**3,
}


def growth(points: Mapping[int, float]) -> Growth:
    """As Google Benchmark fits it, over the medians of all rounds. Its own crashes if no run of a family succeeds."""

    def fit(big_o: str) -> Growth:
        x = np.array([_CURVES[big_o](n) for n in points])
        y = np.array(list(points.values()))
        coefficient = float(x @ y / (x @ x))
        rms = math.sqrt(np.mean((y - coefficient * x) ** 2)) / float(np.mean(y))
        return {"big_o": big_o, "coefficient_ns": coefficient, "rms": rms}

    return min((fit(big_o) for big_o in _CURVES), key=lambda growth: growth["rms"])
