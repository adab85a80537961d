"""What was measured, in two forms.

A file is Google Benchmark's JSON, so its own tools read it (compare.py, for one): a row for each benchmark and round,
the round as `repetition_index`, and in `context` one more member, "fsqlshm": when, where and of what it was measured.

`Measured` is the same by benchmark. Everything here works on it, and result documents hold it as `measured`;
harness/schema/result.json describes it.
"""

import json
import pathlib
import statistics
from collections.abc import Iterator
from typing import Any

from fsqlshm import files
from fsqlshm.results import CouldNotRun

File = dict[str, Any]
Measured = dict[str, Any]
Benchmark = dict[str, Any]

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
        out |= {key: json.loads(context[key]) for key in ("subjects", "left_out") if key in context}
    return out


def _empty(row: dict[str, Any]) -> Benchmark:
    """What the label of a row says of its benchmark: "group=read where=thread subject=plain_3 racy"."""
    words = row.get("label", "").split()
    if not words or not words[0].startswith("group="):
        raise CouldNotRun(f"{row['name']} has no facts in its label, so it is not of fsqlshm-bench")
    facts = dict(word.split("=", 1) for word in words if "=" in word)
    clock = facts.pop("clock", "cpu")
    flags = {flag: flag in words for flag in ("racy", "control")}
    return {"facts": facts, **flags, "clock": clock, "ns": [], "counters": {}}


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
    return {"context": _context(file), "benchmarks": benchmarks}


def pick(measured: Measured, **facts: str) -> dict[str, Benchmark]:
    """The benchmarks of which these facts are true, by what else is: group="publish" gives {"hardened": ...}. This
    library's subjects first, all by name."""
    found = [b for b in measured["benchmarks"].values() if facts.items() <= b["facts"].items()]
    named = {"/".join(value for fact, value in b["facts"].items() if fact not in facts): b for b in found}
    return dict(sorted(named.items(), key=lambda item: (item[1]["control"], item[0])))


def ns(benchmark: Benchmark) -> float:
    return float(statistics.median(benchmark["ns"]))


def load(path: pathlib.Path | str) -> Measured:
    """What a file holds, Google Benchmark's JSON or a `Measured`."""
    try:
        value: Any = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        measured: Measured = value if isinstance(value["benchmarks"], dict) else gather(value)
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise CouldNotRun(f"cannot read {path} as Google Benchmark's JSON: {error!r}") from error
    return measured


def save(file: File, path: pathlib.Path) -> None:
    """Writes a line for each row, with six digits of each number, so that a kept file is short and can be read."""

    def short(value: object) -> object:
        return float(f"{value:.6g}") if isinstance(value, float) else value

    rows = [{k: short(v) for k, v in row.items() if k not in _NOT_KEPT} for row in timed_rows(file)]
    context = {key: value for key, value in file["context"].items() if key not in _NOT_KEPT}
    text = ",\n".join("    " + json.dumps(row) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, f'{{\n  "context": {json.dumps(context)},\n  "benchmarks": [\n{text}\n  ]\n}}\n')
