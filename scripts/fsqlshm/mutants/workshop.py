"""A copy of the sources with a build folder of its own, where one file at a time has a fault."""

import contextlib
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fsqlshm import ROOT, files, results
from fsqlshm.host import git
from fsqlshm.mutants.attacks import ENGINES, KEPT, Engine, Part
from fsqlshm.mutants.ledger import BROKEN, KILLED, SAME, SURVIVED, UNREACHED, Verdict
from fsqlshm.mutants.mutant import Mutant
from fsqlshm.processes import Command, Stopper, quietly, signal_group
from fsqlshm.results import CouldNotRun
from fsqlshm.schema import BadDocument, read_json

PRESET = "mutants"
# What a verdict depends on.
MUTATED = tuple(f"scripts/fsqlshm/mutants/{name}.py" for name in ("attacks", "operators", "survey"))
JUDGED = ("CMake", "core/", "harness/", "relacy/", "fuzz/", "stress/", "corpus/", "scripts/fsqlshm/proofs/", *MUTATED)
LIBRARY = "core/libfsqlshm.a"
JOBS = 2
# A program that takes longer than this, or than so many times what it takes without a mutant, does not end.
LEAST_SECONDS, TIMES = 20.0, 10.0
LONGEST_SECONDS = 60.0  # that any may take without one
LIBFUZZER_TIMEOUT = 70  # its exit status
# A fault may signal any process there is, or leave some behind: an attack has processes of its own.
ALONE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc")
AS_ROOT = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def sources(root: pathlib.Path) -> dict[str, bytes]:
    """What is built, and what builds and attacks it."""
    names = git("ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return {name: (root / name).read_bytes() for name in names if (root / name).is_file()}


def state_of(texts: Mapping[str, bytes]) -> str:
    """Names the code that verdicts are about."""
    digest = hashlib.sha256()
    for name in sorted(name for name in texts if name.startswith(JUDGED) and not name.endswith((".md", ".toml"))):
        digest.update(name.encode() + b"\0" + hashlib.sha256(texts[name]).digest())
    return digest.hexdigest()[:16]


class Tree:
    """A workshop (judge.py) in a folder."""

    def __init__(
        self, folder: pathlib.Path, stop: Stopper, engines: Sequence[Engine] = ENGINES, root: pathlib.Path = ROOT
    ) -> None:
        self.tree, self.stop, self.root = folder, stop, root
        if shutil.which("ccache"):
            os.environ |= {"CCACHE_BASEDIR": str(folder), "CCACHE_NOHASHDIR": "1"}
            os.environ |= {"CCACHE_SLOPPINESS": "pch_defines,time_macros", "CMAKE_CXX_COMPILER_LAUNCHER": "ccache"}
        self.build_folder = folder / "build" / PRESET
        self.original = folder / "build" / "original"
        self.log = folder / "build" / "log.txt"
        self.by_name = {engine.name: engine for engine in engines}
        self.engines = tuple(self.by_name)
        self.pristine: dict[str, str] = {}  # what each artefact is without a mutant
        self.seconds: dict[str, float] = {}  # what each part takes then, by its command
        self.changed: Mutant | None = None

    # The sources.

    def prepare(self, texts: Mapping[str, bytes]) -> None:
        """Makes the copy what the sources are, builds it, and sees to it that no engine finds anything in it."""
        self.tree.mkdir(parents=True, exist_ok=True)
        (self.tree / "build").mkdir(exist_ok=True)
        for name, text in texts.items():
            self._write(name, text)
        state = state_of(texts)
        done = self.original / "state.json"
        if done.is_file() and (kept := read_json(done))["state"] == state and set(self.engines) <= set(kept["engines"]):
            self.pristine, self.seconds = kept["pristine"], kept["seconds"]
            return
        self._configure()
        targets = [target for part in self._parts() for target in part.targets]
        targets += [name for name in KEPT if any(part.command[0] == f"{{original}}/{name}" for part in self._parts())]
        if not self._build([*targets, "fsqlshm"]):
            raise CouldNotRun(f"the library without a mutant cannot be built, see {self.log}")
        self.original.mkdir(exist_ok=True)
        for name, path in KEPT.items():
            if (self.build_folder / path).is_file():
                shutil.copy2(self.build_folder / path, self.original / name)
        self.pristine = {path: self._digest(path) for path in self._artefacts()}
        for name, part in [(engine.name, part) for engine in self.by_name.values() for part in engine.parts]:
            start = time.monotonic()
            verdict = self._run(part)
            self.seconds[_name(part)] = time.monotonic() - start
            if verdict.outcome == KILLED:
                what = f"{verdict.property}: {verdict.title}"
                raise CouldNotRun(f"{name} complains of the library without a mutant: {what}")
        kept = {"state": state, "engines": self.engines, "pristine": self.pristine, "seconds": self.seconds}
        files.write_json(done, kept)

    def _write(self, name: str, text: bytes) -> None:
        path = self.tree / name
        if path.is_file() and path.read_bytes() == text:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        path.chmod((self.root / name).stat().st_mode)

    def _change(self, mutant: Mutant) -> None:
        if mutant == self.changed:
            return
        if self.changed is not None and self.changed.file != mutant.file:
            self.restore()
        self._write(mutant.file, mutant.applied_to((self.root / mutant.file).read_bytes()))
        self.changed = mutant

    def restore(self) -> None:
        if self.changed is not None:
            self._write(self.changed.file, (self.root / self.changed.file).read_bytes())
            self.changed = None

    # What is built.

    def _parts(self) -> Iterator[Part]:
        for engine in self.by_name.values():
            yield from engine.parts

    def _artefacts(self) -> list[str]:
        return sorted({LIBRARY, *(path for part in self._parts() for path in part.artefacts)})

    def _configure(self) -> None:
        if not (self.tree / "CMakePresets.json").is_file():
            return  # what is built has a build file of its own
        with open(self.log, "ab") as log:
            words = ["cmake", "--preset", PRESET]
            if subprocess.run(words, cwd=self.tree, stdout=log, stderr=log, check=False).returncode != 0:
                raise CouldNotRun(f"{' '.join(words)} failed, see {self.log}")

    def _build(self, targets: Sequence[str]) -> bool:
        if not targets:
            return True
        words: Command = ["ninja", "-C", self.build_folder, f"-j{JOBS}", *dict.fromkeys(targets)]
        with open(self.log, "wb") as log:
            child = self.stop.start(words, group=True, stdout=log, stderr=log)
            code = self.stop.wait(child)
        if self.stop.requested:
            raise CouldNotRun("interrupted")
        return code == 0

    def _digest(self, path: str) -> str:
        """Of a program's code and data: lines of sources may differ."""
        whole = self.build_folder / path
        with tempfile.TemporaryDirectory() as scratch:
            bare = pathlib.Path(scratch, "bare")
            words = ["objcopy", "--strip-debug", "--enable-deterministic-archives"]
            subprocess.run([*words, "--remove-section=.note.gnu.build-id", whole, bare], check=True)
            return hashlib.sha256(bare.read_bytes()).hexdigest()

    # The workshop.

    def compile(self, mutant: Mutant) -> Verdict:
        start = time.monotonic()
        self._change(mutant)
        if not self._build(["fsqlshm"]):
            return Verdict(BROKEN, time.monotonic() - start)
        # Templates of headers are compiled by those who use them; and x86 has the same code for several orders.
        judged = mutant.file.endswith(".cc") and mutant.operator != "order"
        same = judged and self._digest(LIBRARY) == self.pristine[LIBRARY]
        return Verdict(SAME if same else SURVIVED, time.monotonic() - start)

    def attack(self, mutant: Mutant, engine: str) -> Verdict:
        start = time.monotonic()
        self._change(mutant)
        met = False
        for part in self.by_name[engine].parts:
            if not self._build(part.targets):
                return Verdict(BROKEN, time.monotonic() - start)
            if all(self._digest(path) == self.pristine[path] for path in part.artefacts):
                continue
            met = True
            verdict = self._run(part)
            if verdict.outcome == KILLED:
                return Verdict(KILLED, time.monotonic() - start, verdict.property, verdict.title)
        return Verdict(SURVIVED if met else UNREACHED, time.monotonic() - start)

    def _run(self, part: Part) -> Verdict:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="fsqlshm-mutant-", dir=memory, ignore_cleanup_errors=True) as scratch:
            os.chmod(scratch, 0o755)  # some programs go on as another user
            (pathlib.Path(scratch) / "corpus").mkdir()
            document = pathlib.Path(scratch) / "result.json"
            places = {"build": self.build_folder, "original": self.original, "tree": self.tree}
            places |= {"scratch": pathlib.Path(scratch), "json": document}
            words = [*(AS_ROOT if os.geteuid() == 0 else ALONE), *(word.format(**places) for word in part.command)]
            environment = {**os.environ, "TMPDIR": scratch, "RC_PARAMS": "seed=1"}
            with open(self.log, "ab") as log:
                child = self.stop.start(words, group=True, cwd=self.tree, env=environment, stdout=log, stderr=log)
                limit = max(LEAST_SECONDS, TIMES * self.seconds.get(_name(part), LONGEST_SECONDS))
                code = self.stop.wait(child, limit, grace=2)
                signal_group(child, signal.SIGKILL)
            if self.stop.requested:
                raise CouldNotRun("interrupted")
            verdict = verdict_of(part, code, document)
            inputs = sorted(path for path in pathlib.Path(scratch).glob("*-*") if path.is_file())
            return Verdict(SURVIVED) if inputs and self._fails_without(part, inputs[0]) else verdict

    def _fails_without(self, part: Part, found: pathlib.Path) -> bool:
        """Whether an input that a fuzz target found fails without a mutant, too. The mutant is not what it shows: other
        code leads the fuzzer to other inputs."""
        program = self.original / pathlib.PurePath(part.command[0]).name
        if part.result != "facts" or not program.is_file():
            return False
        status = quietly([program, found], LONGEST_SECONDS)
        if status != 0:
            print(f"an input fails without a mutant, too: {program.name} {found.read_bytes().hex()}", file=sys.stderr)
        return status != 0


