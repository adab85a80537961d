"""A copy of the sources with a build folder of its own, where one file at a time has a fault."""

import contextlib
import dataclasses
import hashlib
import math
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
MUTATED = tuple(f"scripts/fsqlshm/mutants/{name}.py" for name in ("attacks", "operators", "survey", "weave"))
JUDGED = ("CMake", "core/", "harness/", "relacy/", "fuzz/", "stress/", "corpus/", "scripts/fsqlshm/proofs/", *MUTATED)
LIBRARY = "core/libfsqlshm.a"
# A program does not end if one of its processes takes more processor time than so many seconds, and than so many times
# what the program takes without a mutant; or if that much more passes by the clock: on a loaded machine a program
# mostly waits.
LEAST_SECONDS, TIMES = 20.0, 10.0
LEAST_WAITED, TIMES_WAITED = 120.0, 20.0
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
    """A workshop (judge.py) that builds one mutant at a time."""

    jobs = 1  # that may be attacked at the same time
    compilers = 2  # that run at the same time

    def __init__(
        self, folder: pathlib.Path, stop: Stopper, engines: Sequence[Engine] = ENGINES, root: pathlib.Path = ROOT
    ) -> None:
        self.tree, self.stop, self.root = folder, stop, root
        self.environment = dict(os.environ)
        if shutil.which("ccache"):
            self.environment |= {"CCACHE_BASEDIR": str(folder), "CCACHE_NOHASHDIR": "1"}
            self.environment |= {
                "CCACHE_SLOPPINESS": "pch_defines,time_macros",
                "CMAKE_CXX_COMPILER_LAUNCHER": "ccache",
            }
        self.build_folder = folder / "build" / PRESET
        self.original = folder / "build" / "original"
        self.log = folder / "build" / "log.txt"
        self.by_name = {engine.name: engine for engine in engines}
        self.engines = tuple(self.by_name)
        self.state = ""
        self.pristine: dict[str, str] = {}  # what each artefact is without a mutant, as far as it was needed
        self.seconds: dict[str, float] = {}  # what each part takes then, by its command
        self.changed: Mutant | None = None

    # The sources.

    def write(self, texts: Mapping[str, bytes], with_new_times: bool = True) -> None:
        """Makes the copy what these are; what is the same is not touched. Without new times what was built from the
        texts before stays as it is."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path = self.tree / name
            if path.is_file() and path.read_bytes() == text:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            before = path.stat() if path.exists() and not with_new_times else None
            path.write_bytes(text)
            if before:
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            if (self.root / name).is_file():
                path.chmod((self.root / name).stat().st_mode)

    def prepare(self, texts: Mapping[str, bytes]) -> None:
        """Makes the copy what the sources are, and keeps the programs that are needed without a mutant."""
        self.write(texts)
        self.state = state_of(texts)
        with contextlib.suppress(BadDocument):
            if (kept := read_json(self.original / "state.json"))["state"] == self.state:
                self.pristine, self.seconds = kept["pristine"], kept["seconds"]
        names = [name for name in KEPT if any(_needs(part, name) for part in self.parts())]
        if LIBRARY in self.pristine and all((self.original / name).is_file() for name in names):
            return
        self.configure()
        if not self.build([*names, "fsqlshm"]):
            raise CouldNotRun(f"the library without a mutant cannot be built, see {self.log}")
        self.original.mkdir(exist_ok=True)
        for name in names:
            if (self.build_folder / KEPT[name]).is_file():
                shutil.copy2(self.build_folder / KEPT[name], self.original / name)
        self.pristine[LIBRARY] = self._digest(LIBRARY)
        self._keep()

    def check(self, wanted: Callable[[Part], bool] = lambda part: True) -> None:
        """Sees to it that no engine finds anything without a mutant."""
        for engine in self.by_name.values():
            for part in filter(wanted, engine.parts):
                if name_of(part) not in self.seconds:
                    self._know(part)
                    self.seconds[name_of(part)] = self.run_without(engine.name, part)
                    self._keep()

    def run_without(self, engine: str, part: Part, **variables: str) -> float:
        """The seconds that a part takes without a mutant. Raises CouldNotRun if it finds something."""
        start = time.monotonic()
        verdict = self.run(part, **variables)
        if verdict.outcome == KILLED:
            what = f"{verdict.property}: {verdict.title}"
            raise CouldNotRun(f"{engine} complains of the library without a mutant: {what}")
        return time.monotonic() - start

    def _keep(self) -> None:
        kept = {"state": self.state, "pristine": self.pristine, "seconds": self.seconds}
        files.write_json(self.original / "state.json", kept)

    def _know(self, part: Part) -> None:
        """What its artefacts are without a mutant."""
        if all(path in self.pristine for path in part.artefacts):
            return
        self.restore()
        if not self.build(part.targets):
            raise CouldNotRun(f"{', '.join(part.targets)} cannot be built without a mutant, see {self.log}")
        self.pristine |= {path: self._digest(path) for path in part.artefacts}
        self._keep()

    def _change(self, mutant: Mutant) -> None:
        if mutant == self.changed:
            return
        if self.changed is not None and self.changed.file != mutant.file:
            self.restore()
        self.write({mutant.file: mutant.applied_to((self.root / mutant.file).read_bytes())})
        self.changed = mutant

    def restore(self) -> None:
        if self.changed is not None:
            self.write({self.changed.file: (self.root / self.changed.file).read_bytes()})
            self.changed = None

    # What is built.

    def parts(self) -> Iterator[Part]:
        for engine in self.by_name.values():
            yield from engine.parts

    def configure(self) -> None:
        if not (self.tree / "CMakePresets.json").is_file():
            return  # what is built has a build file of its own
        with open(self.log, "ab") as log:
            words = ["cmake", "--preset", PRESET]
            done = subprocess.run(words, cwd=self.tree, env=self.environment, stdout=log, stderr=log, check=False)
            if done.returncode != 0:
                raise CouldNotRun(f"{' '.join(words)} failed, see {self.log}")

    def build(self, targets: Sequence[str], *options: str) -> bool:
        if not targets:
            return True
        words: Command = ["ninja", "-C", self.build_folder, f"-j{self.compilers}", *options, *dict.fromkeys(targets)]
        with open(self.log, "wb") as log:
            child = self.stop.start(words, group=True, env=self.environment, stdout=log, stderr=log)
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

    def _same(self, paths: Sequence[str]) -> bool:
        return all(self._digest(path) == self.pristine[path] for path in paths)

    # The workshop.

    def take(self, mutants: Sequence[Mutant]) -> list[Mutant]:
        return list(mutants)

    def compile(self, mutant: Mutant) -> Verdict:
        start = time.monotonic()
        self._change(mutant)
        if not self.build(["fsqlshm"]):
            return Verdict(BROKEN, time.monotonic() - start)
        return Verdict(SAME if _is_library(mutant) and self._same([LIBRARY]) else SURVIVED, time.monotonic() - start)

    def code(self, mutant: Mutant) -> Verdict:
        start = time.monotonic()
        verdict = self.compile(mutant)
        if verdict.outcome != SURVIVED or _is_library(mutant):
            return verdict
        for part in self.parts():
            if self.meets(mutant, part) != UNREACHED:
                return Verdict(SURVIVED, time.monotonic() - start)
        return Verdict(SAME, time.monotonic() - start)

    def meets(self, mutant: Mutant, part: Part) -> str:
        """Builds it: does not compile, unreached, or survived."""
        self._know(part)
        self._change(mutant)
        if not self.build(part.targets):
            return BROKEN
        return UNREACHED if self._same(part.artefacts) else SURVIVED

    def attack(self, mutant: Mutant, engine: str) -> Verdict:
        return attacked(self.by_name[engine].parts, lambda part: self.attack_by(part, mutant))

    def attack_by(self, part: Part, mutant: Mutant) -> Verdict:
        outcome = self.meets(mutant, part)
        return self.run(part) if outcome == SURVIVED else Verdict(outcome)

    def run(self, part: Part, **variables: str) -> Verdict:
        """Runs a part's program in an environment with these variables."""
        with scratch_folder() as scratch:
            (scratch / "corpus").mkdir()
            document = scratch / "result.json"
            places = {"build": self.build_folder, "original": self.original, "tree": self.tree}
            places |= {"scratch": scratch, "json": document}
            taken = self.seconds.get(name_of(part), LONGEST_SECONDS)
            cpu, limit = math.ceil(max(LEAST_SECONDS, TIMES * taken)), max(LEAST_WAITED, TIMES_WAITED * taken)
            words = ["prlimit", f"--cpu={cpu}:{cpu + 2}", *(AS_ROOT if os.geteuid() == 0 else ALONE)]
            words += [word.format(**places) for word in part.command]
            environment = {**os.environ, "TMPDIR": str(scratch), "RC_PARAMS": "seed=1", **variables}
            with open(self.log, "ab") as log:
                child = self.stop.start(words, group=True, cwd=self.tree, env=environment, stdout=log, stderr=log)
                start = time.monotonic()
                code = self.stop.wait(child, limit, grace=2)
                if not document.exists() and time.monotonic() - start > cpu:
                    code = None  # unshare does not say that the kernel has ended its child
                signal_group(child, signal.SIGKILL)
            if self.stop.requested:
                raise CouldNotRun("interrupted")
            verdict = verdict_of(part, code, document)
            inputs = sorted(path for path in scratch.glob("*-*") if path.is_file())
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


