"""What the tests of the scripts share: documents, and engines that only pretend."""

import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable, Iterable
from typing import Any

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True


def finding(**changes: Any) -> Any:
    return {
        "severity": "violation",
        "property": "P2 integrity",
        "title": "a lease was lost",
        "detail": "lease 0, expected 42",
        "replay": "fsqlshm-relacy --replay 'x/y/random/7'",
        "artefacts": [],
    } | changes


def document(**changes: Any) -> Any:
    value: dict[str, Any] = {
        "schema": "fsqlshm-result/1",
        "engine": "relacy",
        "subject": "hardened",
        "status": "clean",
        "seed": 7,
        "budget": {"seconds": 1},
        "started": "2026-01-02T03:04:05Z",
        "duration_seconds": 1.5,
        "counts": {"executions": 1000},
        "headline": "1 k executions",
        "findings": [],
        "details": {},
    } | changes
    if any(f["severity"] != "expected" for f in value["findings"]):
        value["status"] = "found"
    return value


def summary(documents: list[Any], **changes: Any) -> Any:
    from fsqlshm import results

    return {
        "schema": "fsqlshm-campaign/1",
        "status": results.STATUS_OF_EXIT[results.exit_status(documents)],
        "minutes": 1,
        "seed": 7,
        "shard": "1/1",
        "started": "2026-01-02T03:04:05Z",
        "duration_seconds": 61.5,
        "commit": "0123456789abcdef",
        "machine": {"system": "test", "cores": 2},
        "results": documents,
    } | changes


# A pretended engine. Its findings follow from its seed alone, as those of a real one would with a
# budget of iterations. It takes a moment, so that it can be killed, and writes one of its two
# documents early.
ENGINE = """#!/usr/bin/python3
import argparse, json, os, pathlib, sys, time
parser = argparse.ArgumentParser()
for name in ("seconds", "seed"):
    parser.add_argument("--" + name, type=int, default=1)
for name in ("out", "shard"):
    parser.add_argument("--" + name)
me = pathlib.Path(__file__).name
if "--describe" in sys.argv:
    print(json.dumps(DESCRIPTION | ({"corpora": True, "planted": "canary"} if me == "fuzz" else {})))
    sys.exit()
o = parser.parse_args()
index, count = map(int, o.shard.split("/"))
def write(subject, findings, counts, details):
    bad = any(f["severity"] != "expected" for f in findings)
    value = {"schema": "fsqlshm-result/1", "engine": me, "subject": subject, "status": "found" if bad else "clean",
             "seed": o.seed, "budget": {"seconds": o.seconds}, "started": "2026-01-02T03:04:05Z",
             "duration_seconds": 0.1, "counts": counts, "headline": "", "findings": findings, "details": details}
    path = pathlib.Path(o.out) / (subject + ".json")
    path.with_suffix(".tmp").write_text(json.dumps(value))
    path.with_suffix(".tmp").replace(path)
    return bad
def found(n):
    return [{"severity": "violation", "property": "P", "title": f"{me} finds {n}", "detail": "", "replay": f"{me} {n}",
             "artefacts": []}] if n % 3 == 0 else []
print(f"{me}: at work", file=sys.stderr, flush=True)
bad = write("early", found(o.seed), {"executions": 100}, {})
time.sleep(PAUSE)
if me == "fuzz":
    folder = pathlib.Path(o.out) / "corpus" / "target"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / str(o.seed)).write_text(str(o.seed))
    canary = [{"severity": "expected", "property": "P", "title": "planted", "detail": "", "replay": ""}]
    write("canary", canary if CANARY else [], {"inputs": len(list(folder.iterdir()))}, {})
numbers = range(1000 * (index - 1) // count, 1000 * index // count)
bad |= write("late", found(o.seed + 1), {"executions": len(numbers)}, {})
time.sleep(AFTERWARDS)
sys.exit(int(bad))
"""


