"""fuzz_runs.py BUILD TARGET OUT SEED RUNS EXPECTED [OPTION...]: fuzzes from nothing until something is found.

Runs, not seconds, and no look at the corpus on disk each second: then libFuzzer does the same again. EXPECTED is the
known fault that is no violation, or "-".
"""

import pathlib
import sys
import tempfile

from fsqlshm.fuzz import documents, targets
from fsqlshm.fuzz.runs import Run
from fsqlshm.processes import Stopper

build, name, out, seed, runs, expected, *options = sys.argv[1:]
target = targets.load(pathlib.Path(build), name)
with tempfile.TemporaryDirectory() as corpus:
    limits = [f"-runs={runs}", "-reload=0"]
    crashes = pathlib.Path(out) / "crashes" / name
    run = Run(target, int(seed), [corpus], crashes, Stopper(), [*limits, *options], until_found=True)
    outcome = run.fuzz(300)
result = documents.result(target, outcome, int(seed), {"runs": int(runs)}, expected)
sys.exit(result.write(pathlib.Path(out) / f"fuzz-{name}.json"))
