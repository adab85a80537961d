"""Runs all engines in slices for hours, and goes on where the last run stopped. See scripts/nightly.

The state folder (out/nightly):
  lock           held while a run is at work
  state.json     {"schema": "fsqlshm-nightly/1", "next_seed", "night": null or
                 {"id", "commit", "seed", "hours", "started", "seconds", "plan": [slice],
                  "left_out": [name of a slice that there is no time for]}}
  history.jsonl  one line a night that ended, see history_entry
  findings.json  everything ever found, with the nights that saw it first and last
  corpus/        working corpora of the fuzz targets
  bench-last.json  what the last night's benchmarks measured, to compare with
  regressions/   failing inputs that are not in corpus/regressions yet, see propose_regressions
  nights/ID/     a night: slices/NN-NAME/ for each slice that ended, then the summary and the report
  tmp/           the engines' TMPDIR; emptied when a run starts, because a killed one leaves things there

A slice is done when its folder nights/ID/slices/NN-NAME exists: it runs in NN-NAME.part, which gets
its name when everything is in it. Nothing else says so, so there is no moment at which two files
could contradict each other. Whatever follows the last slice can be done twice with the same result.
A slice that was interrupted is run again, from its start and with the same seed; what its first
attempt left is kept as NN-NAME.interrupted-K, and what it had found counts too. Every slice of every night has a seed of
its own, the next one, so it goes on where the last one stopped: to an engine another seed means other
executions (Relacy: the next range of iterations).
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import math
import os
import pathlib
import re
import shlex
import shutil
import sys

from fsqlshm import ROOT, campaign, merge, nightly_bench, nightly_corpus, results, runner
from fsqlshm.runner import CouldNotRun

SCHEMA = "fsqlshm-nightly/1"
SLICE_SECONDS = 900
KEEP_NIGHTS = 30
# A night must have found the planted fault, which is this subject of the fuzz engine.
CANARY = ("fuzz", "canary")
# These go on from the corpora of the slices before.
CORPUS_ENGINES = ("fuzz", "coverage")


def parse_arguments(arguments):
    def fail(message):
        raise CouldNotRun(f"{message}; see --help")

    parser = argparse.ArgumentParser(prog="nightly", add_help=False, allow_abbrev=False)
    parser.error = fail
    parser.add_argument("--hours", type=float, default=6)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--state", type=pathlib.Path, default=ROOT / "out" / "nightly")
    parser.add_argument("--table", type=pathlib.Path, default=ROOT / "scripts" / "nightly.table")
    options = parser.parse_args(arguments)
    if not 0.02 <= options.hours <= 7 * 24:
        fail("--hours must be from 0.02 to 168")
    if options.seed is not None and not 0 <= options.seed < 2**62:
        fail("--seed must be from 0 to 2^62-1")
    options.state = options.state.resolve()
    return options


def read_table(path):
    """[{name, share, least, engine, arguments}]"""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CouldNotRun(f"cannot read the table: {error}") from error
    for number, line in enumerate(lines, 1):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        numbers = all(re.fullmatch(r"\d+(\.\d+)?", word) for word in words[1:3])
        if len(words) < 4 or not numbers or not re.fullmatch(r"[a-z0-9-]+", words[0]):
            raise CouldNotRun(f"{path}:{number}: expected a name, a share, the least seconds and an engine")
        if not runner.program_of(words[3]).is_file():
            raise CouldNotRun(f"{path}:{number}: there is no engine '{words[3]}'")
        rows.append(
            {
                "name": words[0],
                "share": float(words[1]),
                "least": float(words[2]),
                "engine": words[3],
                "arguments": words[4:],
            }
        )
    if not rows or len({row["name"] for row in rows}) != len(rows):
        raise CouldNotRun(f"{path}: no slices, or a name twice")
    return rows


def split_table(rows, hours):
    """(the rows that such a night has time for, the names of the others)"""
    total = sum(row["share"] for row in rows)
    short = [row["name"] for row in rows if total and hours * 3600 * row["share"] / total < row["least"]]
    return [row for row in rows if row["name"] not in short], short


def make_plan(rows, hours, seed):
    """The slices of a night in their order: each engine's time in turns of about the same length."""
    total = sum(row["share"] for row in rows)
    seconds = {row["name"]: hours * 3600 * row["share"] / total if total else 0 for row in rows}
    rounds = max(1, math.ceil(max(seconds.values()) / SLICE_SECONDS))
    plan = []
    for turn in range(rounds):
        for row in rows:
            pieces = min(rounds, max(1, math.ceil(seconds[row["name"]] / SLICE_SECONDS)))
            if turn >= pieces:
                continue
            plan.append(
                {
                    "id": f"{len(plan) + 1:03d}-{row['name']}",
                    "name": row["name"],
                    "engine": row["engine"],
                    "seconds": max(5, int(seconds[row["name"]] / pieces)) if row["share"] else 0,
                    "seed": seed + len(plan),
                    "arguments": row["arguments"],
                }
            )
    return plan