def _name(part: Part) -> str:
    return " ".join(part.command)


def verdict_of(part: Part, code: int | None, document: pathlib.Path) -> Verdict:
    """What a program's end and its result say."""
    if code is None:
        return Verdict(KILLED, 0, "end", "does not end")
    if code == results.CLEAN:
        return Verdict(SURVIVED)
    named: tuple[str, str] | None = None
    if part.result == "facts" and code == LIBFUZZER_TIMEOUT:
        return Verdict(KILLED, 0, "end", "does not end")
    with contextlib.suppress(BadDocument, KeyError, IndexError, TypeError):
        said = read_json(document)
        if part.by_time and {finding["severity"] for finding in said["findings"]} == {"vacuous"}:
            return Verdict(SURVIVED)
        named = READERS[part.result](said)
    # unshare ends as its child does, or with 128 more than the signal's number.
    if named is None and (code < 0 or code > 128):
        number = -code if code < 0 else code - 128
        named = "no crash", f"dies of signal {number}"
    return Verdict(KILLED, 0, *(named or ("run", f"ends with status {code}")))


def _of_document(document: Any) -> tuple[str, str]:
    bad = [finding for finding in document["findings"] if finding["severity"] != "expected"]
    if bad:
        return bad[0]["property"], bad[0]["title"]
    return "run", f"could not run: {document['reason']}"


def _of_gtest(document: Any) -> tuple[str, str] | None:
    for suite in document["testsuites"]:
        for test in suite["testsuite"]:
            if test.get("failures"):
                return "unit test", f"{suite['name']}.{test['name']}"
    return None


def _of_facts(facts: Any) -> tuple[str, str] | None:
    failure = facts["failure"]
    return (failure["property"], failure["title"]) if failure else None


READERS = {"document": _of_document, "gtest": _of_gtest, "facts": _of_facts}
