"""The picture of a run: six panels in a PNG."""

import pathlib
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402  the backend has to be chosen before

from fsqlshm.bench import claims, stats  # noqa: E402  as above
from fsqlshm.bench.measured import Benchmark, Measured, ns, pick  # noqa: E402  as above
from fsqlshm.bench.tables import figure  # noqa: E402  as above

RATES = ("0", "1k", "10k", "100k", "1M", "saturating")
TRAFFIC = ("elsewhere", "gc_horizon", "writer", "alloc_txn_id")
_COLOURS = {
    "hardened": "#d62728",
    "reference": "#ff9896",
    "fence_seqlock": "#9467bd",
    "plain_3": "#bbbbbb",
    "plain_5": "#777777",
    "std_mutex": "#1f77b4",
    "std_shared_mutex": "#17becf",
    "pthread_rwlock": "#aec7e8",
    "double_copy": "#2ca02c",
    "left_right": "#bcbd22",
    "timer": "#000000",
}

Axes = Any


def _bars(axes: Axes, title: str, benchmarks: dict[str, Benchmark]) -> None:
    rows = [(name, ns(benchmark)) for name, benchmark in claims.ordered(benchmarks)][::-1]
    axes.set_title(title)
    axes.barh([r[0] for r in rows], [r[1] for r in rows], color=[_COLOURS.get(r[0], "#333333") for r in rows])
    for y, (_, value) in enumerate(rows):
        axes.text(value * 1.05, y, figure(value), va="center", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(0.1, max((r[1] for r in rows), default=1) * 4)


def _lines(axes: Axes, title: str, series: dict[str, dict[str, float]], ticks: tuple[str, ...]) -> None:
    """One line for each subject, through its values at the ticks it has."""
    axes.set_title(title)
    for subject, values in series.items():
        points = [(i, values[tick]) for i, tick in enumerate(ticks) if tick in values]
        order, colour = 2 + (subject == "hardened"), _COLOURS.get(subject)
        axes.plot(*zip(*points), marker="o", ms=3, lw=1.2, label=subject, color=colour, zorder=order)
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_yscale("log")


def _sharing(axes: Axes, measured: Measured) -> None:
    axes.set_title("Read next to other traffic, ns")
    for i, (rate, colour) in enumerate((("100k", "#c7c7c7"), ("1M", "#7f7f7f"), ("saturating", "#d62728"))):
        reads = pick(measured, group="sharing/read", rate=rate)
        values = [ns(reads[traffic]) if traffic in reads else 0 for traffic in TRAFFIC]
        axes.bar([x + 0.27 * i for x in range(len(TRAFFIC))], values, width=0.25, color=colour, label=rate)
    axes.set_xticks([x + 0.27 for x in range(len(TRAFFIC))], TRAFFIC, fontsize=7)
    axes.legend(fontsize=6)


def draw(measured: Measured, path: pathlib.Path) -> None:
    """Writes the picture. The same run gives the same bytes."""
    by_rate: dict[str, dict[str, float]] = {}
    for rate in RATES:
        for subject, benchmark in claims.ordered(pick(measured, group="read", where="thread", rate=rate)):
            by_rate.setdefault(subject, {})[rate] = ns(benchmark)
    tails = {
        subject: {point: stats.median(benchmark["counters"][point]) for point in claims.TAIL_POINTS[:-1]}
        for subject, benchmark in pick(measured, group="tail", where="thread", rate="100k").items()
    }
    readers: dict[str, dict[str, float]] = {}
    for benchmark in pick(measured, group="growth/readers", where="thread", rate="0").values():
        facts = benchmark["facts"]
        all_reads = stats.median(benchmark["counters"]["all_per_second"]) / 1e6
        readers.setdefault(facts["subject"], {})[facts["n"]] = all_reads
    numbers = sorted({n for values in readers.values() for n in values}, key=int)

    plt.rcParams.update({"font.size": 8, "axes.titlesize": 9})
    drawing, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    _bars(axes[0][0], "Uncontended read, ns", pick(measured, group="read/uncontended"))
    _lines(axes[0][1], "Read against a publisher, ns by publishes/s", by_rate, RATES)
    axes[0][1].legend(fontsize=6, ncols=2, loc="upper left")
    _lines(axes[0][2], "Tail of a read against 100 k publishes/s, ns", tails, claims.TAIL_POINTS[:-1])
    _bars(axes[1][0], "Publish, ns", pick(measured, group="publish"))
    _lines(axes[1][1], "Reads of all threads, M/s by readers", readers, tuple(numbers))
    _sharing(axes[1][2], measured)
    for each in axes.flat:
        each.grid(True, which="major", lw=0.3)
    context = measured["context"]
    machine = context["machine"]
    where = f"{machine['cpu']}, {machine['cpus']} processors"
    drawing.suptitle(f"{context['compiler']}, {where}, commit {context['commit']}")
    drawing.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(drawing)
