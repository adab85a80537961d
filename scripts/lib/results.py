"""The result documents that engines write: reading, checking, summing up.

The schema is described in core/harness/result.h.
"""

import json
import pathlib

SCHEMA = "fsqlshm-result/1"
STATUSES = ("clean", "found", "could_not_run")
SEVERITIES = ("violation", "vacuous", "expected")
CLEAN, FOUND, COULD_NOT_RUN = 0, 1, 2

_TYPES = {
    "engine": str,
    "subject": str,
    "status": str,
    "budget": dict,
    "started": str,
    "duration_seconds": (int, float),
    "counts": dict,
    "headline": str,
    "findings": list,
    "details": dict,
}


class BadDocument(Exception):
    """A result document is missing, is no JSON, or is not of the schema."""


def check(document):
    """Raises BadDocument with the first thing that is wrong."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise BadDocument(f"schema is not {SCHEMA}")
    for name, kind in _TYPES.items():
        if not isinstance(document.get(name), kind):
            raise BadDocument(f"{name} is missing or of the wrong type")
    if document["status"] not in STATUSES:
        raise BadDocument(f"unknown status {document['status']!r}")
    for name, value in document["counts"].items():
        if not isinstance(value, (int, float)):
            raise BadDocument(f"counts.{name} is no number")
    for finding in document["findings"]:
        if not isinstance(finding, dict) or finding.get("severity") not in SEVERITIES:
            raise BadDocument("a finding without a known severity")
        for name in ("property", "title", "detail", "replay"):
            if not isinstance(finding.get(name), str):
                raise BadDocument(f"a finding without {name}")
    bad = [f for f in document["findings"] if f["severity"] != "expected"]
    if (document["status"] == "found") != bool(bad):
        raise BadDocument("status and findings contradict each other")


def load(path):
    """The checked document in a file."""
    try:
        document = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        check(document)
    except (OSError, ValueError, BadDocument) as error:
        raise BadDocument(f"{path}: {error}") from error
    return document


def could_not_run(engine, reason, seconds=0.0, started=""):
    """A document in the place of one that an engine did not write."""
    return {
        "schema": SCHEMA,
        "engine": engine,
        "subject": "-",
        "status": "could_not_run",
        "reason": reason,
        "seed": None,
        "budget": {},
        "started": started,
        "duration_seconds": seconds,
        "counts": {},
        "headline": "",
        "findings": [],
        "details": {},
    }


def exit_status(documents):
    """Found beats could-not-run beats clean. No document at all says nothing, so it is no success."""
    statuses = {document["status"] for document in documents}
    if "found" in statuses:
        return FOUND
    return COULD_NOT_RUN if "could_not_run" in statuses or not statuses else CLEAN
