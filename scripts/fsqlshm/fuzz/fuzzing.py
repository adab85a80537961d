"""Runs libFuzzer targets, keeps what they find, and says so. Used by scripts/fuzz and
scripts/engines/fuzz.
"""

import dataclasses
import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from fsqlshm import ROOT

CORPUS = ROOT / "corpus"
SCHEMA = "fsqlshm-result/1"
CLEAN, FOUND, COULD_NOT_RUN = 0, 1, 2


@dataclasses.dataclass(frozen=True)
class Target:
    """A fuzz target; `reaches` are the counters without which a run is vacuous."""

    name: str
    max_len: int
    weight: float = 1
    reaches: tuple = ()


TARGETS = {
    t.name: t
    for t in (
        Target("open_raw", 512, 1, ("accept", "too_small", "bad_magic", "version_mismatch",
                                    "invalid_page_size", "checksum_mismatch")),
        Target("open_sealed", 512, 2, ("accept", "too_small", "bad_magic", "version_mismatch",
                                       "invalid_page_size")),
        Target("operations", 1112, 3, ("acquired", "released", "busy", "judged_by_life",
                                       "odd_reads", "ids_used_up")),
        Target("proc_stat", 1024, 0.5, ("parsed", "refused")),
        Target("shm_file", 512, 1, ("opened", "refused", "truncated", "regions_do_not_fit",
                                    "opens_failed", "creations_failed", "creations_overtaken")),
        Target("schedule", 128, 3, ("acquired", "refused", "released", "busy",
                                    "owner_had_lost_it", "cleared_a_stale_writer",
                                    "deaths_in_an_operation", "preemptions_in_an_operation",
                                    "torn_reads_refused", "waited_for_the_publication_lock")),
    )
}
# These must fail: they show that a run can see.
CANARY = Target("canary", 512)
REFERENCE = Target("schedule_reference", 128)


class CouldNotRun(Exception):
    """Nothing can be said about the subject; the text says why."""


class Stopper:
    """SIGINT and SIGTERM set a flag; programs under way are asked to end."""

    def __init__(self):
        self.requested = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.requested.set())


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def binary(build, name):
    path = pathlib.Path(build) / "fuzz" / name
    if not os.access(path, os.X_OK):
        raise CouldNotRun(f"{path} is not there; cmake --preset asan && cmake --build --preset asan "
                          "builds it")
    return path


# --- telling findings apart ------------------------------------------------------------------------

_FAILED = re.compile(r"^FAILED (\S+): (.*)$", re.MULTILINE)
_FRAME = re.compile(r"^\s*#\d+ 0x[0-9a-f]+ in (.+?) (\S+?)(?::\d+)*(?: \(.*\))?$", re.MULTILINE)
_SUMMARY = re.compile(r"^SUMMARY: (\S+ \S+)|^==\d+==\s*ERROR: (\S+ \S+)|runtime error: (.*)$",
                      re.MULTILINE)


def signature(report):
    """(title, key): what went wrong, without numbers; equal for findings of one cause.

    A broken property is its own name. A crash is its kind and the innermost frames in our code.
    """
    failed = _FAILED.search(report)
    if failed:
        title = failed[2]
    else:
        kind = next((next(g for g in m.groups() if g) for m in _SUMMARY.finditer(report)), "died")
        frames = [m[1] for m in _FRAME.finditer(report) if "fsqlshm" in m[1]][:3]
        title = kind + (" in " + " < ".join(frames) if frames else "")
    plain = re.sub(r"0x[0-9a-f]+|\d{2,}", "N", title)
    return title, hashlib.sha256(plain.encode()).hexdigest()[:12]


def keep_crash(target, artefact, report, folder, options=()):
    """Moves `artefact` to folder/KEY, unless one of its cause is there already. The finding.
    `options` of the target are needed to see it again."""
    title, key = signature(report)
    place = pathlib.Path(folder) / key
    fresh = not place.exists()
    place.mkdir(parents=True, exist_ok=True)
    kept = place / "input"
    if fresh:
        shutil.move(artefact, kept)
        (place / "report.txt").write_text(report, encoding="utf-8")
    else:
        artefact.unlink()
    replay = " ".join(["scripts/fuzz", target, *options, "--replay", str(kept)])
    (place / "reproduce").write_text(replay + "\n", encoding="utf-8")
    return {"title": title, "key": key, "fresh": fresh, "input": str(kept), "replay": replay,
            "report": report}


# --- one run ---------------------------------------------------------------------------------------


@dataclasses.dataclass
class Outcome:
    """What a run of one target did."""

    executions: int = 0
    seconds: float = 0
    coverage: int = 0
    features: int = 0
    corpus: int = 0
    counters: dict = dataclasses.field(default_factory=dict)
    findings: list = dataclasses.field(default_factory=list)
    error: str = ""
    over_time: list = dataclasses.field(default_factory=list)

    def add(self, other):
        self.over_time = self.over_time or other.over_time  # of runs side by side the first one's
        self.executions += other.executions
        self.coverage = max(self.coverage, other.coverage)
        self.features = max(self.features, other.features)
        self.corpus = max(self.corpus, other.corpus)
        for name, value in other.counters.items():
            self.counters[name] = self.counters.get(name, 0) + value
        self.findings += other.findings
        self.error = self.error or other.error


