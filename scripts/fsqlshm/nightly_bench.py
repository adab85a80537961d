"""What a nightly run makes of its benchmarks: a comparison with the last night, and figures for trends."""

import json
import statistics

from fsqlshm import results
from fsqlshm.bench import compare

FIGURES = ("read/uncontended/hardened", "read/thread/100k/hardened", "publish/hardened", "header/open_owned")
LAST = "bench-last.json"


def _measured(documents):
    """The documents with samples of each operation, see scripts/engines/bench."""
    for document in documents:
        measured = document["details"].get("measured")
        if (
            document["engine"] == "bench"
            and isinstance(measured, dict)
            and isinstance(measured.get("benchmarks"), dict)
        ):
            yield document, measured


def figures(documents):
    """Name to median in ns, of the few that the trends show."""
    out = {}
    for _, measured in _measured(documents):
        for name in FIGURES:
            samples = measured["benchmarks"].get(name, {}).get("ns")
            if samples:
                out[name] = statistics.median(samples)
    return out


def compare_with_last(state_folder, night_id, documents):
    """Adds `comparison` to the details of a document whose operations an earlier night measured too."""
    path = state_folder / LAST
    if not path.exists():
        return
    try:
        last = json.loads(path.read_text(encoding="utf-8"))
        if last["night"] == night_id:
            return
        for document, measured in _measured(documents):
            rows = compare.compare(last["measured"], measured)
            document["details"]["comparison"] = {
                "with": f"night {last['night']}",
                "careful": compare.differences_of_context(last["measured"], measured),
                "compared": len(rows),
                "rows": [row for row in rows if row["verdict"] != "no difference"],
            }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        for document, _ in _measured(documents):
            document["details"]["comparison"] = {"with": f"nothing: {type(error).__name__}: {error}"}


def keep(state_folder, night_id, documents):
    """For the next night."""
    for _, measured in _measured(documents):
        results.write_json(state_folder / LAST, {"night": night_id, "measured": measured})
