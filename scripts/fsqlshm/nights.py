"""What a nightly run keeps in its state folder, and what the slices of a night come to.

The state folder (out/nightly):
  lock           held while a run is at work
  state.json     State
  history.json   an entry a night that ended, see history_entry
  findings.json  everything ever found, with the nights that saw it first and last
  corpus/        working corpora of the fuzz targets
  regressions/   failing inputs that are not in corpus/regressions yet, see propose_regressions
  nights/ID/     a night: slices/NN-NAME.K/ for the K-th attempt at a slice, then the summary and the report
  tmp/           the engines' TMPDIR; emptied when a run starts, because a killed one leaves things there
"""

import hashlib
import pathlib
import shlex
import shutil
from collections.abc import Sequence
from typing import Any, TypedDict

from fsqlshm import ROOT, campaign, files, host, merge, results, runner, schema
from fsqlshm.bench import nights as bench
from fsqlshm.fuzz import corpora
from fsqlshm.results import CouldNotRun, Document, Summary

SCHEMA = "fsqlshm-nightly/1"
KEEP_NIGHTS = 30


class Slice(TypedDict):
    id: str
    engine: str
    seconds: int
    seed: int
    arguments: list[str]


class Night(TypedDict):
    id: str
    commit: str
    seed: int
    hours: float
    started: str
    seconds: float  # spent so far
    plan: list[Slice]
    left_out: list[str]  # slices that there is no time for
    planted: dict[str, str]  # by engine the subject in which it must find a fault


