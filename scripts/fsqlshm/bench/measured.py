"""What was measured, in two forms.

A file is Google Benchmark's JSON, so its own tools read it (compare.py, for one): a row for each benchmark and round,
the round as `repetition_index`, and in `context` one more member, "fsqlshm": when, where and of what it was measured.

`Measured` is the same by benchmark. Everything here works on it, and result documents hold it as `measured`.
"""

import json
import pathlib
from collections.abc import Iterator
from typing import Any, TypedDict

from fsqlshm import files
from fsqlshm.bench import stats
from fsqlshm.results import CouldNotRun

File = dict[str, Any]


class Benchmark(TypedDict):
    """One benchmark; each list has a value for each round."""

    facts: dict[str, str]  # group, where, rate, traffic, operation, subject, n: what applies, in this order
    racy: bool  # its reads may be torn: a lower bound of the cost, not a solution
    control: bool  # not this library's code
    clock: str  # "cpu" or "real", by which it is judged
    ns: list[float]  # by that clock
    counters: dict[str, list[float]]


class Measured(TypedDict):
    """All benchmarks of a run by their names, which are their facts with slashes between them."""

    context: dict[str, Any]
    benchmarks: dict[str, Benchmark]
    complexity: dict[str, stats.Growth]


# What Google Benchmark says of every row. All else are the benchmark's own counters.
_OF_EVERY_ROW = set(
    "name family_index per_family_instance_index run_name run_type repetitions repetition_index threads iterations "
    "real_time cpu_time time_unit label error_occurred error_message".split()
)
# Names of hosts and paths of users are private; run_name is name; the indices do not hold over several runs.
_NOT_KEPT = {"host_name", "executable", "run_name", "family_index", "per_family_instance_index"}
_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


def timed_rows(file: File) -> Iterator[dict[str, Any]]:
    """The rows of single repetitions, whether they succeeded or not."""
    return (row for row in file["benchmarks"] if row["run_type"] == "iteration")


def _context(file: File) -> dict[str, Any]:
    context = file["context"]
    out = dict(context.get("fsqlshm", {}))
    if "compiler" in context:
        out |= {key: context[key] for key in ("compiler", "build_type")}
        out["cpus"] = [int(cpu) for cpu in context["cpus"].split(",")]
        out["pinned"] = context["pinned"] == "true"
        out["timer"] = {"ns_per_tick": float(context["timer_ns_per_tick"])}
    return out


def _empty(row: dict[str, Any]) -> Benchmark:
    """What the label of a row says of its benchmark: "group=read where=thread subject=plain_3 racy"."""
    words = row.get("label", "").split()
    if not words or not words[0].startswith("group="):
        raise CouldNotRun(f"{row['name']} has no facts in its label, so it is not of fsqlshm-bench")
    facts = dict(word.split("=", 1) for word in words if "=" in word)
    clock = facts.pop("clock", "cpu")
    return Benchmark(facts=facts, racy="racy" in words, control="control" in words, clock=clock, ns=[], counters={})


def gather(file: File) -> Measured:
    """Benchmarks from rows. Rows of operations that did the wrong thing have no times."""
    benchmarks: dict[str, Benchmark] = {}
    for row in timed_rows(file):
        if not row.get("error_occurred"):
            benchmark = _empty(row)
            benchmark = benchmarks.setdefault("/".join(benchmark["facts"].values()), benchmark)
            benchmark["ns"].append(row[f"{benchmark['clock']}_time"] * _NS[row["time_unit"]])
            for counter in row.keys() - _OF_EVERY_ROW:
                benchmark["counters"].setdefault(counter, []).append(row[counter])
    return {"context": _context(file), "benchmarks": benchmarks, "complexity": _complexity(benchmarks)}


def _complexity(benchmarks: dict[str, Benchmark]) -> dict[str, stats.Growth]:
    """How the time of each family grows with n."""
    families: dict[str, dict[int, float]] = {}
    for name, benchmark in benchmarks.items():
        if "n" in benchmark["facts"]:
            points = families.setdefault(name.rpartition("/")[0], {})
            points[int(benchmark["facts"]["n"])] = ns(benchmark)
    return {family: stats.growth(points) for family, points in families.items() if len(points) > 1}


def pick(measured: Measured, **facts: str) -> dict[str, Benchmark]:
    """The benchmarks of which these facts are true, by what else is: group="publish" gives {"hardened": ...}."""
    found = [b for b in measured["benchmarks"].values() if facts.items() <= b["facts"].items()]
    return {"/".join(value for fact, value in b["facts"].items() if fact not in facts): b for b in found}


def ns(benchmark: Benchmark) -> float:
    """The median of the rounds."""
    return stats.median(benchmark["ns"])


def load(path: pathlib.Path | str) -> Measured:
    """What a file holds, Google Benchmark's JSON or a `Measured`."""
    try:
        value = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CouldNotRun(f"cannot read {path}: {error}") from error
    try:
        if isinstance(value["benchmarks"], dict):
            measured: Measured = value
            return measured
        return gather(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CouldNotRun(f"{path} is not a file of Google Benchmark: {type(error).__name__} {error}") from error


def save(file: File, path: pathlib.Path) -> None:
    """Writes a line for each row, with six digits of each number, so that a kept file is short and can be read."""

    def short(value: object) -> object:
        return float(f"{value:.6g}") if isinstance(value, float) else value

    rows = [{k: short(v) for k, v in row.items() if k not in _NOT_KEPT} for row in timed_rows(file)]
    context = {key: value for key, value in file["context"].items() if key not in _NOT_KEPT}
    text = ",\n".join("    " + json.dumps(row) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, f'{{\n  "context": {json.dumps(context)},\n  "benchmarks": [\n{text}\n  ]\n}}\n')
