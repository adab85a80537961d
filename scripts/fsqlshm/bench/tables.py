"""What is said of a run: as tables, columns and rows of text, for the terminal, bench/README.md and the report."""

import math
import statistics
from collections.abc import Callable, Iterable

from fsqlshm.bench import stats
from fsqlshm.bench.measured import Benchmark, Measured, ns, pick
from fsqlshm.text import number

Table = tuple[list[str], list[list[str]]]
TAIL_POINTS = ("p50", "p90", "p99", "p99.9", "p99.99", "max")
# (what, numerator, denominator, bound): the first number is meant to stay under `bound` times the second. It is shown,
# never enforced: a figure on a busy machine is not a test. None: stated, without a bound.
_READ, _OPEN, _HASH = "read/uncontended/hardened", "header/open", "header/xxh3_64_of_60_bytes"
_RATIOS = (
    ("uncontended read / five plain loads", _READ, "read/uncontended/plain_5", 1.15),
    ("uncontended read / three plain loads", _READ, "read/uncontended/plain_3", None),
    ("dependent read / five plain loads", "read/dependent/hardened", "read/dependent/plain_5", None),
    ("uncontended read / std::shared_mutex", _READ, "read/uncontended/std_shared_mutex", 1 / 20),
    ("publish / five plain stores", "publish/hardened", "publish/plain_5", 1.3),
    ("publish / reference publish", "publish/hardened", "publish/reference", 1 / 5),
    ("liveness by a lock / by /proc", "file/alive/lock", "file/alive/proc", 1 / 3),
    ("lock and unlock publication / two fcntl", "file/lock/publication", "file/lock/two_fcntl", 1.3),
    ("publish by a held guard / without one", "file/publish/guard", "file/publish/bare", None),
    ("read by a file's layout / in place", "file/read/file", "file/read/bare", 1.15),
    ("open, owned / xxh3_64 of 60 bytes", f"{_OPEN}_owned", _HASH, 4),
    ("open, in place / xxh3_64 of 60 bytes", f"{_OPEN}_in_place", _HASH, 4),
)


def ratios(measured: Measured) -> dict[str, tuple[list[float], float | None]]:
    """What is compared, to its ratio in each round and its bound; those of which both sides were measured."""
    known, out = measured["benchmarks"], {}
    for what, top, bottom, bound in _RATIOS:
        if top in known and bottom in known:
            out[what] = [x / y for x, y in zip(known[top]["ns"], known[bottom]["ns"])], bound
    return out


def ratio_table(measured: Measured) -> Table:
    rows = []
    for what, (each, bound) in ratios(measured).items():
        middle = statistics.median(each)
        kept = "" if bound is None else f"{bound:.3g}, {'kept' if middle <= bound else 'missed'}"
        rows.append([what, *(f"{x:.3f}" for x in (middle, min(each), max(each))), kept or "stated"])
    return ["ratio", "median", "min", "max", "bound"], rows


def _natural(name: str) -> list[tuple[float, str]]:
    """Orders numbers and rates by size: 4, 16, 1k, 10k, saturating."""
    out = []
    for part in name.split("/"):
        digits, scale = part.rstrip("kM"), 1e6 if part.endswith("M") else 1e3 if part.endswith("k") else 1
        out.append((float(digits) * scale, "") if digits.isdigit() else (math.inf, part))
    return out


def natural(names: Iterable[str]) -> list[str]:
    return sorted(names, key=_natural)


def _named(name: str, benchmark: Benchmark) -> str:
    return name + (" (racy)" if benchmark["racy"] else "")


def against_publisher(measured: Measured, judged: bool, rate: str = "100k", where: str = "thread") -> Table:
    """Each subject's throughput against a publisher over that without one, and its tail; if this is to be `judged`,
    whether hardened's p99.9 can be told from it."""
    alone = pick(measured, group="read", where=where, rate="0")
    tails = {name: b["counters"] for name, b in pick(measured, group="tail", where=where, rate=rate).items()}
    points = ("p50", "p99", "p99.9", "p99.99")
    mine = tails["hardened"]["p99.9"] if "hardened" in tails else []
    rows = []
    for subject, benchmark in pick(measured, group="read", where=where, rate=rate).items():
        without, tail, ahead = alone.get(subject), tails.get(subject, {}), ""
        if judged and mine and tail and subject != "hardened" and not benchmark["racy"]:
            ahead = "ahead" if statistics.median(mine) < statistics.median(tail["p99.9"]) else "behind"
            ahead = ahead if stats.mann_whitney(mine, tail["p99.9"]) < 0.05 else "no difference"
        part = [x / y for x, y in zip(without["ns"], benchmark["ns"])] if without else []
        figures = [f"{statistics.median(part):.3f}" if part else ""]
        figures.append(number(statistics.median(benchmark["counters"].get("publishes_per_second") or [0])))
        figures += [f"{statistics.median(tail[point]):.0f}" if tail else "" for point in points]
        rows.append([_named(subject, benchmark), *figures, *([ahead] if judged else [])])
    columns = ["subject", "throughput", "publishes/s", *(f"{point} ns" for point in points)]
    return [*columns, *(["hardened is"] if judged else [])], rows


