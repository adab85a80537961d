"""The ratios that matter, each with the bound it is meant to keep, from one run.

They are shown, never enforced: a figure on a busy machine is not a test.
"""

from typing import TypedDict, cast

from fsqlshm.bench import stats
from fsqlshm.bench.measured import Benchmark, Measured, pick

TAIL_POINTS = ("p50", "p90", "p99", "p99.9", "p99.99", "max")

# (what, numerator, denominator, bound): the first number must stay under `bound` times the second.
# None: stated, without a bound.
_READ, _OPEN, _HASH = "read/uncontended/hardened", "header/open", "header/xxh3_64_of_60_bytes"
_RATIOS = (
    ("uncontended read / five plain loads", _READ, "read/uncontended/plain_5", 1.15),
    ("uncontended read / three plain loads", _READ, "read/uncontended/plain_3", None),
    ("dependent read / five plain loads", "read/dependent/hardened", "read/dependent/plain_5", None),
    ("uncontended read / std::shared_mutex", _READ, "read/uncontended/std_shared_mutex", 1 / 20),
    ("publish / textbook seqlock store", "publish/hardened", "publish/fence_seqlock", 1.3),
    ("publish / five plain stores", "publish/hardened", "publish/plain_5", 1.3),
    ("publish / reference publish", "publish/hardened", "publish/reference", 1 / 5),
    ("open, owned / xxh3_64 of 60 bytes", f"{_OPEN}_owned", _HASH, 4),
    ("open, in place / xxh3_64 of 60 bytes", f"{_OPEN}_in_place", _HASH, 4),
)


class Ratio(stats.Spread):
    """Of two benchmarks in the same round."""

    what: str
    bound: float | None
    kept: bool | None


class AgainstPublisher(TypedDict):
    """Reads of one subject while a publisher runs."""

    subject: str
    racy: bool
    throughput: stats.Spread | None  # over that without a publisher
    publishes: float  # a second, as achieved
    ns: dict[str, float] | None  # of single reads, by percentile
    p999: list[float]  # in each round


def ratios(measured: Measured) -> list[Ratio]:
    """Those of which both sides were measured."""
    out: list[Ratio] = []
    for what, top, bottom, bound in _RATIOS:
        pair = [measured["benchmarks"].get(name) for name in (top, bottom)]
        ratio = stats.ratio_per_round(pair[0]["ns"], pair[1]["ns"]) if pair[0] and pair[1] else None
        if ratio:
            kept = None if bound is None else ratio["median"] <= bound
            out.append(cast(Ratio, {"what": what, **ratio, "bound": bound, "kept": kept}))
    return out


def ordered(benchmarks: dict[str, Benchmark]) -> list[tuple[str, Benchmark]]:
    """This library's subjects first, all by name."""
    return sorted(benchmarks.items(), key=lambda item: (item[1]["control"], item[0]))


def against_publisher(measured: Measured, rate: str = "100k", where: str = "thread") -> list[AgainstPublisher]:
    """Each subject's throughput against a publisher over that without one, and its tail."""
    alone = pick(measured, group="read", where=where, rate="0")
    timed = pick(measured, group="tail", where=where, rate=rate)
    out: list[AgainstPublisher] = []
    for subject, benchmark in ordered(pick(measured, group="read", where=where, rate=rate)):
        tail = timed[subject]["counters"] if subject in timed else None
        without = alone.get(subject)
        out.append(
            {
                "subject": subject,
                "racy": benchmark["racy"],
                "throughput": stats.ratio_per_round(without["ns"], benchmark["ns"]) if without else None,
                "publishes": stats.median(benchmark["counters"].get("publishes_per_second") or [0]),
                "ns": {point: stats.median(tail[point]) for point in TAIL_POINTS} if tail else None,
                "p999": tail["p99.9"] if tail else [],
            }
        )
    return out


def ahead_in_tail(rows: list[AgainstPublisher]) -> dict[str, str]:
    """hardened's p99.9 against each other subject's that is not racy: {subject: verdict}."""
    mine: list[float] = next((row["p999"] for row in rows if row["subject"] == "hardened"), [])
    out = {}
    for row in rows:
        if mine and row["subject"] != "hardened" and not row["racy"] and row["p999"]:
            ahead = stats.median(mine) < stats.median(row["p999"])
            told_apart = stats.mann_whitney(mine, row["p999"])[1] < 0.05
            out[row["subject"]] = ("ahead" if ahead else "behind") if told_apart else "no difference"
    return out
