"""The result documents that engines write: reading, checking, summing up.

The schema of one document is described in core/harness/result.h. A campaign's summary.json has the
schema "fsqlshm-campaign/1", an object with
  schema            "fsqlshm-campaign/1"
  status            "clean", "found" or "could_not_run": follows from the results
  minutes           number: what was asked for
  seed, shard       number and "I/N"
  started           UTC, ISO 8601
  duration_seconds  number
  commit            of the repository, or empty
  machine           object: whatever is known of the machine, or of the machines
  results           list of result documents, each with one more member:
                      document  its file relative to the summary, if it has one
  history           only of a nightly run: see nightly.py
"""

import json
import os
import pathlib

SCHEMA = "fsqlshm-result/1"
CAMPAIGN_SCHEMA = "fsqlshm-campaign/1"
STATUSES = ("clean", "found", "could_not_run")
SEVERITIES = ("violation", "vacuous", "expected")
CLEAN, FOUND, COULD_NOT_RUN = 0, 1, 2
STATUS_OF_EXIT = ("clean", "found", "could_not_run")

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
        if isinstance(value, bool) or not isinstance(value, (int, float)):
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


def check_summary(summary):
    """Raises BadDocument with the first thing that is wrong with a campaign's summary."""
    if not isinstance(summary, dict) or summary.get("schema") != CAMPAIGN_SCHEMA:
        raise BadDocument(f"schema is not {CAMPAIGN_SCHEMA}")
    for name, kind in (("minutes", (int, float)), ("seed", int), ("duration_seconds", (int, float)),
                       ("results", list)):
        if not isinstance(summary.get(name), kind):
            raise BadDocument(f"{name} is missing or of the wrong type")
    for number, document in enumerate(summary["results"], 1):
        try:
            check(document)
        except BadDocument as error:
            raise BadDocument(f"result {number}: {error}") from error
    status = STATUS_OF_EXIT[exit_status(summary["results"])]
    if summary.get("status") != status:
        raise BadDocument(f"status is {summary.get('status')!r}, but the results say {status!r}")


def headline(document):
    """The work that was done, for a table."""
    if document["headline"]:
        return document["headline"]
    return ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in list(document["counts"].items())[:3])


def finding_key(document, finding):
    """What makes two findings the same one."""
    return (document["engine"], document["subject"], finding["severity"], finding["property"], finding["title"])


def verdict(documents):
    """One line that says how it ended."""
    keys = {finding_key(d, f) for d in documents for f in d["findings"]}
    violations = sum(key[2] == "violation" for key in keys)
    vacuous = sum(key[2] == "vacuous" for key in keys)
    parts = []
    if violations:
        parts.append(f"{violations} violation{'s' * (violations != 1)} found")
    if vacuous:
        parts.append(f"{vacuous} blind check{'s' * (vacuous != 1)}")
    failed = list(dict.fromkeys(d["engine"] for d in documents if d["status"] == "could_not_run"))
    if failed:
        parts.append(f"could not run to the end: {', '.join(failed)}")
    elif not documents:
        parts.append("could not run: no results at all")
    text = "; ".join(parts) or "nothing found"
    if not parts and keys:
        text += " but the known defects"
    return text[0].upper() + text[1:]


def write_text(path, text):
    """Writes a file whole or not at all, also when the machine goes down in between."""
    path = pathlib.Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path, value):
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
