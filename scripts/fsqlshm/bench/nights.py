"""What a night makes of its benchmarks: figures for trends, and a comparison with an earlier night."""

import pathlib
import statistics
from collections.abc import Iterable, Iterator
from typing import Any

from fsqlshm import schema
from fsqlshm.results import Document

FIGURES = ("read/uncontended/hardened", "read/thread/100k/hardened", "publish/hardened", "header/open_owned")


def _measured(documents: Iterable[Document]) -> Iterator[tuple[Document, dict[str, Any]]]:
    for document in documents:
        if document["engine"] == "bench" and document["details"].get("measured", {}).get("benchmarks"):
            yield document, document["details"]["measured"]


def figures(documents: Iterable[Document]) -> dict[str, float]:
    """Name to median in ns, of the few that the trends show."""
    known = [measured["benchmarks"] for _, measured in _measured(documents)]
    return {name: statistics.median(each[name]["ns"]) for each in known for name in FIGURES if name in each}


def compare_with(night: pathlib.Path, documents: Iterable[Document]) -> None:
    """Adds to the details of what was measured how it differs from what another night did, whose folder this is."""
    for document, measured in _measured(documents):
        try:
            from fsqlshm.bench import compare  # here, because it needs packages that a run itself does not

            _, last = next(_measured(schema.read_json(night / "summary.json")["results"]))
            rows = compare.compare(last, measured)
            document["details"]["comparison"] = {
                "with": f"night {night.name}",
                "careful": compare.differences_of_context(last, measured),
                "compared": len(rows),
                "rows": [row.members() for row in rows if row.verdict != compare.SAME],
            }
        except (
            ImportError,
            schema.BadDocument,
            StopIteration,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
        ) as error:
            document["details"]["comparison"] = {"with": f"nothing: {error!r}"}
