"""Result documents and summaries: how they are made, checked and summed up."""

import dataclasses
import datetime
import pathlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from fsqlshm import files, schema
from fsqlshm.schema import BadDocument
from fsqlshm.text import duration, number

SCHEMA = "fsqlshm-result/1"
CAMPAIGN_SCHEMA = "fsqlshm-campaign/1"
SEVERITIES = ("violation", "vacuous", "expected")
# The exit status of every program and script.
CLEAN, FOUND, COULD_NOT_RUN = 0, 1, 2
# The counts that say how much was attacked, in the order in which they are worth a line.
TELLING = ("executions", "scenarios", "complete_searches", "snapshot_reads", "publishes", "acquires", "kills",
           "crash_points", "creation_points", "stop_points", "iterations", "deaths", "measurements", "hardened_steps",
           "tests", "sources", "obligations", "claims", "mutants", "refuted")  # fmt: skip
STATUS_OF_EXIT = ("clean", "found", "could_not_run")


class CouldNotRun(Exception):
    """The run cannot go on; the text says why."""


# Their members are described in harness/schema/, which what is written and read is checked against.
Finding = dict[str, Any]
Document = dict[str, Any]
Summary = dict[str, Any]


class Identity(NamedTuple):
    """What makes two findings the same one."""

    engine: str
    subject: str
    severity: str
    property: str
    defect: str
    title: str


def identity(document: Document, finding: Finding) -> Identity:
    d, f = document, finding
    return Identity(d["engine"], d["subject"], f["severity"], f["property"], f.get("defect", ""), f["title"])


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclasses.dataclass
class Result:
    """A result document in the making. Its time runs until document(), unless duration_seconds is set."""

    engine: str
    subject: str
    seed: int | None = None
    budget: dict[str, Any] = dataclasses.field(default_factory=dict)
    counts: dict[str, float] = dataclasses.field(default_factory=dict)
    headline: str = ""
    findings: list[Finding] = dataclasses.field(default_factory=list)
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    reason: str = ""  # why it could not run, or not to its end
    started: str = dataclasses.field(default_factory=now)
    duration_seconds: float | None = None
    _start: float = dataclasses.field(default_factory=time.monotonic, init=False, repr=False)

    def find(self, severity: str, violated: str, title: str, **members: Any) -> None:
        """Adds a finding; `violated` is its property. `members`: detail, replay, defect, artefacts, source, trace."""
        empty: Finding = {"defect": "", "detail": "", "replay": "", "artefacts": []}
        self.findings.append({"severity": severity, "property": violated, "title": title, **empty, **members})

    @property
    def status(self) -> str:
        if any(finding["severity"] != "expected" for finding in self.findings):
            return "found"
        return "could_not_run" if self.reason else "clean"

    def document(self) -> Document:
        members = {name: value for name, value in vars(self).items() if name[0] != "_" and (name != "reason" or value)}
        seconds = time.monotonic() - self._start if self.duration_seconds is None else self.duration_seconds
        return members | {"schema": SCHEMA, "status": self.status, "duration_seconds": seconds}

    def write(self, path: pathlib.Path) -> int:
        """Writes the document; returns the exit status that it stands for."""
        document = self.document()
        check(document)
        files.write_json(path, document)
        return exit_status([document])


def could_not_run(engine: str, reason: str, seconds: float = 0.0, started: str = "") -> Document:
    """A document in the place of one that an engine did not write."""
    return Result(engine, "-", reason=reason, duration_seconds=seconds, started=started).document()


def check(document: Any) -> None:
    """Raises BadDocument with the first thing that is wrong."""
    schema.check("result.json", document)
    bad = any(finding["severity"] != "expected" for finding in document["findings"])
    if (document["status"] == "found") != bad:
        raise BadDocument("status and findings contradict each other")


def check_summary(summary: Any) -> None:
    """Raises BadDocument with the first thing that is wrong with a campaign's summary."""
    schema.check("campaign.json", summary)
    for document in summary["results"]:
        check(document)
    status = STATUS_OF_EXIT[exit_status(summary["results"])]
    if summary["status"] != status:
        raise BadDocument(f"status is {summary['status']!r}, but the results say {status!r}")


def load(path: pathlib.Path, checked: Callable[[Any], None] = check) -> Document:
    document: Document = schema.read_json(path)
    try:
        checked(document)
    except BadDocument as error:
        raise BadDocument(f"{path}: {error}") from error
    return document


def load_summary(path: pathlib.Path) -> Summary:
    return load(path, check_summary)


def summary(documents: Sequence[Document], **members: Any) -> Summary:
    """Of a campaign or a night; `members` as in harness/schema/campaign.json."""
    status = STATUS_OF_EXIT[exit_status(documents)]
    return {"schema": CAMPAIGN_SCHEMA, "status": status, **members, "results": documents}


def exit_status(documents: Iterable[Document]) -> int:
    """Found beats could-not-run beats clean. No document at all says nothing, so it is no success."""
    statuses = {document["status"] for document in documents}
    if "found" in statuses:
        return FOUND
    return COULD_NOT_RUN if "could_not_run" in statuses or not statuses else CLEAN


def labels(documents: Sequence[Document]) -> list[str]:
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


def headline(document: Document) -> str:
    """The work that was done, for a table: what the engine says; of merged documents the counts that say most."""
    said: str = document["headline"]
    counts = document["counts"]
    names = [name for name in TELLING if name in counts] or list(counts)
    return said or ", ".join(f"{number(counts[name])} {name.replace('_', ' ')}" for name in names[:4])


def table(documents: Sequence[Document]) -> tuple[list[str], list[list[str]]]:
    """The columns and the rows of a summary."""
    rows = []
    for document, subject in zip(documents, labels(documents)):
        expected = sum(f["severity"] == "expected" for f in document["findings"])
        findings = str(len(document["findings"]) - expected) + (f" (+{expected} expected)" if expected else "")
        words = [document["engine"], subject, document["status"].replace("_", " "), headline(document), findings]
        rows.append([*words, duration(document["duration_seconds"])])
    return ["engine", "subject", "status", "work done", "findings", "time"], rows


def verdict(documents: Sequence[Document]) -> str:
    found = {identity(d, f) for d in documents for f in d["findings"]}
    parts = []
    for severity, words in (("violation", "violation%s found"), ("vacuous", "vacuous check%s")):
        count = sum(one.severity == severity for one in found)
        if count:
            parts.append(f"{count} " + words % ("s" * (count != 1)))
    failed = list(dict.fromkeys(d["engine"] for d in documents if d["status"] == "could_not_run"))
    if failed:
        parts.append(f"could not run to the end: {', '.join(failed)}")
    elif not documents:
        parts.append("could not run: no results at all")
    text = "; ".join(parts) or "nothing found"
    if not parts and found:
        text += " but the known defects"
    return text[0].upper() + text[1:]
