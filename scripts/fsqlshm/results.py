"""The result documents that engines write: reading, checking, summing up.

The schema of one document is described in harness/result.h. A campaign's summary.json has the
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
and only of a nightly run, see nightly.py
  history           list of objects: the last nights
  found_before      list of {key, first, last, replay}: what this night did not see
  proposed_regressions  list of {target, file, command}
  left_out          list of the slices that there was no time for
  corpora           object: target to number of inputs
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

# Members of a document, of a finding and of a summary. Whatever is optional may be missing or null.
NUMBER = (int, float)
LARGEST_NUMBER = 1e30
DEEPEST = 60
_DOCUMENT = {
    "engine": str,
    "subject": str,
    "status": str,
    "budget": dict,
    "started": str,
    "duration_seconds": NUMBER,
    "counts": dict,
    "headline": str,
    "findings": list,
    "details": dict,
}
_OPTIONAL_IN_DOCUMENT = {"reason": str, "document": str, "seed": int}
_FINDING = {"property": str, "title": str, "detail": str, "replay": str}
_OPTIONAL_IN_FINDING = {"artefacts": list, "source": dict, "first_seen": str}
_OPTIONAL_IN_SOURCE = {"file": str, "line": int}
_SUMMARY = {"minutes": NUMBER, "seed": int, "duration_seconds": NUMBER, "results": list}
_OPTIONAL_IN_SUMMARY = {
    "shard": str,
    "started": str,
    "commit": str,
    "machine": dict,
    "history": list,
    "found_before": list,
    "proposed_regressions": list,
    "left_out": list,
    "corpora": dict,
    "subject": str,
}
_NIGHT = {"night": str, "commit": str, "status": str, "seed": int, "seconds": NUMBER, "findings": dict, "engines": list}
_OPTIONAL_IN_NIGHT = {"figures": dict}
_WORK = {"engine": str, "subject": str, "seconds": NUMBER, "counts": dict}


class BadDocument(Exception):
    """A result document is missing, is no JSON, or is not of the schema."""


def _is(value, kind):
    if kind is int or kind is NUMBER:
        return isinstance(value, kind) and not isinstance(value, bool) and abs(value) < LARGEST_NUMBER
    return isinstance(value, kind)


def _check_members(value, required, optional=None, where=""):
    if not isinstance(value, dict):
        raise BadDocument(f"{where.removesuffix('.') or 'it'} is no object")
    for name, kind in required.items():
        if not _is(value.get(name), kind):
            raise BadDocument(f"{where}{name} is missing or of the wrong type")
    for name, kind in (optional or {}).items():
        if value.get(name) is not None and not _is(value[name], kind):
            raise BadDocument(f"{where}{name} is of the wrong type")


def _check_numbers(values, where):
    for name, value in values.items():
        if not _is(value, NUMBER):
            raise BadDocument(f"{where}.{name} is no number")


def check(document):
    """Raises BadDocument with the first thing that is wrong."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise BadDocument(f"schema is not {SCHEMA}")
    _check_members(document, _DOCUMENT, _OPTIONAL_IN_DOCUMENT)
    if document["status"] not in STATUSES:
        raise BadDocument(f"unknown status {document['status']!r}")
    _check_numbers(document["counts"], "counts")
    for finding in document["findings"]:
        if not isinstance(finding, dict) or finding.get("severity") not in SEVERITIES:
            raise BadDocument("a finding without a known severity")
        _check_members(finding, _FINDING, _OPTIONAL_IN_FINDING, "finding.")
        _check_members(finding.get("source") or {}, {}, _OPTIONAL_IN_SOURCE, "finding.source.")
    bad = [f for f in document["findings"] if f["severity"] != "expected"]
    if (document["status"] == "found") != bool(bad):
        raise BadDocument("status and findings contradict each other")


def read_json(path):
    """What a file says; raises BadDocument with a sentence. Nothing in it is so deep that who shows it
    would have to care."""
    try:
        value = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadDocument(f"cannot read {path}: {error}") from error
    except RecursionError as error:
        raise BadDocument(f"cannot read {path}: nested too deeply") from error
    layer = [value]
    for _ in range(DEEPEST):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    if layer:
        raise BadDocument(f"cannot read {path}: nested deeper than {DEEPEST} levels")
    return value


def load(path):
    """The checked document in a file."""
    document = read_json(path)
    try:
        check(document)
    except BadDocument as error:
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
    _check_members(summary, _SUMMARY, _OPTIONAL_IN_SUMMARY)
    for night in summary.get("history") or []:
        _check_members(night, _NIGHT, _OPTIONAL_IN_NIGHT, "history.")
        _check_numbers(night["findings"], "history.findings")
        _check_numbers(night.get("figures") or {}, "history.figures")
        for work in night["engines"]:
            _check_members(work, _WORK, {}, "history.engines.")
            _check_numbers(work["counts"], "history.engines.counts")
    for before in summary.get("found_before") or []:
        _check_members(before, {"key": list}, {"replay": str}, "found_before.")
        if len(before["key"]) != FINDING_KEY_LENGTH:
            raise BadDocument("found_before.key is of the wrong length")
    for proposed in summary.get("proposed_regressions") or []:
        _check_members(proposed, {"command": str}, {}, "proposed_regressions.")
    for number, document in enumerate(summary["results"], 1):
        try:
            check(document)
        except BadDocument as error:
            raise BadDocument(f"result {number}: {error}") from error
    status = STATUS_OF_EXIT[exit_status(summary["results"])]
    if summary.get("status") != status:
        raise BadDocument(f"status is {summary.get('status')!r}, but the results say {status!r}")


def labels(documents):
    """What to call the subject of each: several documents of an engine about the same one go by the names of
    their files, too."""
    pairs = [(document["engine"], document["subject"]) for document in documents]
    names = []
    for document, (engine, subject) in zip(documents, pairs):
        part = pathlib.PurePath(document.get("document") or "").stem
        # fuzz-reference-D3.json about schedule_reference is its D3.
        for known in (f"{engine}-", subject, subject.rpartition("_")[2], "-"):
            part = part.removeprefix(known)
        names.append(f"{subject}, {part}" if part and pairs.count((engine, subject)) > 1 else subject)
    return names


def headline(document):
    """The work that was done, for a table."""
    if document["headline"]:
        return document["headline"]
    return ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in list(document["counts"].items())[:3])


FINDING_KEY_LENGTH = 5


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
    # JSON can hold halves of characters, which no encoding can.
    with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path, value):
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
