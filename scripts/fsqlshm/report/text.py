"""The filters of the templates: values as a person reads them, and as small charts."""

import itertools
import json
import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from fsqlshm.text import number

Json = dict[str, Any]
SPARK_WIDTH, SPARK_HEIGHT = 120, 20


def words(name: Any) -> str:
    """A key of a document as words."""
    return str(name).replace("_", " ")


def cell(value: Any, longest: int = 400) -> str:
    """What a table shows of one value."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, Markup):
        return value
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, dict):
        value = "; ".join(f"{words(name)}: {cell(inner)}" for name, inner in value.items())
    elif isinstance(value, list):
        value = ", ".join(inner if isinstance(inner, str) else json.dumps(inner) for inner in value)
    text = str(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def ranges(numbers: list[int]) -> str:
    """[3, 4, 5, 9] as "3-5, 9"."""
    grouped = itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0])
    rows = [[n for _, n in run] for _, run in grouped]
    return ", ".join(f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in rows)


def runs(outcomes: list[Any]) -> list[tuple[str, Any]]:
    """["old", "old", "none"] as [("1-2", "old"), ("3", "none")]."""
    grouped = itertools.groupby(enumerate(outcomes, 1), lambda pair: str(pair[1]))
    return [(ranges([n for n, _ in run]), outcome) for outcome, run in grouped]


def without(value: Json, *names: str) -> Json:
    """The members of an object that have no place of their own."""
    return {k: v for k, v in value.items() if k not in names}


def rates(samples: list[Json], name: str) -> list[float]:
    """How fast a count grew between two samples."""
    pairs = [(a, b) for a, b in itertools.pairwise(samples) if b["seconds"] > a["seconds"]]
    return [(b.get(name, 0) - a.get(name, 0)) / (b["seconds"] - a["seconds"]) for a, b in pairs]


def spark(values: Sequence[float | None]) -> str:
    """The points of a small line chart from the least to the greatest of the values and 0. A value that is missing is
    left out."""
    points = [(i, v) for i, v in enumerate(values) if v is not None]
    low, high = (limit([0, *(v for _, v in points)]) for limit in (min, max))
    last, top = max(len(values) - 1, 1), SPARK_HEIGHT - 4
    return " ".join(
        f"{SPARK_WIDTH * i / last:.1f},{2 + top - top * (v - low) / ((high - low) or 1):.1f}" for i, v in points
    )


def escaped(text: Any) -> str:
    """One line that is safe in a table cell and in a sentence of Markdown."""
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", " ".join(str(text).splitlines()))


def code_block(text: str) -> str:
    """Fenced so that nothing in it ends it."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}sh\n{text}\n{fence}"
