"""The fuzz targets of a build folder: each program describes itself (--describe), nothing else knows them."""

import dataclasses
import functools
import json
import os
import pathlib
import subprocess
from typing import Any

from fsqlshm import ROOT, results

CORPUS = ROOT / "corpus"
BUILD = ROOT / "build" / "asan"


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault that is known to be there: a run that cannot find it checks nothing."""

    name: str
    property: str
    option: str
    searched: bool


@dataclasses.dataclass(frozen=True)
class Share:
    """The part of all executions that has to move a counter."""

    counter: str
    at_least: float


@dataclasses.dataclass(frozen=True)
class Target:
    """What a program says of itself; fuzz/target.h explains the members."""

    name: str
    description: str
    max_size: int
    weight: float
    seeds_of: str
    dictionary: dict[str, str]
    reaches: list[str]
    share: Share | None
    takes_subject: bool  # runs its inputs on a shared object: --subject=PATH.so
    known_faults: list[Fault]
    build: pathlib.Path

    @property
    def attacks(self) -> bool:
        """Whether it attacks the library; others have known faults or do nothing."""
        return self.weight > 0 and not self.known_faults

    @property
    def program(self) -> pathlib.Path:
        """The one with the fuzzing engine, which only clang can build."""
        return _program(self.build, self.name)

    @property
    def replay(self) -> pathlib.Path:
        return _program(self.build, f"{self.name}_replay")

    def kept_inputs(self) -> list[pathlib.Path]:
        """Folders of seeds and regressions: read, never written."""
        return [folder for folder in (CORPUS / self.name, CORPUS / "regressions" / self.name) if folder.is_dir()]

    def fault(self, name: str) -> Fault:
        for fault in self.known_faults:
            if fault.name == name:
                return fault
        raise results.CouldNotRun(f"{self.name} has no known fault {name}")

    def dictionary_text(self) -> str:
        """What libFuzzer's -dict reads."""
        escaped = {name: bytes.fromhex(text).hex(" ").replace(" ", "\\x") for name, text in self.dictionary.items()}
        return "".join(f'{name}="\\x{text}"\n' for name, text in escaped.items())


def _program(build: pathlib.Path, name: str) -> pathlib.Path:
    path = build / "fuzz" / name
    if not path.is_file():
        raise results.CouldNotRun(f"{path} is not there; cmake --preset asan && cmake --build --preset asan builds it")
    return path


def names(build: pathlib.Path) -> list[str]:
    """All targets of a build folder, as CMake knows them."""
    return _program(build, "targets.txt").read_text(encoding="utf-8").split()


@functools.cache
def load(build: pathlib.Path, name: str) -> Target:
    if name not in names(build):
        raise results.CouldNotRun(f"there is no target '{name}', but {', '.join(names(build))}")
    # OSS-Fuzz builds no replay programs, and g++ has no fuzzing engine: either says the same.
    program = build / "fuzz" / name
    command = [str(program if program.is_file() else _program(build, f"{name}_replay")), "--describe"]
    # A program built for coverage would write default.profraw to the working folder.
    environment = {**os.environ, "LLVM_PROFILE_FILE": os.devnull}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    if done.returncode != 0:
        raise results.CouldNotRun(f"{name} does not describe itself: {done.stderr.strip()}")
    said: dict[str, Any] = json.loads(done.stdout)
    said["share"] = Share(**said["share"]) if said["share"] else None
    said["known_faults"] = [Fault(**fault) for fault in said["known_faults"]]
    return Target(**said, build=build)


def load_all(build: pathlib.Path) -> list[Target]:
    return [load(build, name) for name in names(build)]
