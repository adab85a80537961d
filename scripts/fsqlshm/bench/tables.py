"""The tables of a run, as Markdown that is aligned for the terminal."""

import math
from collections.abc import Callable, Iterable, Sequence

from fsqlshm.bench import claims, stats
from fsqlshm.bench.measured import Benchmark, Measured, ns, pick


def figure(value: float) -> str:
    """Three digits, as a reader of a table wants them."""
    for least, scale, unit in ((1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= least:
            return f"{value / scale:.3g} {unit}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if value >= 10 else f"{value:.2f}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Names to the left, figures to the right."""
    rows = list(rows)
    width = [max(map(len, cells)) for cells in zip(columns, *rows)]

    def line(cells: Sequence[str]) -> str:
        first, *others = (cell.rjust(w) for cell, w in zip(cells, width))
        return "| " + " | ".join([first.strip().ljust(width[0]), *others]) + " |"

    rule = "|" + "|".join(["-" * (width[0] + 2), *("-" * (w + 1) + ":" for w in width[1:])]) + "|"
    return "\n".join([line(columns), rule, *map(line, rows)]) + "\n"


def _natural(name: str) -> list[tuple[float, str]]:
    """Orders numbers and rates by size: 4, 16, 1k, 10k, saturating."""
    out = []
    for part in name.split("/"):
        digits, scale = part.rstrip("kM"), 1e6 if part.endswith("M") else 1e3 if part.endswith("k") else 1
        out.append((float(digits) * scale, "") if digits.isdigit() else (math.inf, part))
    return out


def named(subject: str, benchmark: Benchmark | claims.AgainstPublisher) -> str:
    """The subject, with a warning."""
    return subject + (" (racy)" if benchmark["racy"] else "")


def ratios(measured: Measured) -> str:
    """The ratios and their bounds."""
    rows = []
    for r in claims.ratios(measured):
        bound = "stated" if r["bound"] is None else f"{r['bound']:.3g}, {'kept' if r['kept'] else '**missed**'}"
        rows.append([r["what"], *(f"{x:.3f}" for x in (r["median"], r["min"], r["max"])), bound])
    return table(["ratio", "median", "min", "max", "bound"], rows)


def against_publisher(measured: Measured) -> str:
    """Throughput and tails against 100 k publishes a second."""
    against = claims.against_publisher(measured)
    ahead = claims.ahead_in_tail(against)
    points = ("p50", "p99", "p99.9", "p99.99")
    rows = [
        [
            named(row["subject"], row),
            f"{row['throughput']['median']:.3f}" if row["throughput"] else "",
            figure(row["publishes"]),
            *(f"{row['ns'][point]:.0f}" if row["ns"] else "" for point in points),
            ahead.get(row["subject"], ""),
        ]
        for row in against
    ]
    return table(["subject", "throughput", "publishes/s", *(f"{point} ns" for point in points), "hardened is"], rows)


def pivot(first: str, benchmarks: Iterable[Benchmark], column: Callable[[dict[str, str]], str]) -> str:
    """The medians, a column for each value of `column`; a row is called by the facts that `column` leaves."""
    rows: dict[str, dict[str, str]] = {}
    for benchmark in benchmarks:
        facts = dict(benchmark["facts"])
        under = column(facts)
        rows.setdefault(named("/".join(facts.values()), benchmark), {})[under] = figure(ns(benchmark))
    columns = sorted({under for row in rows.values() for under in row}, key=_natural)
    cells = [[name, *(rows[name].get(under, "") for under in columns)] for name in sorted(rows, key=_natural)]
    return table([first, *columns], cells)


def tails(measured: Measured) -> str:
    """The time of every single read."""
    rows = []
    for name, benchmark in sorted(pick(measured, group="tail").items(), key=lambda item: _natural(named(*item))):
        counters = benchmark["counters"]
        points = [f"{stats.median(counters[point]):.0f}" for point in claims.TAIL_POINTS]
        retries = f"{sum(counters['retries']) / sum(counters['reads']):.2g}"
        most, torn = f"{max(counters['retries_max']):.0f}", f"{sum(counters['torn']):.0f}"
        rows.append([named(name, benchmark), *points, retries, most, torn])
    return table(["publisher/subject", *claims.TAIL_POINTS, "retries a read", "most", "torn"], rows)