def make_engines(
    folder: pathlib.Path,
    names: Iterable[str],
    pause: float = 0.1,
    text: str = ENGINE,
    afterwards: float = 0.05,
    canary: bool = True,
) -> pathlib.Path:
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = folder / name
        path.write_text(
            text.replace("PAUSE", str(pause))
            .replace("AFTERWARDS", str(afterwards))
            .replace("DESCRIPTION", "{}")
            .replace("CANARY", str(canary)),
            encoding="utf-8",
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


# An engine that runs real programs, one after the other, with budgets of iterations. Unlike budgets of
# time these can be repeated exactly.
REAL_ENGINE = """#!/usr/bin/python3
import argparse, json, subprocess, sys
if "--describe" in sys.argv:
    print(json.dumps({"corpora": "NAME" == "fuzz", "planted": "canary" if "NAME" == "fuzz" else ""}))
    sys.exit()
parser = argparse.ArgumentParser()
for name in ("seconds", "seed", "out", "shard"):
    parser.add_argument("--" + name, default="")
o = parser.parse_args()
values = {"out": o.out, "seed": o.seed, "shard": o.shard, "first": str(int(o.seed) * 1000000 + 1)}
print("NAME: at work", file=sys.stderr, flush=True)
codes = []
for command in json.loads(COMMANDS):
    words = [word.format(**values) for word in command]
    codes.append(subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode)
sys.exit(1 if 1 in codes else 2 if any(codes) else 0)
"""


def make_real_engines(folder: pathlib.Path, commands: dict[str, list[list[Any]]]) -> pathlib.Path:
    """Engines of programs: {name: [[program, argument...]...]}; {out}, {seed}, {shard} and {first}, the
    first of a million iterations of its own for each seed, are filled in."""
    for name, programs in commands.items():
        text = REAL_ENGINE.replace("NAME", name).replace(
            "COMMANDS", repr(json.dumps([[str(w) for w in p] for p in programs]))
        )
        make_engines(folder, [name], text=text)
    return pathlib.Path(folder)


def fuzz_command(build: pathlib.Path, target: str, runs: int, expected: str, *options: str) -> list[Any]:
    """A command for make_real_engines. It starts from nothing, so that it can be repeated."""
    return [
        sys.executable,
        "-B",
        pathlib.Path(__file__).with_name("fuzz_runs.py"),
        build,
        target,
        "{out}",
        "{seed}",
        runs,
        expected,
        *options,
    ]


Running = subprocess.Popen[str]


def wait_for_line(process: Running, text: str) -> str:
    """The next line of its output that has the text in it."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return line
    raise AssertionError(f"it ended, and said nothing of {text!r}")


def start_night(top: pathlib.Path, state: str, *arguments: str, report: bool = False) -> Running:
    """A nightly run with the engines in top/engines, as top/table says."""
    words = [sys.executable, "-B", pathlib.Path(__file__).with_name("drive.py"), "nightly", top / "engines"]
    words += ["--hours", "0.02", "--table", top / "table", "--state", top / state, *arguments]
    environment = os.environ if report else {**os.environ, "FSQLSHM_TEST_NO_REPORT": "1"}
    return subprocess.Popen(
        list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def finish(process: Running) -> tuple[int, str]:
    """Its exit status and what it still printed."""
    output, _ = process.communicate(timeout=600)
    return process.returncode, output


def until(condition: Callable[[], object], seconds: float = 20) -> bool:
    """Whether it comes true in that time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def interrupted(night: pathlib.Path) -> list[pathlib.Path]:
    """The folders of the attempts at slices that did not come to their end."""
    return [folder for folder in (night / "slices").iterdir() if not (folder / "slice.json").exists()]


SEEDS = SCRIPTS.parent.parent / "shared" / "seeds"


def original(folder: pathlib.Path) -> pathlib.Path | None:
    """The shm.rs of the Rust original: what $FSQLSHM_SHM_RS names, or made in `folder` from ../shared/seeds, where
    lines that are no source come before it. None if there is neither."""
    named = os.environ.get("FSQLSHM_SHM_RS")
    if named:
        return pathlib.Path(named)
    for seed in sorted(SEEDS.glob("*.txt")):
        lines = seed.read_text(encoding="utf-8").splitlines(keepends=True)
        begin = next((i for i, line in enumerate(lines) if line.startswith("//!")), None)
        if begin is not None and any("SharedMemoryLayout" in line for line in lines):
            path = folder / "shm.rs"
            path.write_text("".join(lines[begin:]), encoding="utf-8")
            return path
    return None


class FolderTest(unittest.TestCase):
    """Tests with a folder of their own, self.top."""

    def setUp(self) -> None:
        folder = temporary()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name)


class FullDisk(unittest.TestCase):
    def assert_lost_output_is_no_success(self, *command: object) -> None:
        """A program that cannot write what it found says so, and that it could not run."""
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run(
                list(map(str, command)), stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False
            )
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(f"{pathlib.Path(str(command[0])).name}: ", done.stderr)


def temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="fsqlshm-report-test-")


def read(path: pathlib.Path) -> Any:
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