class State:
    """The state folder and state.json."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.corpus = folder / "corpus"
        self.path = folder / "state.json"
        self.next_seed = 1
        self.night: Night | None = None
        if self.path.exists():
            # A broken file of this folder is an error, not a fresh start: that would lose what was found.
            value = schema.read_json(self.path)
            if value["schema"] != SCHEMA:
                raise CouldNotRun(f"{self.path}: its schema is not {SCHEMA}")
            self.next_seed, self.night = value["next_seed"], value["night"]

    def save(self) -> None:
        files.write_json(self.path, {"schema": SCHEMA, "next_seed": self.next_seed, "night": self.night})

    def night_folder(self, night: Night) -> pathlib.Path:
        return self.folder / "nights" / night["id"]

    def prune(self) -> None:
        """Removes the folders of nights that no trend shows any more."""
        for folder in sorted((self.folder / "nights").iterdir())[:-KEEP_NIGHTS]:
            shutil.rmtree(folder, ignore_errors=True)


def attempts(night: pathlib.Path) -> tuple[dict[str, pathlib.Path], list[pathlib.Path]]:
    """Of a night so far: the folders of the slices that are done, by their ids, and those of interrupted attempts."""
    every = sorted((night / "slices").iterdir())
    done = {folder.name.split(".")[0]: folder for folder in every if (folder / "slice.json").exists()}
    return done, [folder for folder in every if folder not in done.values()]


def collect(night: pathlib.Path) -> list[Document]:
    """All documents of a night so far: those of slices that are done, then what interrupted attempts found."""
    done, interrupted = attempts(night)
    documents: list[Document] = []
    for folder in done.values():
        documents += schema.read_json(folder / "slice.json")["documents"]
    for folder in interrupted:
        found = [document for document in runner.read_documents(folder)[0] if document["status"] == "found"]
        for document in found:
            document.pop("reason", None)
            if folder.name.split(".")[0] in done:  # and so was its work: that is not counted twice
                document["counts"], document["details"], document["budget"] = {}, {}, {}
        documents += found
    for document in documents:
        if document.get("document"):
            document["document"] = f"slices/{document['document']}"
    return documents


def update_findings(state: State, night: Night, documents: Sequence[Document]) -> list[dict[str, str]]:
    """findings.json with this night's; marks in the documents when each was first seen. Returns those
    that this night did not see."""
    path = state.folder / "findings.json"
    by_identity: dict[results.Identity, dict[str, str]] = {}
    for entry in schema.read_json(path)["findings"] if path.exists() else []:
        by_identity[results.Identity(*(entry[name] for name in results.Identity._fields))] = entry
    for document in documents:
        for finding in document["findings"]:
            identity = results.identity(document, finding)
            new = {**identity._asdict(), "first": night["id"], "last": "", "replay": finding["replay"]}
            entry = by_identity.setdefault(identity, new)
            entry["last"] = max(entry["last"], night["id"])
            this_one = ", this one" if entry["first"] == night["id"] else ""
            finding["first_seen"] = f"night {entry['first']}{this_one}"
    files.write_json(path, {"schema": SCHEMA, "findings": list(by_identity.values())})
    return [e for e in by_identity.values() if e["last"] < night["id"] and e["severity"] != "expected"]


def _digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def propose_regressions(state: State, documents: Sequence[Document]) -> list[dict[str, str]]:
    """Copies failing inputs that are not yet kept to regressions/TARGET/HASH. Returns the commands that keep them."""
    kept = {_digest(p) for p in (ROOT / "corpus" / "regressions").rglob("*") if p.is_file()}
    proposed = {}
    for document in documents:
        bad = [f for f in document["findings"] if document["engine"] == "fuzz" and f["severity"] == "violation"]
        for path in (pathlib.Path(artefact) for finding in bad for artefact in finding["artefacts"]):
            if not path.is_file() or _digest(path) in kept:
                continue
            target = state.folder / "regressions" / document["subject"] / _digest(path)[:16]
            if not target.exists():
                files.copy(path, target)
            place = f"corpus/regressions/{document['subject']}"
            proposed[target] = {"command": f"mkdir -p {place} && cp {shlex.quote(str(target))} {place}/"}
    return list(proposed.values())


def history_entry(night: Night, summary: Summary) -> dict[str, Any]:
    """What the trends are drawn of."""
    documents = summary["results"]
    found = {results.identity(d, f) for d in documents for f in d["findings"]}
    entry: dict[str, Any] = {"night": night["id"], "status": summary["status"], "seconds": round(night["seconds"], 1)}
    entry |= {name: summary[name] for name in ("started", "commit", "seed", "minutes")}
    entry["figures"] = bench.figures(documents)
    entry["findings"] = {s: sum(one.severity == s for one in found) for s in results.SEVERITIES}
    entry["engines"] = [
        {name: d[name] for name in ("engine", "subject", "status", "counts")} | {"seconds": d["duration_seconds"]}
        for d in documents
        if d["status"] != "could_not_run" or d["counts"]
    ]
    return entry


def summarise(state: State, night: Night, finished: bool) -> Summary:
    folder = state.night_folder(night)
    separate = collect(folder)
    documents = merge.merge_all(separate)
    done, _ = attempts(folder)
    missing = [one["id"] for one in night["plan"] if one["id"] not in done]
    if missing:
        reason = f"{len(missing)} of {len(night['plan'])} slices were not run to their end"
        reason += "; the code has changed since" if finished else "; the next run goes on"
        documents.append(results.could_not_run("nightly", reason))
    expected = {(d["engine"], d["subject"]) for d in documents for f in d["findings"] if f["severity"] == "expected"}
    for engine, fault in night.get("planted", {}).items():
        if not missing and (engine, fault) not in expected:
            reason = f"the planted fault (the {fault}) was not found, so nothing is known of what else was not"
            documents.append(results.could_not_run("nightly", reason))
    return results.summary(
        documents,
        minutes=night["hours"] * 60,
        duration_seconds=round(night["seconds"], 1),
        shard="1/1",
        machine=host.machine(),
        proposed_regressions=propose_regressions(state, separate),
        corpora=corpora.sizes(state.corpus),
        seed=night["seed"],
        started=night["started"],
        commit=night["commit"],
        left_out=night["left_out"],
    )


def sum_up(state: State, night: Night, finished: bool) -> tuple[Summary, pathlib.Path]:
    """Writes the night's summary and report; if it has ended also history and state. May be done twice."""
    folder = state.night_folder(night)
    summary = summarise(state, night, finished)
    history = state.folder / "history.json"
    kept = schema.read_json(history)["nights"] if history.exists() else []
    nights = [entry for entry in kept if entry["night"] != night["id"]]
    if measured := [entry["night"] for entry in nights if entry["figures"]]:
        bench.compare_with(folder.with_name(measured[-1]), summary["results"])
    summary["found_before"] = update_findings(state, night, summary["results"])
    nights.append(history_entry(night, summary))
    summary["history"] = nights[-KEEP_NIGHTS:]
    files.write_json(folder / "summary.json", summary)
    page = campaign.make_report(folder)
    files.link(folder, state.folder / "latest")
    if finished:
        files.write_json(history, {"schema": SCHEMA, "nights": nights})
        state.next_seed = max(state.next_seed, night["seed"] + len(night["plan"]))
        state.night = None
        state.save()
        state.prune()
    return summary, page