@contextlib.contextmanager
def scratch_folder() -> Iterator[pathlib.Path]:
    """An empty folder, in memory if there is some."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="fsqlshm-mutant-", dir=memory, ignore_cleanup_errors=True) as scratch:
        os.chmod(scratch, 0o755)  # some programs go on as another user
        yield pathlib.Path(scratch)


def attacked(parts: Sequence[Part], attack_by: Callable[[Part], Verdict]) -> Verdict:
    """One engine's verdict."""
    start = time.monotonic()
    met = False
    for part in parts:
        verdict = attack_by(part)
        if verdict.outcome in (KILLED, BROKEN):
            return dataclasses.replace(verdict, seconds=time.monotonic() - start)
        met = met or verdict.outcome != UNREACHED
    return Verdict(SURVIVED if met else UNREACHED, time.monotonic() - start)


def _is_library(mutant: Mutant) -> bool:
    """Whether the library's objects show that the code is the same. Templates of headers are compiled by those who use
    them; and x86 has the same code for several orders."""
    return mutant.file.endswith(".cc") and mutant.operator != "order"


def _needs(part: Part, name: str) -> bool:
    """Whether it needs a program of KEPT."""
    return part.command[0] == f"{{original}}/{name}" or name in part.targets


def name_of(part: Part) -> str:
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
