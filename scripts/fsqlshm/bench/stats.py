"""The Mann-Whitney test, how much of a difference is noise, and how times grow."""

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# With at most so many ways to choose the one sample from both, those with ties are compared with all of them.
MOST_WAYS = 200_000
# With at most so many values in all the distribution without ties is computed; beyond, the normal one is close.
EXACT_LIMIT = 40
# No machine is believed to be quieter than this.
NOISE_FLOOR = 0.02
CURVES: dict[str, Any] = {
    "1": np.ones_like,
    "log N": np.log2,
    "N": np.positive,
    "N log N": lambda n: n * np.log2(n),
    "N^2": np.square,
    "N^3": lambda n: n**3,
}


@functools.cache
def _choices(size: int, total: int) -> Any:
    return np.array(list(itertools.combinations(range(total), size)))


def mann_whitney(a: Sequence[float], b: Sequence[float]) -> float:
    """The two-sided p that `a` and `b` come from the same distribution; Mann and Whitney 1947.

    Scipy's exact test assumes that no two values are equal, and its approximation is too coarse for nine rounds and
    hundreds of comparisons. So with ties p is taken from all permutations, as long as they are few enough; scipy's
    own permutation test takes a second for each.
    """
    import scipy.stats  # here, because a campaign compares no runs and does without

    both = [*a, *b]
    ties = len(set(both)) < len(both)
    if ties and math.comb(len(both), len(a)) <= MOST_WAYS:
        ranks = scipy.stats.rankdata(both) - (len(both) + 1) / 2
        distances = np.abs(ranks[_choices(len(a), len(both))].sum(axis=1))
        return float(np.mean(distances >= abs(ranks[: len(a)].sum()) - 1e-9))
    exact = not ties and len(both) <= EXACT_LIMIT
    p = scipy.stats.mannwhitneyu(a, b, method="exact" if exact else "asymptotic").pvalue
    return 1.0 if math.isnan(p) else float(p)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for there being many of them (Holm 1979), in the order given."""
    p = np.array(p_values)
    order = np.argsort(p)
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(np.minimum(1, p[order] * np.arange(len(p), 0, -1)))
    return [float(one) for one in corrected]


def noise(samples: Sequence[float]) -> float:
    """The relative difference that two halves of the same run show, by chance and by drift.

    The larger of: the first half of the run against the second, and what 95 of 100 random halves stay below. Halves
    have half the samples, so two whole runs differ by less unless the machine changed in between.
    """
    if len(samples) < 4:
        return math.inf
    half = len(samples) // 2
    orders = np.random.default_rng(1).permuted(np.tile(samples, (200, 1)), axis=1)
    orders = np.vstack([samples, orders])
    differences = np.abs(np.log(np.median(orders[:, :half], axis=1) / np.median(orders[:, half:], axis=1)))
    return max(NOISE_FLOOR, math.expm1(max(differences[0], float(np.quantile(differences[1:], 0.95)))))


def growth(points: Mapping[int, float]) -> tuple[float, str, float]:
    """Time over n by the best of the usual curves, by least squares: the root mean square error over the mean, the
    curve, its coefficient. As Google Benchmark fits it, over the medians of all rounds; its own crashes if no run of a
    family succeeds."""
    n, y = (np.array(values, float) for values in zip(*points.items()))
    fits = []
    for name, curve in CURVES.items():
        x = curve(n)
        coefficient = float(x @ y / (x @ x))
        fits.append((float(np.sqrt(np.mean((y - coefficient * x) ** 2)) / np.mean(y)), name, coefficient))
    return min(fits)
