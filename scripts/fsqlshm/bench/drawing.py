"""What the pictures of the benchmarks have in common."""

import pathlib
from collections.abc import Iterable
from typing import Any

import matplotlib
import matplotlib.figure

from fsqlshm import text
from fsqlshm.bench.measured import Benchmark, ns
from fsqlshm.bench.tables import natural

# One colour a subject in all panels.
SUBJECTS = ("reference", "std_mutex", "std_shared_mutex", "pthread_rwlock", "plain_3", "plain_5", "timer",
            "hardened_file", "hardened_c", "robust_mutex", "boost_mutex", "ck_sequence", "abseil", "urcu_memb",
            "urcu_qsbr", "lmdb", "sqlite")  # fmt: skip


def colour(subject: str) -> Any:
    if subject in SUBJECTS:
        return matplotlib.colormaps["tab20"](SUBJECTS.index(subject))
    return "red" if subject.endswith(".so") else "black"


def style() -> Any:
    return matplotlib.rc_context({"font.size": 8, "axes.titlesize": 9})


def bars(axes: Any, title: str, benchmarks: dict[str, Benchmark]) -> None:
    rows = [(name, ns(benchmark)) for name, benchmark in benchmarks.items()][::-1]
    axes.set_title(title)
    axes.barh([r[0] for r in rows], [r[1] for r in rows], color=[colour(r[0]) for r in rows])
    for y, (_, value) in enumerate(rows):
        axes.text(value * 1.05, y, text.number(value), va="center", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(0.1, max((r[1] for r in rows), default=1) * 4)


def lines(axes: Any, title: str, series: dict[str, dict[str, float]]) -> None:
    """One line for each subject, through its values at the ticks it has."""
    axes.set_title(title)
    ticks = natural({tick for values in series.values() for tick in values})
    for subject, values in series.items():
        points = [(i, values[tick]) for i, tick in enumerate(ticks) if tick in values]
        order = 2 + (subject == "hardened")
        axes.plot(*zip(*points), marker="o", ms=3, lw=1.2, label=subject, color=colour(subject), zorder=order)
    axes.set_xticks(range(len(ticks)), ticks)
    axes.set_yscale("log")


def save(figure: Any, axes: Iterable[Any], context: dict[str, Any], path: pathlib.Path) -> None:
    for each in axes:
        each.grid(True, which="major", lw=0.3)
    machine = context["machine"]
    where = f"{machine['cpu']}, {machine['cpus']} processors"
    figure.suptitle(f"{context['compiler']}, {where}, commit {context['commit']}")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def facts(context: dict[str, Any]) -> dict[str, Any]:
    """What the sections say of a run."""
    machine = context["machine"]
    own = {
        "started": context["started"][:10],
        "changes": " with changes" if context["changed_since_commit"] else "",
        "virtual": ", virtual" if machine["virtual"] else "",
        "pinned": "pinned" if context["pinned"] else "not pinned",
        "load": f"{min(context['load'])} to {max(context['load'])}",
        "nice": context.get("nice", 0),
    }
    merged: dict[str, Any] = context | machine | own
    return merged
