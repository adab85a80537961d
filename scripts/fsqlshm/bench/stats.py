"""Medians, the Mann-Whitney test, and how much of a difference is noise."""

import functools
import math
import random
import statistics

# With at most so many samples in all the test is exact; beyond, the normal approximation is good.
EXACT_LIMIT = 40
# No machine is believed to be quieter than this.
NOISE_FLOOR = 0.02


def median(values):
    return statistics.median(values)


def _doubled_midranks(values):
    """Twice the rank of each value, 1-based; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    ranks = [0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in range(start, end):
            ranks[order[place]] = start + 1 + end
        start = end
    return ranks


@functools.lru_cache(maxsize=None)
def _rank_sums(doubled, size):
    """How many of the ways to choose `size` of these ranks have which sum."""
    ways = [{} for _ in range(size + 1)]
    ways[0][0] = 1
    for rank in doubled:
        for chosen in range(size, 0, -1):
            for total, count in ways[chosen - 1].items():
                ways[chosen][total + rank] = ways[chosen].get(total + rank, 0) + count
    return ways[size]


def mann_whitney(a, b):
    """Two-sided p that `a` and `b` come from the same distribution (Mann and Whitney 1947).

    Exact up to EXACT_LIMIT samples, also with ties (the permutation distribution of the midranks);
    otherwise the normal approximation, corrected for ties and continuity.
    Returns (U of a, p).
    """
    n, m = len(a), len(b)
    if n == 0 or m == 0:
        raise ValueError("a sample is empty")
    doubled = _doubled_midranks(list(a) + list(b))
    u = sum(doubled[:n]) / 2 - n * (n + 1) / 2
    mean = n * m / 2
    if n + m <= EXACT_LIMIT:
        sums = _rank_sums(tuple(sorted(doubled)), n)
        # Doubled sums at least as far from their mean as the one seen.
        centre = n * (n + m + 1)
        distance = abs(sum(doubled[:n]) - centre)
        extreme = sum(count for total, count in sums.items() if abs(total - centre) >= distance)
        return u, extreme / math.comb(n + m, n)
    everything = sorted(list(a) + list(b))
    ties = sum(t**3 - t for t in (everything.count(v) for v in set(everything)))
    size = n + m
    variance = n * m / 12 * (size + 1 - ties / (size * (size - 1)))
    if variance == 0:
        return u, 1.0
    z = max(0.0, abs(u - mean) - 0.5) / math.sqrt(variance)
    return u, min(1.0, math.erfc(z / math.sqrt(2)))


def holm(p_values):
    """p values corrected for there being many of them (Holm 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[i]))
        corrected[i] = highest
    return corrected


def noise(samples):
    """The relative difference that two halves of the same run show, by chance and by drift.

    The larger of: the first half of the run against the second, and what 95 of 100 random halves
    stay below. Halves have half the samples, so two whole runs differ by less unless the machine
    changed in between.
    """
    if len(samples) < 4:
        return math.inf
    half = len(samples) // 2

    def difference(chosen):
        rest = [s for i, s in enumerate(samples) if i not in chosen]
        one = median([samples[i] for i in chosen])
        other = median(rest)
        return abs(math.log(one / other)) if one > 0 and other > 0 else 0.0

    generator = random.Random(1)
    drift = difference(set(range(half)))
    by_chance = sorted(
        difference(set(generator.sample(range(len(samples)), half))) for _ in range(200)
    )
    return max(NOISE_FLOOR, math.expm1(max(drift, by_chance[189])))


def ratio_per_round(a, b):
    """Median, smallest and largest of a[i] / b[i]: both were measured in round i."""
    ratios = [x / y for x, y in zip(a, b) if y > 0]
    if not ratios:
        return None
    return {"median": median(ratios), "min": min(ratios), "max": max(ratios)}
