"""Other libraries beside this one: the tables and the picture of bench/PEERS.md, from results/peers/*.json."""

import pathlib
import statistics
from collections.abc import Sequence

import matplotlib.figure

from fsqlshm import text
from fsqlshm.bench import drawing
from fsqlshm.bench.measured import Benchmark, Measured, load, ns, pick
from fsqlshm.bench.tables import TAIL_POINTS, Table, natural

# What is not this library's, or is another form of it, is compared with this one; recoveries with that of a file.
OURS, OUR_RECOVERY = "hardened", "hardened_file"
RATE = "100k"

SECTION = """\
### {compiler}

{started}, commit {commit}{changes}, preset `{preset}`, {rounds} rounds, nice {nice}.
{cpu} (family/model {cpu_family_model}), {cpus} processors{virtual}, {kernel}.
Threads {pinned}; load average {load}, its own threads included.{left_out}

![reads against a publisher, tails, publishes, recoveries]({image})

ns, medians over the rounds; in brackets, how many times what `hardened` takes in the same round (a recovery: what
`hardened_file` takes). "Read, thread", "read, process" and "p99.9" are beside a publisher that is asked for 100 k
publishes a second.

{main}
<details><summary>All figures</summary>

Reads, ns; columns are where the publisher runs, and the rate that it is asked for.

{reads}
Publishes a second that the publisher reached.

{reached}
Every read timed, ns; the clock takes part in all of them, "timer" is the clock alone.

{tails}
</details>
"""


def names(measured: Measured) -> list[str]:
    """All subjects: this library's first, then by what a read costs."""
    found = pick(measured, group="read/uncontended")
    return sorted(found, key=lambda name: (found[name]["control"], ns(found[name])))


def _ratio(theirs: Sequence[float], ours: Sequence[float]) -> float:
    return float(statistics.median(x / y for x, y in zip(theirs, ours)))


def _cell(name: str, known: dict[str, Benchmark], base: str, point: str = "") -> str:
    """A median, and in brackets its ratio to that of `base`."""
    if name not in known:
        return ""
    each = {key: b["counters"][point] if point else b["ns"] for key, b in known.items()}
    figure = text.number(float(statistics.median(each[name])))
    return figure if name == base or base not in each else f"{figure} ({_ratio(each[name], each[base]):.3g})"


def main(measured: Measured) -> Table:
    """What a read, a publish and a recovery cost, each with its ratio to ours."""
    alone = pick(measured, group="read/uncontended")
    by_thread, by_process = (pick(measured, group="read", where=where, rate=RATE) for where in ("thread", "process"))
    timed = pick(measured, group="tail", where="thread", rate=RATE)
    dependent, publish = pick(measured, group="read/dependent"), pick(measured, group="publish")
    recovery = pick(measured, group="recovery")
    rows = [
        [
            name + (" (racy)" if alone[name]["racy"] else ""),
            _cell(name, alone, OURS),
            _cell(name, dependent, OURS),
            _cell(name, by_thread, OURS),
            _cell(name, by_process, OURS),
            _cell(name, timed, OURS, "p99.9"),
            _cell(name, publish, OURS),
            _cell(name, recovery, OUR_RECOVERY),
        ]
        for name in names(measured)
    ]
    columns = ["subject", "read", "dependent read", "read, thread", "read, process", "p99.9", "publish", "recovery"]
    return columns, rows


def _by_rate(measured: Measured, reached: bool = False) -> Table:
    """Reads against publishers of all rates, or what these publishers reached."""
    rows: dict[str, dict[str, str]] = {name: {} for name in names(measured)}
    for benchmark in pick(measured, group="read").values():
        facts = benchmark["facts"]
        each = benchmark["counters"].get("publishes_per_second") if reached else benchmark["ns"]
        if each:
            under = f"{facts['where']}/{facts['rate']}"
            rows[facts["subject"]][under] = text.number(float(statistics.median(each)))
    columns = natural({under for row in rows.values() for under in row})
    return ["subject", *columns], [[name, *(row.get(c, "") for c in columns)] for name, row in rows.items()]


def _tails(measured: Measured) -> Table:
    rows = []
    for name, benchmark in pick(measured, group="tail").items():
        rows.append([name, *(f"{statistics.median(benchmark['counters'][point]):.0f}" for point in TAIL_POINTS)])
    return ["publisher/subject", *TAIL_POINTS], rows


def who(measured: Measured) -> Table:
    """What each is, how it is called, what it does besides, and what is left to its caller."""
    order = names(measured)
    known = {each["name"]: each for each in measured["context"].get("subjects", [])}
    rows = [
        [name, *(known[name][key] for key in ("source", "call", "adds", "lacks"))] for name in order if name in known
    ]
    return [
        "subject",
        "what it is",
        "how a read and a publish are called",
        "what it does besides",
        "what it leaves",
    ], rows


def draw(measured: Measured, path: pathlib.Path) -> None:
    """Writes the picture. The same run gives the same bytes."""
    order = names(measured)
    by_rate: dict[str, dict[str, float]] = {name: {} for name in order}
    for benchmark in pick(measured, group="read", where="thread").values():
        by_rate[benchmark["facts"]["subject"]][benchmark["facts"]["rate"]] = ns(benchmark)
    timed = pick(measured, group="tail", where="thread", rate=RATE)
    tails = {
        name: {point: statistics.median(timed[name]["counters"][point]) for point in TAIL_POINTS[:-1]}
        for name in order
        if name in timed
    }
    with drawing.style():
        figure = matplotlib.figure.Figure(figsize=(13, 8.5), layout="constrained")
        axes = figure.subplots(2, 2, width_ratios=(3, 2))
        drawing.lines(axes[0][0], "Read against a publisher in a thread, ns by publishes/s asked for", by_rate)
        axes[0][0].legend(fontsize=6, ncols=4, loc="upper left")
        axes[0][0].margins(y=0.25)
        drawing.bars(axes[0][1], "Publish, ns", pick(measured, group="publish"))
        drawing.lines(axes[1][0], "Tail of a read against 100 k publishes/s, ns", tails)
        drawing.bars(axes[1][1], "Recovery after the death of a publisher, ns", pick(measured, group="recovery"))
        drawing.save(figure, axes.flat, measured["context"], path)


def section(measured: Measured, image: str) -> str:
    context = measured["context"]
    left_out = [*context["left_out"], *([] if "subject" in context else ["no shared object was named by --subject"])]
    own = drawing.facts(context) | {
        "image": image,
        "left_out": f"\nNot measured: {'; '.join(left_out)}." if left_out else "",
        "main": text.table(*main(measured)),
        "reads": text.table(*_by_rate(measured)),
        "reached": text.table(*_by_rate(measured, reached=True)),
        "tails": text.table(*_tails(measured)),
    }
    return SECTION.format(**own)


def page(paths: Sequence[pathlib.Path]) -> str:
    """The generated part of the page."""
    runs = [(path, load(path)) for path in paths]
    parts = [section(run, f"results/peers/{path.stem}.png") for path, run in runs]
    return "\n".join([text.table(*who(runs[0][1])), *parts]) if runs else ""
