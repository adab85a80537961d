"""clang makes LLVM IR of the core, as for a release, and of the functions in fuzz/proofs/entry.cc."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
from collections.abc import Mapping

from fsqlshm import ROOT
from fsqlshm.proofs import ir, parser
from fsqlshm.results import CouldNotRun

CLANG = os.environ.get("FSQLSHM_CLANG") or "clang++-19"
UNITS = ("core/src/geometry.cc", "core/src/validate.cc", "fuzz/proofs/entry.cc")
INCLUDE = "core/include"
# Those of a release build (CMAKE_BUILD_TYPE=Release, core/CMakeLists.txt), but for the level, and one source at a time.
FLAGS = ["-std=c++23", "-DNDEBUG", "-fPIC", "-fvisibility=hidden", "-fvisibility-inlines-hidden"]
# Blocks and values have names then, which do not change what they are.
NAMES = "-fno-discard-value-names"


def check_that_it_is_there() -> None:
    if not shutil.which(CLANG):
        raise CouldNotRun(f"{CLANG} is not there; scripts/bootstrap installs what is missing")


@dataclasses.dataclass(frozen=True)
class Sources:
    """Where the units are; other files in the place of some, for mutants. `first`: searched before the includes."""

    instead: Mapping[str, pathlib.Path] = dataclasses.field(default_factory=dict)
    first: pathlib.Path | None = None

    def start(self, unit: str, level: int) -> "subprocess.Popen[str]":
        includes = [f"-I{path}" for path in (self.first, ROOT / INCLUDE) if path]
        words = [CLANG, *FLAGS, NAMES, f"-O{level}", *includes, "-S", "-emit-llvm", "-o", "-"]
        words.append(str(self.instead.get(unit, ROOT / unit)))
        return subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


def compile_units(level: int, sources: Sources = Sources(), units: tuple[str, ...] = UNITS) -> dict[str, ir.Module]:
    """The modules of the units. Raises CouldNotRun."""
    check_that_it_is_there()
    modules = {}
    for unit in units:
        process = sources.start(unit, level)
        text, errors = process.communicate()
        if process.returncode != 0:
            raise CouldNotRun(f"{CLANG} cannot compile {unit}:\n{errors.strip()}")
        modules[unit] = parser.parse(text, unit)
    return modules


def linked(modules: Mapping[str, ir.Module]) -> ir.Module:
    whole = ir.Module()
    for module in modules.values():
        whole.add(module)
    return whole
