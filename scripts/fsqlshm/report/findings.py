"""What was found, as the templates show it: a card a finding, and a row a known defect."""

import collections
from typing import Any

from fsqlshm import results
from fsqlshm.report import trace
from fsqlshm.report.text import Json, cell

DETAIL_LIMIT = 40000
# The defects of the published protocol, in the words of README.md.
DEFECTS = {
    "D1": "Two publishers open and close each other's window: readers accept a torn triple",
    "D2": "A writer that dies right after its compare-and-swap is taken for alive for ever",
    "D3": "A release clears the lease of the next owner, if the two leases are equal",
    "D4": "A release zeroes the generation, so a late clear erases a live owner's pid",
    "D5": "A writer that has just claimed is judged by its predecessor's expired lease and evicted",
    "D6": "A check meets the zeroes of a release half-way and answers busy, though nobody is live",
}
PUBLISHED = "reference"


def _card(document: results.Document, finding: results.Finding) -> Json:
    """The finding with its engine, its diagram, or its trace as it is where that is no interleaving."""
    detail, raw = finding["detail"].strip(), finding.get("trace")
    if len(detail) > DETAIL_LIMIT:
        detail = detail[:DETAIL_LIMIT] + "\n... the rest is in the JSON"
    try:
        drawn = trace.diagram(raw) if trace.is_trace(raw) else None
    except (KeyError, TypeError, ValueError, AttributeError):
        drawn = None  # it is shown as tables
    source = finding.get("source") or {}
    return {
        **finding,
        "engine": document["engine"],
        "subject": document["subject"],
        "times": 0,
        "detail": detail,
        "diagram": drawn,
        "other_trace": None if drawn else raw,
        "place": f"{source['file']}:{source['line']}" if source.get("file") and source.get("line") else "",
    }


def cards(documents: list[results.Document]) -> list[Json]:
    """All findings, those of a kind one after the other, violations first; the same one found several times is one."""
    found: dict[results.Identity, Json] = {}
    for document in documents:
        for finding in document["findings"]:
            card = found.setdefault(results.identity(document, finding), _card(document, finding))
            card["times"] += 1
    ordered = sorted(found.values(), key=lambda card: results.SEVERITIES.index(card["severity"]))
    return [{**card, "anchor": f"f{number}"} for number, card in enumerate(ordered, 1)]


def _row(name: str, text: str, shown_by: list[Json]) -> Json:
    """Of what shows it, the shortest diagram first, else the shortest text."""

    def length(card: Json) -> tuple[bool, int]:
        diagram = card["diagram"]
        return (diagram is None, len(diagram.steps) if diagram else len(card["detail"]))

    engines = collections.Counter(card["engine"] for card in shown_by)
    by = ", ".join(engine + (f" {count}" if count > 1 else "") for engine, count in engines.items())
    return {"name": name, "text": text, "by": by, "cards": sorted(shown_by, key=length)}


def known_defects(expected: list[Json], documents: list[results.Document]) -> list[Json]:
    """A row for each defect of the published protocol, if that was attacked at all."""
    names: dict[str, Any] = dict.fromkeys(DEFECTS if any(PUBLISHED in d["subject"] for d in documents) else [])
    names |= dict.fromkeys(sorted({card["defect"] for card in expected if card.get("defect")}))
    return [_row(n, DEFECTS.get(n, ""), [card for card in expected if card.get("defect") == n]) for n in names]


def planted_faults(expected: list[Json]) -> list[Json]:
    """What else must be found: faults that were planted, preconditions that were broken on purpose."""
    return [_row("other", cell(card["title"], 140), [card]) for card in expected if not card.get("defect")]