class State:
    """state.json. A broken one is an error, not a fresh start: it would lose what was found."""

    def __init__(self, folder):
        self.path = folder / "state.json"
        self.value = {"schema": SCHEMA, "next_seed": 1, "night": None}
        if self.path.exists():
            try:
                self.value = json.loads(self.path.read_text(encoding="utf-8"))
                if self.value["schema"] != SCHEMA or {"next_seed", "night"} - set(self.value):
                    raise ValueError(f"schema is not {SCHEMA}")
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise CouldNotRun(f"cannot read {self.path}: {error}; move it away to start afresh") from error

    def save(self):
        results.write_json(self.path, self.value)


def read_lines(path):
    """The objects of a .jsonl file."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise CouldNotRun(f"cannot read {path}: {error}") from error


def read_slice(folder):
    """slice.json: the documents as run_engine returned them, failures included."""
    try:
        value = json.loads((folder / "slice.json").read_text(encoding="utf-8"))
        for document in value["documents"]:
            results.check(document)
        return value
    except (OSError, ValueError, KeyError, TypeError, results.BadDocument) as error:
        raise CouldNotRun(f"{folder / 'slice.json'}: {error}") from error


def placed(documents, folder):
    """The documents with their files' places relative to the night's folder, and what they say of files
    of theirs as it is since the folder has its name."""
    part = f"/{folder.name.split('.')[0]}.part/"
    for document in documents:
        if document.get("document"):
            document["document"] = f"slices/{folder.name}/{pathlib.PurePath(document['document']).name}"
        for finding in document["findings"]:
            finding["artefacts"] = [str(a).replace(part, f"/{folder.name}/") for a in finding.get("artefacts") or []]
            for name in ("replay", "detail"):
                finding[name] = finding[name].replace(part, f"/{folder.name}/")
    return documents


def set_aside(part):
    """Keeps what an interrupted slice left, under a name of its own. Returns the new folder."""
    number = 1
    while (folder := part.with_name(part.name.removesuffix(".part") + f".interrupted-{number}")).exists():
        number += 1
    part.rename(folder)
    return folder


def found_before_interruption(folder, done_again):
    """What an interrupted slice had found. If it was done again, so was its work: that is not counted
    twice."""
    documents, _ = runner.read_documents(folder, lambda reason: reason)
    found = [d for d in documents if d["status"] == "found"]
    for document in found:
        document.pop("reason", None)
        if done_again:
            document.update(counts={}, details={}, budget={})
    return placed(found, folder)


def slice_folders(night):
    """(done, interrupted) folders of a night, in order."""
    every = sorted((night / "slices").iterdir()) if (night / "slices").is_dir() else []
    return ([f for f in every if "." not in f.name], [f for f in every if ".interrupted-" in f.name])


def collect(night):
    """All documents of a night so far: those of slices that ended, then what interrupted ones found."""
    done, interrupted = slice_folders(night)
    documents = [d for folder in done for d in placed(read_slice(folder)["documents"], folder)]
    names = {folder.name for folder in done}
    return documents + [
        d for folder in interrupted for d in found_before_interruption(folder, folder.name.split(".")[0] in names)
    ]


def start_night(state, options, commit):
    rows, short = split_table(read_table(options.table), options.hours)
    if not rows:
        raise CouldNotRun(f"{options.hours:g} hours are too few for any slice of {options.table}")
    seed = options.seed if options.seed is not None else state.value["next_seed"]
    started = runner.now()
    identity = re.sub(r"[^0-9]", "", started)
    nights = options.state / "nights"
    while (nights / identity).exists():
        identity += "x"
    state.value["night"] = {
        "id": identity,
        "commit": commit,
        "seed": seed,
        "hours": options.hours,
        "started": started,
        "seconds": 0.0,
        "plan": make_plan(rows, options.hours, seed),
        "left_out": short,
    }
    (nights / identity / "slices").mkdir(parents=True)
    state.save()


def run_slice(one, night, options, clock, stop):
    """Runs a slice; returns whether it came to its end."""
    folder = night / "slices" / one["id"]
    part = folder.with_name(folder.name + ".part")
    program = runner.program_of(one["engine"])
    arguments = ["--seed", str(one["seed"]), "--shard", "1/1", *one["arguments"]]
    part.mkdir()
    if one["engine"] in CORPUS_ENGINES:
        nightly_corpus.bring(options.state / "corpus", part)
    documents = runner.run_engine(one["engine"], part, arguments, one["seconds"], clock, stop, program)
    nightly_corpus.take(options.state / "corpus", part)
    if stop.requested:
        set_aside(part)
        return False
    # From here on the slice is done, see settle.
    results.write_json(part / "slice.json", {"documents": documents})
    part.rename(folder)
    return True


def update_findings(state_folder, night_id, documents):
    """findings.json with this night's; marks in the documents when each was first seen. Returns those
    that this night did not see."""
    path = state_folder / "findings.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["findings"]
    except FileNotFoundError:
        known = []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CouldNotRun(f"cannot read {path}: {error}") from error
    try:
        by_key = {tuple(entry[name] for name in results.Identity._fields): entry for entry in known}
    except KeyError as error:
        raise CouldNotRun(f"cannot read {path}: no {error}; move it away to start afresh") from error
    for document in documents:
        for finding in document["findings"]:
            key = results.identity(document, finding)
            entry = by_key.setdefault(key, {**key._asdict(), "first": night_id, "replay": finding["replay"]})
            entry["last"] = max(entry.get("last", ""), night_id)
            finding["first_seen"] = f"night {entry['first']}" + (", this one" if entry["first"] == night_id else "")
    results.write_json(path, {"schema": SCHEMA, "findings": list(by_key.values())})
    return [entry for entry in by_key.values() if entry["last"] < night_id and entry["severity"] != "expected"]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def propose_regressions(state_folder, night, documents):
    """Copies failing inputs that are not yet kept to regressions/TARGET/HASH. Returns [{target, file, command}]."""
    kept = {digest(p) for p in (ROOT / "corpus" / "regressions").rglob("*") if p.is_file()}
    proposed = []
    for document in documents:
        for finding in document["findings"]:
            if document["engine"] != "fuzz" or finding["severity"] != "violation":
                continue
            for artefact in finding.get("artefacts") or []:
                # An absolute path, or one beside the document.
                path = night / pathlib.PurePath(document.get("document") or "").parent / artefact
                if not path.is_file() or path.suffix in (".txt", ".json", ".log", ".html"):
                    continue
                name = digest(path)
                if name in kept:
                    continue
                target = state_folder / "regressions" / document["subject"] / name[:16]
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    temporary = target.with_name(target.name + ".tmp")
                    shutil.copyfile(path, temporary)
                    temporary.replace(target)
                place = f"corpus/regressions/{document['subject']}"
                proposed.append(
                    {
                        "target": document["subject"],
                        "file": str(target),
                        "command": f"mkdir -p {place} && cp {shlex.quote(str(target))} {place}/",
                    }
                )
    return list({entry["file"]: entry for entry in proposed}.values())


def history_entry(night, status, seconds, documents):
    """A line of history.jsonl: what the trends are drawn of."""
    found = {results.identity(d, f) for d in documents for f in d["findings"]}
    return {
        "night": night["id"],
        "started": night["started"],
        "hours": night["hours"],
        "commit": night["commit"],
        "seed": night["seed"],
        "status": status,
        "seconds": round(seconds, 1),
        "figures": nightly_bench.figures(documents),
        "findings": {s: sum(key.severity == s for key in found) for s in results.SEVERITIES},
        "engines": [
            {
                "engine": d["engine"],
                "subject": d["subject"],
                "status": d["status"],
                "seconds": round(d["duration_seconds"], 1),
                "counts": d["counts"],
            }
            for d in documents
            if d["status"] != "could_not_run" or d["counts"]
        ],
    }


def canary_found(documents):
    return any(
        (d["engine"], d["subject"]) == CANARY and any(f["severity"] == "expected" for f in d["findings"])
        for d in documents
    )


def summarise(night_folder, night, options, finished, proposed):
    """The night's documents as one summary."""
    documents = merge.merge_all(collect(night_folder))
    done = {folder.name for folder in slice_folders(night_folder)[0]}
    missing = [one["id"] for one in night["plan"] if one["id"] not in done]
    if missing:
        reason = f"{len(missing)} of {len(night['plan'])} slices were not run to their end"
        reason += "; the code has changed since" if finished else "; the next run goes on"
        documents.append(results.could_not_run("nightly", reason))
    elif CANARY[0] in {one["engine"] for one in night["plan"]} and not canary_found(documents):
        documents.append(
            results.could_not_run(
                "nightly", "the planted fault (the canary) was not found, so nothing is known " "of what else was not"
            )
        )
    return {
        "schema": results.CAMPAIGN_SCHEMA,
        "status": results.STATUS_OF_EXIT[results.exit_status(documents)],
        "minutes": night["hours"] * 60,
        "seed": night["seed"],
        "shard": "1/1",
        "started": night["started"],
        "duration_seconds": round(night["seconds"], 1),
        "commit": night["commit"],
        "machine": campaign.machine(),
        "results": documents,
        "left_out": night.get("left_out", []),
        "proposed_regressions": proposed,
        "corpora": nightly_corpus.sizes(options.state / "corpus"),
    }


