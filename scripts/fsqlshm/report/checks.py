"""Checks that the harness detects known faults: what shows that a clean run would not have been clean if something
were wrong."""

from collections.abc import Iterator
from typing import Any

from fsqlshm.results import Document
from fsqlshm.text import number

# A search ends with the first violation, so what it did not reach says nothing.
ENDED = ("known", "violated", "stopped")
# Outcomes of a litmus race that need both operations at the same time.
MET = ("interesting", "forbidden")
LEAST_ACCEPTED = 0.85  # of the inputs of a mutator that seals the checksum
# What was checked, how much was detected, and whether that is enough.
Check = tuple[str, str, bool]


def _all_of(what: str, detected: list[Any]) -> Iterator[Check]:
    if detected:
        count = sum(map(bool, detected))
        yield what, f"{count} of {len(detected)}", count == len(detected)


def _of_document(document: Document) -> Iterator[Check]:
    details, counts, engine = document["details"], document["counts"], document["engine"]
    expected = sum(finding["severity"] == "expected" for finding in document["findings"])
    if expected:
        yield "known defects and planted faults found", str(expected), True
    if engine in ("relacy", "rc11") or (engine == "step" and document["subject"] == "hardened.so"):
        searches = [row for row in details.get("scenarios") or [] if row.get("status") not in ENDED]
        if engine == "rc11":  # depth first: a search that was cut short has not met what lies behind
            cut = sum(not row["complete"] for row in searches)
            searches = [row for row in searches if row["complete"]]
            if cut:
                yield "searches cut short, outcomes not judged", str(cut), True
        yield from _all_of(
            "declared outcomes reached", [n for row in searches for n in row.get("outcomes", {}).values()]
        )
        yield from _all_of("litmus tests as documented", [row["as_expected"] for row in details.get("litmus") or []])
        audit = (details.get("audit") or {}).get("hardened") or {}
        yield from _all_of("weakened memory orders detected", [row.get("killed") for row in audit.get("matrix") or []])
    elif engine == "stress":
        races = [race["outcomes"] for race in details.get("outcomes") or []]
        met = [any(row.get("count") and row.get("verdict") in MET for row in race) for race in races]
        yield from _all_of("litmus races that raced", met)
    elif engine == "bench" and "torn_racy_reads" in counts:
        yield "torn reads of unprotected words seen", number(counts["torn_racy_reads"]), counts["torn_racy_reads"] > 0
    elif engine == "fuzz":
        after, ratio = details.get("found_after_seconds"), details.get("accept_ratio")
        if document["subject"] == "canary":
            yield "planted fault (the canary)", f"found after {after:.1f} s" if after else "not found", bool(after)
        if ratio is not None:
            yield "inputs that pass the checksum", f"{100 * ratio:.1f} %", ratio > LEAST_ACCEPTED
    for finding in document["findings"]:
        if finding["severity"] == "vacuous":
            yield finding["title"], "vacuous", False


def checks(documents: list[Document]) -> list[dict[str, Any]]:
    """Every check of every document, those that failed first."""
    rows = []
    for document in documents:
        try:
            found = list(_of_document(document))
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
            continue  # its own section says that it is not as expected
        names = {"engine": document["engine"], "subject": document["subject"]}
        rows += [{**names, "what": what, "text": text, "fine": fine} for what, text, fine in found]
    return sorted(rows, key=lambda row: row["fine"] is True)
