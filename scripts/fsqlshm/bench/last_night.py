"""What a nightly run makes of its benchmarks: a comparison with the last night, and figures for trends."""

import dataclasses
import json
import pathlib
import statistics
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from fsqlshm import files
from fsqlshm.results import Document

if TYPE_CHECKING:  # its libraries may not be there yet when a night starts
    from fsqlshm.bench.measured import Measured

FIGURES = ("read/uncontended/hardened", "read/thread/100k/hardened", "publish/hardened", "header/open_owned")
LAST = "bench-last.json"


def _measured(documents: Iterable[Document]) -> Iterator[tuple[Document, "Measured"]]:
    """The documents with samples of each operation."""
    for document in documents:
        measured = document["details"].get("measured")
        if document["engine"] == "bench" and isinstance(measured, dict) and measured.get("benchmarks"):
            yield document, measured  # type: ignore[misc]  # it keeps to its schema


def figures(documents: Iterable[Document]) -> dict[str, float]:
    """Name to median in ns, of the few that the trends show."""
    known = [measured["benchmarks"] for _, measured in _measured(documents)]
    return {name: statistics.median(each[name]["ns"]) for each in known for name in FIGURES if name in each}


def compare_with(state_folder: pathlib.Path, night_id: str, documents: Iterable[Document]) -> None:
    """Adds `comparison` to the details of a document whose operations an earlier night measured too."""
    path = state_folder / LAST
    if not path.exists():
        return
    for document, measured in _measured(documents):
        try:
            from fsqlshm.bench import compare  # as above

            last = json.loads(path.read_text(encoding="utf-8"))
            if last["night"] == night_id:
                return
            rows = compare.compare(last["measured"], measured)
            document["details"]["comparison"] = {
                "with": f"night {last['night']}",
                "careful": compare.differences_of_context(last["measured"], measured),
                "compared": len(rows),
                "rows": [dataclasses.asdict(row) for row in rows if row.verdict != "no difference"],
            }
        except (ImportError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            document["details"]["comparison"] = {"with": f"nothing: {type(error).__name__}: {error}"}


def keep(state_folder: pathlib.Path, night_id: str, documents: Iterable[Document]) -> None:
    """For the next night."""
    for _, measured in _measured(documents):
        files.write_json(state_folder / LAST, {"night": night_id, "measured": measured})