def link_latest(options, night_folder):
    link = options.state / f"latest.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(os.path.relpath(night_folder, options.state))
    link.replace(options.state / "latest")


def prune(options):
    """Removes the folders of nights that no trend shows any more."""
    nights = sorted(p for p in (options.state / "nights").iterdir() if p.is_dir())
    for folder in nights[:-KEEP_NIGHTS]:
        shutil.rmtree(folder, ignore_errors=True)


def sum_up(state, options, finished):
    """Writes the night's summary and report; if it has ended also history and state. May be done twice."""
    night = state.value["night"]
    folder = options.state / "nights" / night["id"]
    documents = collect(folder)
    proposed = propose_regressions(options.state, folder, documents)
    summary = summarise(folder, night, options, finished, proposed)
    nightly_bench.compare_with_last(options.state, night["id"], summary["results"])
    summary["found_before"] = update_findings(options.state, night["id"], summary["results"])
    past = [entry for entry in read_lines(options.state / "history.jsonl") if entry["night"] != night["id"]]
    entry = history_entry(night, summary["status"], night["seconds"], summary["results"])
    summary["history"] = [*past, entry][-KEEP_NIGHTS:]
    results.write_json(folder / "summary.json", summary)
    try:
        report = campaign.make_report(folder)
    except CouldNotRun as error:
        print(f"nightly: {error}", file=sys.stderr)
        report = folder / "summary.json"
    link_latest(options, folder)
    if finished:
        results.write_text(options.state / "history.jsonl", "".join(json.dumps(e) + "\n" for e in [*past, entry]))
        nightly_bench.keep(options.state, night["id"], summary["results"])
        state.value["next_seed"] = max(state.value["next_seed"], night["seed"] + len(night["plan"]))
        state.value["night"] = None
        state.save()
        prune(options)
    return summary, report


