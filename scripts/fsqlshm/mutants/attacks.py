"""What each engine does to a mutant: what is built for it, and what is run, cheapest first.

The budgets are fixed numbers of executions where the engine takes such, so that a mutant has the same fate every night.
"""

import dataclasses

UNIT_TESTS = ("original_test", "edge_test", "c_interface_test", "out_of_memory_test", "shm_file_test", "process_test")
# Executions that find what a minute's fuzzing finds, mostly; in all some seconds.
FUZZ_RUNS = {
    "open_raw": 100_000,
    "open_sealed": 100_000,
    "operations": 30_000,
    "proc_stat": 30_000,
    "schedule": 20_000,
    "shm_file": 3_000,
}
RC11_EXECUTIONS = "5000"  # of each scenario; five of 44 have more
# The obligation that takes four fifths of the time comes last, and only if the ones before did not refute anything.
LONG_PROOF = "validate"
SHORT_PROOFS = ("checksum", "open-by-copy", "open-in-place", "agree", "create", "state-word", "any-word")
HARDENED = "harness/subjects/hardened.so"


@dataclasses.dataclass(frozen=True)
class Part:
    """One program and its arguments. {build}: the build folder; {original}: copies of programs from before the mutant;
    {tree}: the sources; {json}: where its result goes; {scratch}: an empty folder, in memory."""

    command: tuple[str, ...]
    targets: tuple[str, ...]  # of the build
    artefacts: tuple[str, ...]  # in the build folder; if none of them has changed the engine meets no mutant
    result: str = "document"  # document, gtest, or facts of a fuzz target
    by_time: bool = False  # what it did not reach, on a loaded machine, is no kill


@dataclasses.dataclass(frozen=True)
class Engine:
    name: str
    parts: tuple[Part, ...]


def _unit(name: str) -> Part:
    command = (f"{{build}}/core/{name}", "--gtest_fail_fast", "--gtest_brief=1", "--gtest_output=json:{json}")
    return Part(command, (name,), (f"core/{name}",), "gtest")


def _fuzz(name: str, runs: int) -> Part:
    command = [f"{{build}}/fuzz/{name}", f"-runs={runs}", "-seed=1", "-timeout=60", "-artifact_prefix={scratch}/"]
    command += ["--facts={json}", "{scratch}/corpus", f"{{tree}}/corpus/{name}"]
    return Part(tuple(command), (name,), (f"fuzz/{name}",), "facts")


def _program(path: str, *arguments: str) -> Part:
    name = path.rpartition("/")[2]
    return Part((f"{{build}}/{path}", *arguments, "--json", "{json}"), (name,), (path,))


def _of_subject(program: str, *arguments: str) -> Part:
    """A program from before the mutant, on a shared object of it."""
    command = (f"{{original}}/{program}", *arguments, "--subject", f"{{build}}/{HARDENED}", "--json", "{json}")
    return Part(command, ("subject_hardened",), (HARDENED,))


def _proofs(*obligations: str) -> Part:
    command = ("{tree}/scripts/prove", *obligations, "--out", "{scratch}", "--json", "{json}")
    return Part(command, ("proved",), ("libproved.a",))


_STRESS = "stress/fsqlshm-stress"
_COMMON = ("--quiet", "--seed", "1", "--dir", "{scratch}")

ENGINES = (
    Engine("golden", (_of_subject("fsqlshm-golden", "{tree}/corpus/golden"),)),
    Engine("step", (_of_subject("fsqlshm-step", "--quiet", "--search", "bounded", "--context-bound", "1"),)),
    Engine("unit", tuple(map(_unit, UNIT_TESTS))),
    Engine("fuzz", tuple(_fuzz(name, runs) for name, runs in FUZZ_RUNS.items() if name != "schedule")),
    Engine("schedules", (_fuzz("schedule", FUZZ_RUNS["schedule"]),)),
    Engine("rc11", (_program("relacy/rc11/fsqlshm-rc11", "--quiet", "--iterations", RC11_EXECUTIONS),)),
    Engine("relacy", (_program("relacy/fsqlshm-relacy", "--quiet", "--search", "bounded", "--context-bound", "2"),)),
    Engine("crash-points", (_program(_STRESS, "crash-points", *_COMMON),)),
    Engine("world", (_program("stress/world/fsqlshm-world", "--quick", *_COMMON),)),
    Engine(
        "stress",
        (
            dataclasses.replace(_program(_STRESS, "outcomes", "--race-seconds", "0.05", *_COMMON), by_time=True),
            dataclasses.replace(_program(_STRESS, "--seconds", "5", *_COMMON), by_time=True),
        ),
    ),
    Engine("proofs", (_proofs(*SHORT_PROOFS), _proofs(LONG_PROOF))),
)
# Programs that are kept from before the mutants: what runs on shared objects, and what says whether an input fails
# without a mutant, too.
KEPT = {"fsqlshm-golden": "core/tools/fsqlshm-golden", "fsqlshm-step": "stress/step/fsqlshm-step"}
KEPT |= {name: f"fuzz/{name}" for name in FUZZ_RUNS}