def pivot(
    first: str,
    measured: Measured,
    groups: tuple[str, ...],
    column: Callable[[dict[str, str]], str] = lambda facts: "ns",
) -> Table:
    """The medians of these groups and of those below them, a column for each value of `column`; a row is called by the
    facts that `column` leaves."""
    rows: dict[str, dict[str, str]] = {}
    for benchmark in measured["benchmarks"].values():
        if f"{benchmark['facts']['group']}/".startswith(tuple(f"{group}/" for group in groups)):
            facts = dict(benchmark["facts"])
            under = column(facts)
            rows.setdefault(_named("/".join(facts.values()), benchmark), {})[under] = number(ns(benchmark))
    columns = natural({under for row in rows.values() for under in row})
    return [first, *columns], [[name, *(rows[name].get(under, "") for under in columns)] for name in natural(rows)]


def _way_to_read(facts: dict[str, str]) -> str:
    kind = facts.pop("group").removeprefix("read").lstrip("/")
    return kind or f"{facts.pop('where')}/{facts.pop('rate')}"


def tails(measured: Measured) -> Table:
    named = {_named(*item): item[1]["counters"] for item in pick(measured, group="tail").items()}
    rows = []
    for name in natural(named):
        counters = named[name]
        points = [f"{statistics.median(counters[point]):.0f}" for point in TAIL_POINTS]
        retries = f"{sum(counters['retries']) / sum(counters['reads']):.2g}"
        rows.append([name, *points, retries, f"{max(counters['retries_max']):.0f}", f"{sum(counters['torn']):.0f}"])
    return ["publisher/subject", *TAIL_POINTS, "retries a read", "most", "torn"], rows


def growth(measured: Measured) -> Table:
    """How the time of each family grows with n."""
    families: dict[str, dict[int, float]] = {}
    for name, benchmark in measured["benchmarks"].items():
        if "n" in benchmark["facts"]:
            families.setdefault(name.rpartition("/")[0], {})[int(benchmark["facts"]["n"])] = ns(benchmark)
    rows = []
    for family, points in sorted(families.items()):
        if len(points) > 1:
            error, curve, coefficient = stats.growth(points)
            rows.append([family, f"{number(coefficient)} x {curve}", f"rms {100 * error:.0f} %"])
    return ["family", "curve", "error"], rows


def calls(measured: Measured) -> Table:
    """What each call costs inlined, through a pointer into this library, and of a shared object, if one was measured:
    medians in ns, and the ratio of the last two."""
    inlined = pick(measured, group="call", call="inlined", subject="hardened")
    ours = pick(measured, group="call", call="pointer", subject="hardened")
    pointers = [b["facts"] for b in pick(measured, group="call", call="pointer").values()]
    others = sorted({facts["subject"] for facts in pointers} - {"hardened"})
    columns = ["operation", "inlined", "through C", "the call", *others, *(f"{other} / ours" for other in others)]
    rows = []
    for operation in (name for name in inlined if name in ours):
        here, there = inlined[operation], ours[operation]
        cost = statistics.median(y - x for x, y in zip(here["ns"], there["ns"]))
        theirs = [pick(measured, group="call", call="pointer", subject=s).get(operation) for s in others]
        parts = [[x / y for x, y in zip(other["ns"], there["ns"])] if other else [] for other in theirs]
        figures = [number(ns(here)), number(ns(there)), f"{cost:.3g}"]
        figures += [number(ns(other)) if other else "" for other in theirs]
        rows.append([operation, *figures, *(f"{statistics.median(part):.2f}" if part else "" for part in parts)])
    return columns, rows


def every(measured: Measured, judged: bool = False) -> dict[str, Table]:
    """All tables by their names; some may be empty."""

    def popped(fact: str) -> Callable[[dict[str, str]], str]:
        return lambda facts: facts.pop(fact)

    operations = ("publish", "begin_end", "header", "writer", "dead_publisher")
    return {
        "ratios": ratio_table(measured),
        "against": against_publisher(measured, judged),
        "reads": pivot("subject", measured, ("read",), _way_to_read),
        "tails": tails(measured),
        "calls": calls(measured),
        "operations": pivot("operation", measured, operations),
        "n": pivot("threads or processes", measured, ("growth",), popped("n")),
        "growth": growth(measured),
        "sharing": pivot("next to", measured, ("sharing",), popped("rate")),
    }