def run(options, clock, stop):
    options.state.mkdir(parents=True, exist_ok=True)
    with open(options.state / "lock", "w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CouldNotRun(f"another nightly run is at work in {options.state}") from error
        make_scratch(options)
        state = State(options.state)
        commit = campaign.commit()
        night = state.value["night"]
        if night is not None and night["commit"] != commit:
            clock.say(f"night {night['id']} was begun with other code; closing it as it is")
            settle(options.state / "nights" / night["id"], options)
            sum_up(state, options, finished=True)
        if state.value["night"] is None:
            start_night(state, options, commit)
        else:
            clock.say(f"going on with night {state.value['night']['id']}")
        night = state.value["night"]
        folder = options.state / "nights" / night["id"]
        settle(folder, options)
        runner.build(folder, clock, stop, tests=any(one["engine"] == "tests" for one in night["plan"]))
        return run_slices(state, folder, options, clock, stop)


def make_scratch(options):
    """An empty folder for whatever the engines have no use for afterwards."""
    scratch = options.state / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = str(scratch)


def settle(folder, options):
    """Brings the folder of a night whose run was killed into order."""
    (folder / "slices").mkdir(parents=True, exist_ok=True)
    (options.state / "corpus").mkdir(exist_ok=True)
    nightly_corpus.settle(options.state / "corpus")
    for part in sorted((folder / "slices").glob("*.part")):
        nightly_corpus.take(options.state / "corpus", part)
        if (part / "slice.json").exists():
            part.rename(part.with_suffix(""))  # was about to
        else:
            set_aside(part)


def run_slices(state, folder, options, clock, stop):
    night = state.value["night"]
    done = {f.name for f in slice_folders(folder)[0]}
    left = [one for one in night["plan"] if one["id"] not in done]
    clock.run_engines_for(sum(one["seconds"] for one in left))
    for name in night.get("left_out", []):
        clock.say(f"{name}: left out, the night is too short for it")
    clock.say(f"night {night['id']}: {len(left)} of {len(night['plan'])} slices to run, seed {night['seed']}")
    for one in left:
        if stop.requested:
            break
        before = clock.elapsed()
        run_slice(one, folder, options, clock, stop)
        night["seconds"] += clock.elapsed() - before
        state.save()
    finished = len(slice_folders(folder)[0]) == len(night["plan"])
    if finished:
        nightly_corpus.reduce(options.state / "corpus", clock.say)
    summary, report = sum_up(state, options, finished)
    campaign.print_results(summary["results"])
    for entry in summary["proposed_regressions"]:
        print(f"\nkeep this failing input:\n  {entry['command']}")
    print(
        f"\nnightly: {results.verdict(summary['results'])}, {runner.duration(night['seconds'])}; {report}", flush=True
    )
    return results.exit_status(summary["results"])


def main(arguments):
    stop = runner.Stopper()
    clock = runner.Clock()
    try:
        options = parse_arguments(arguments)
        read_table(options.table)
        return run(options, clock, stop)
    except (CouldNotRun, OSError) as error:
        print(f"nightly: {error}", file=sys.stderr)
        return results.COULD_NOT_RUN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