def rows_over_time(text):
    """What libFuzzer printed as it went on, at most 200 rows. It says how many executions so far and
    how many a second, by a clock of whole seconds; so the seconds are whole, one row each."""
    rows = {}
    for match in re.finditer(r"^#(\d+)\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+).* exec/s: (\d+)", text,
                             re.MULTILINE):
        done, coverage, features, corpus, rate = map(int, match.groups())
        if rate > 0:
            seconds = round(done / rate)
            rows[seconds] = {"seconds": seconds, "executions": done, "coverage": coverage,
                             "features": features, "corpus": corpus}
    rows = list(rows.values())
    return [rows[i * len(rows) // 200] for i in range(200)] if len(rows) > 200 else rows


def parse_log(text):
    """Executions, coverage, corpus size and counters out of what libFuzzer printed."""
    outcome = Outcome(over_time=rows_over_time(text))
    for match in re.finditer(r"^#(\d+)\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+)", text, re.MULTILINE):
        outcome.executions = max(outcome.executions, int(match[1]))
        outcome.coverage, outcome.features, outcome.corpus = map(int, match.groups()[1:])
    match = re.search(r"^stat::number_of_executed_units:\s+(\d+)", text, re.MULTILINE)
    if match:
        outcome.executions = int(match[1])
    match = re.search(r"^fsqlshm-stats (\{.*\})$", text, re.MULTILINE)
    if match:
        outcome.counters = {k: v for k, v in json.loads(match[1]).items() if k != "target"}
    return outcome


def fuzz_once(build, target, seconds, seed, corpus, artefacts, stop, options=()):
    """One libFuzzer process, for `seconds` or until it finds something."""
    program = binary(build, target.name)
    command = [str(program), f"-max_total_time={max(1, round(seconds))}", f"-seed={seed}",
               f"-max_len={target.max_len}", "-print_final_stats=1", "-timeout=25",
               "-rss_limit_mb=4096", f"-artifact_prefix={artefacts}/", *options]
    dictionary = ROOT / "fuzz" / "dictionaries" / f"{target.name}.dict"
    if dictionary.is_file():
        command.append(f"-dict={dictionary}")
    command += [str(folder) for folder in corpus]
    environment = dict(os.environ)
    symbolizer = shutil.which("llvm-symbolizer-19") or shutil.which("llvm-symbolizer")
    if symbolizer:
        environment["ASAN_SYMBOLIZER_PATH"] = symbolizer
    # In memory where there is such a place: shm_file makes a file for every input.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fsqlshm-fuzz-run-", dir=memory) as scratch:
        environment["TMPDIR"] = scratch  # what a crashed target leaves behind goes with it
        with open(pathlib.Path(scratch) / "log", "w+b") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env=environment)
            limit = time.monotonic() + seconds + 60
            while process.poll() is None:
                if stop.requested.wait(0.1) or time.monotonic() > limit:
                    process.send_signal(signal.SIGINT)
                    try:
                        process.wait(10)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.wait()
            log.seek(0)
            text = log.read().decode(errors="replace")
    outcome = parse_log(text)
    left = sorted(pathlib.Path(artefacts).glob("*-*"))
    interrupted = "run interrupted" in text
    if process.returncode != 0 and not left and not interrupted:
        outcome.error = f"{target.name} ended with {process.returncode}: " + text[-400:]
    for artefact in left:
        report = text[text.rfind("\nFAILED "):] if "\nFAILED " in text else text[-20000:]
        outcome.findings.append((artefact, report.strip()))
    return outcome


def fuzz(build, target, seconds, seed, corpus, crashes, stop, options=(), until_found=False):
    """Fuzzes for `seconds`: begins again after a finding, but gives up after ten."""
    total = Outcome()
    start = time.monotonic()
    runs = 0
    while True:
        remaining = seconds - (time.monotonic() - start)
        if (runs > 0 and remaining < 1) or stop.requested.is_set():
            break
        runs += 1
        with tempfile.TemporaryDirectory(prefix="fsqlshm-artefacts-") as artefacts:
            one = fuzz_once(build, target, remaining, seed, corpus, artefacts, stop, options)
            found = [keep_crash(target.name, a, r, crashes, options) for a, r in one.findings]
        one.findings = found
        # A second run goes on where the first one ended.
        rows = [{**row, "seconds": row["seconds"] + seconds - remaining,
                 "executions": row["executions"] + total.executions} for row in one.over_time]
        total.over_time, one.over_time = total.over_time + rows, []
        total.add(one)
        if one.error or not found or until_found or len(total.findings) >= 10:
            break
        seed = (seed + 1) % (1 << 31)
    total.seconds = time.monotonic() - start
    return total


def vacuous(target, outcome):
    """The counters that a run should have moved and has not."""
    if not outcome.counters:
        return []  # it did not end normally, so it said nothing
    missing = [name for name in target.reaches if not outcome.counters.get(name)]
    if target.name == "open_sealed" and accept_ratio(outcome) <= 0.85:
        missing.append("accept in over 85 % of executions")
    return missing


def accept_ratio(outcome):
    verdicts = ("accept", "too_small", "bad_magic", "version_mismatch", "invalid_page_size",
                "checksum_mismatch")
    total = sum(outcome.counters.get(name, 0) for name in verdicts)
    return outcome.counters.get("accept", 0) / total if total else 0.0


# --- result documents ------------------------------------------------------------------------------


def human(count):
    for scale, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= scale:
            return f"{count / scale:.3g}{unit}"
    return f"{count:.3g}"


def document(target, outcome, seed, budget, started, expected=None):
    """A result document. `expected`: what this run had to find, for the canary and reference.

    details: coverage (edges), features, corpus (inputs), counters (what was reached, see the
    targets), over_time (rows of seconds, executions, coverage, features and corpus), and accept_ratio
    for open_sealed.
    """
    findings = []
    seen = set()
    for finding in outcome.findings:
        if finding["key"] in seen:
            continue
        seen.add(finding["key"])
        is_expected = expected is not None and finding["title"].startswith(expected)
        findings.append({"severity": "expected" if is_expected else "violation",
                         "property": finding["title"].split(":")[0], "title": finding["title"],
                         "detail": finding["report"][:20000], "replay": finding["replay"],
                         "artefacts": [finding["input"]]})
    for name in vacuous(target, outcome) if not findings and not outcome.error else []:
        findings.append({"severity": "vacuous", "property": "reach", "title": f"never: {name}",
                         "detail": "The run did not reach what it exists for.",
                         "replay": f"scripts/fuzz {target.name} --minutes 1", "artefacts": []})
    bad = any(f["severity"] != "expected" for f in findings)
    rate = outcome.executions / outcome.seconds if outcome.seconds > 0 else 0.0
    could_not = outcome.error or ("no executions" if outcome.executions == 0 else "")
    details = {"coverage": outcome.coverage, "features": outcome.features,
               "corpus": outcome.corpus, "counters": outcome.counters,
               "over_time": outcome.over_time}
    if target.name == "open_sealed":
        details["accept_ratio"] = accept_ratio(outcome)
    result = {
        "schema": SCHEMA, "engine": "fuzz", "subject": target.name,
        "status": "found" if bad else "could_not_run" if could_not else "clean",
        "seed": seed, "budget": budget, "started": started,
        "duration_seconds": outcome.seconds,
        "counts": {"executions": outcome.executions, "executions_per_second": rate,
                   "corpus": outcome.corpus, "coverage": outcome.coverage},
        "headline": f"{human(outcome.executions)} executions, {human(rate)}/s",
        "findings": findings, "details": details,
    }
    if could_not:
        result["reason"] = could_not
    return result


def write_json(path, value):
    path = pathlib.Path(path)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def junit(results):
    """The documents as JUnit: one suite a target, one case a finding."""
    from xml.sax.saxutils import escape, quoteattr

    def plain(text):
        return re.sub(r"[\x00-\x08\x0b-\x1f]", "?", text)

    suites = ""
    for r in results:
        cases = ""
        failures = 0
        for f in r["findings"]:
            cases += f"<testcase classname={quoteattr(r['subject'])} name={quoteattr(plain(f['title']))}>"
            if f["severity"] != "expected":
                failures += 1
                cases += (f"<failure message={quoteattr(plain(f['property']))}>"
                          f"{escape(plain(f['detail']))}\nreproduce: {escape(f['replay'])}</failure>")
            cases += "</testcase>\n"
        errors = 0
        if r["status"] == "could_not_run":
            errors = 1
            cases += (f"<testcase classname={quoteattr(r['subject'])} name=\"runs\">"
                      f"<error message={quoteattr(plain(r['reason']))}/></testcase>\n")
        if not cases:
            cases = f"<testcase classname={quoteattr(r['subject'])} name=\"clean\"/>\n"
        suites += (f"<testsuite name={quoteattr('fuzz ' + r['subject'])} "
                   f"tests=\"{max(1, len(r['findings']) + errors)}\" failures=\"{failures}\" "
                   f"errors=\"{errors}\" time=\"{r['duration_seconds']:.3f}\">\n{cases}</testsuite>\n")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n{suites}</testsuites>\n'


def exit_status(documents):
    statuses = {d["status"] for d in documents}
    if "found" in statuses:
        return FOUND
    return COULD_NOT_RUN if "could_not_run" in statuses or not statuses else CLEAN


def say(text):
    print(text, file=sys.stderr, flush=True)
