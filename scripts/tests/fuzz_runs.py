"""fuzz_runs.py BUILD TARGET OUT SEED RUNS EXPECTED [OPTION...]: fuzzes from nothing until something is found.

Runs, not seconds, and no look at the corpus on disk each second: then libFuzzer does the same again. A finding whose title begins with
EXPECTED is no violation.
"""

import pathlib
import sys
import tempfile

from fsqlshm.fuzz import fuzzing

MAX_LENGTHS = {t.name: t.max_len for t in (*fuzzing.TARGETS.values(), fuzzing.CANARY, fuzzing.REFERENCE)}

build, target, out, seed, runs, expected, *options = sys.argv[1:]
out = pathlib.Path(out)
started = fuzzing.now()
one = fuzzing.Target(target, MAX_LENGTHS[target])
with tempfile.TemporaryDirectory() as corpus:
    outcome = fuzzing.fuzz(
        build,
        one,
        300,
        int(seed),
        [corpus],
        out / "crashes" / target,
        fuzzing.Stopper(),
        [f"-runs={runs}", "-reload=0", *options],
        until_found=True,
    )
result = fuzzing.document(one, outcome, int(seed), {"runs": int(runs)}, started, expected)
fuzzing.write_json(out / f"fuzz-{target}.json", result)
sys.exit(fuzzing.exit_status([result]))
