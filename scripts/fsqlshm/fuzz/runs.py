"""Runs libFuzzer on a target, and keeps what it finds."""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from fsqlshm import results
from fsqlshm.fuzz.targets import Target
from fsqlshm.processes import Command, Stopper

# A run ends after this many findings.
MANY_FINDINGS = 10
# libFuzzer ends by itself; one that takes this much longer is ended.
GRACE_SECONDS = 60
SYMBOLIZER = shutil.which("llvm-symbolizer-19") or ""

# What libFuzzer says as it goes on, and in the end. It has no other way to say it.
_STATUS = re.compile(r"^#(\d+)\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+)(?:.* exec/s: (\d+))?", re.MULTILINE)
_EXECUTED = re.compile(r"^stat::number_of_executed_units:\s+(\d+)", re.MULTILINE)
# A sanitizer's report.
_FRAME = re.compile(r"^\s*#\d+ 0x[0-9a-f]+ in (.+?) (\S+?)(?::\d+)*(?: \(.*\))?$", re.MULTILINE)
_SUMMARY = re.compile(r"^SUMMARY: (\S+ \S+)|^==\d+==\s*ERROR: (\S+ \S+)|runtime error: (.*)$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Failure:
    """How an input failed: as the target says it, or as a sanitizer does."""

    title: str
    property: str
    text: str
    defect: str = ""
    fault: str | None = None  # the known one that it shows
    input: str = ""  # the file that is kept, and the command that shows it again
    replay: str = ""

    def key(self) -> str:
        """The same for findings of one cause: numbers do not count."""
        plain = re.sub(r"0x[0-9a-f]+|\d{2,}", "N", self.title)
        return hashlib.sha256(plain.encode()).hexdigest()[:12]


def crash(report: str) -> Failure:
    """A crash is known by its kind and the innermost frames in our code."""
    kind = next((next(g for g in m.groups() if g) for m in _SUMMARY.finditer(report)), "died")
    frames = [m[1] for m in _FRAME.finditer(report) if "fsqlshm" in m[1]][:3]
    return Failure(kind + (" in " + " < ".join(frames) if frames else ""), "no crash", report)


def keep(
    target: str, artefact: pathlib.Path, failure: Failure, folder: pathlib.Path, options: Sequence[str] = ()
) -> Failure:
    """Moves `artefact` to folder/KEY, unless one of its cause is there already. `options` of the target are
    needed to see it again."""
    place = folder / failure.key()
    kept = place / "input"
    if place.exists():
        artefact.unlink()
    else:
        place.mkdir(parents=True)
        shutil.move(artefact, kept)
        (place / "report.txt").write_text(failure.text, encoding="utf-8")
    replay = " ".join(["scripts/fuzz", target, *options, "--replay", str(kept)])
    (place / "reproduce").write_text(replay + "\n", encoding="utf-8")
    return dataclasses.replace(failure, input=str(kept), replay=replay)


@dataclasses.dataclass
class Outcome:
    started: str = dataclasses.field(default_factory=results.now)
    executions: int = 0
    seconds: float = 0
    coverage: int = 0
    features: int = 0
    corpus: int = 0
    counters: dict[str, int] = dataclasses.field(default_factory=dict)
    findings: list[Failure] = dataclasses.field(default_factory=list)
    error: str = ""
    over_time: list[dict[str, float]] = dataclasses.field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        self.over_time = self.over_time or other.over_time  # of runs side by side the first one's
        self.executions += other.executions
        for name in ("seconds", "coverage", "features", "corpus"):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        for name, value in other.counters.items():
            self.counters[name] = self.counters.get(name, 0) + value
        self.findings += other.findings
        self.error = self.error or other.error

    def share(self, counter: str) -> float:
        """The part of all executions that moved this counter."""
        return self.counters.get(counter, 0) / self.executions if self.executions else 0.0


def parse_log(text: str) -> Outcome:
    """What libFuzzer printed as it went on, of which at most 200 rows are kept, and in the end. It says how many
    executions so far and how many a second, by a clock of whole seconds; so the seconds are whole, one row each."""
    outcome = Outcome()
    by_second: dict[int, dict[str, float]] = {}
    for match in _STATUS.finditer(text):
        done, outcome.coverage, outcome.features, outcome.corpus, rate = (int(group or 0) for group in match.groups())
        outcome.executions = max(outcome.executions, done)
        if rate > 0:
            shown = {name: getattr(outcome, name) for name in ("coverage", "features", "corpus")}
            by_second[round(done / rate)] = {"seconds": round(done / rate), "executions": done, **shown}
    rows = list(by_second.values())
    outcome.over_time = [rows[i * len(rows) // 200] for i in range(200)] if len(rows) > 200 else rows
    if executed := _EXECUTED.search(text):
        outcome.executions = int(executed[1])
    return outcome


@dataclasses.dataclass(frozen=True)
class Run:
    """What to fuzz, with what, and where findings go."""

    target: Target
    seed: int
    corpus: Sequence[pathlib.Path | str]  # the first one is written to
    crashes: pathlib.Path
    stop: Stopper
    options: Sequence[str] = ()  # of the target or of libFuzzer
    until_found: bool = False

    def _once(self, seconds: float, seed: int, artefacts: pathlib.Path) -> Outcome:
        """One libFuzzer process, for `seconds` or until it finds something."""
        # In memory where there is such a place: shm_file makes a file for every input.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="fsqlshm-fuzz-run-", dir=memory) as scratch:
            facts, dictionary, log = (pathlib.Path(scratch, name) for name in ("facts", "dictionary", "log"))
            dictionary.write_text(self.target.dictionary_text(), encoding="utf-8")
            command: Command = [
                self.target.program,
                f"-max_total_time={max(1, round(seconds))}",
                f"-seed={seed}",
                f"-max_len={self.target.max_size}",
                f"-artifact_prefix={artefacts}/",
                "-print_final_stats=1",
                "-timeout=25",
                "-rss_limit_mb=4096",
                f"--facts={facts}",
                *([f"-dict={dictionary}"] if self.target.dictionary else []),  # libFuzzer takes no empty one
                *self.options,
                *self.corpus,
            ]
            with open(log, "wb") as file:
                # What a crashed target leaves behind goes with TMPDIR.
                environment = {**os.environ, "TMPDIR": scratch, "ASAN_SYMBOLIZER_PATH": SYMBOLIZER}
                process = self.stop.start(command, stdout=file, stderr=file, env=environment)
                status = self.stop.wait(process, seconds + GRACE_SECONDS)
            text = log.read_text(encoding="utf-8", errors="replace")
            # What the target itself had to say in the end; nothing if it died.
            said: dict[str, Any] = {"counters": {}, "failure": None}
            with contextlib.suppress(OSError, ValueError):
                said = json.loads(facts.read_text(encoding="utf-8"))
        outcome = parse_log(text)
        outcome.counters = said["counters"]
        left = sorted(artefacts.glob("*-*"))
        interrupted = self.stop.requested or status is None
        if status != 0 and not left and not interrupted:
            outcome.error = f"{self.target.name} ended with {status}: " + text[-400:]
        failure = Failure(**said["failure"]) if said["failure"] else crash(text[-20000:].strip())
        outcome.findings = [keep(self.target.name, one, failure, self.crashes, self.options) for one in left]
        return outcome

    def fuzz(self, seconds: float) -> Outcome:
        """Fuzzes for `seconds`: begins again after a finding, but gives up after many."""
        total = Outcome()
        start, seed = time.monotonic(), self.seed
        while True:
            before = total.seconds
            with tempfile.TemporaryDirectory(prefix="fsqlshm-artefacts-") as artefacts:
                one = self._once(seconds - before, seed, pathlib.Path(artefacts))
            # A second run goes on where the first one ended.
            for row in one.over_time:
                row["seconds"] += before
                row["executions"] += total.executions
            total.over_time, one.over_time = total.over_time + one.over_time, []
            total.add(one)
            total.seconds = time.monotonic() - start
            if one.error or not one.findings or self.until_found or len(total.findings) >= MANY_FINDINGS:
                return total
            if seconds - total.seconds < 1 or self.stop.requested:
                return total
            seed = (seed + 1) % (1 << 31)

    def side_by_side(self, processes: int, seconds: float) -> Outcome:
        """Several at once, with seeds that follow this one's, on one corpus."""
        runs = [dataclasses.replace(self, seed=(self.seed + number) % (1 << 31)) for number in range(processes)]
        total = Outcome()
        with concurrent.futures.ThreadPoolExecutor(processes) as pool:
            for outcome in pool.map(Run.fuzz, runs, [seconds] * processes):
                total.add(outcome)
        return total
