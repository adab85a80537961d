"""Which lines of the core the fuzz corpora execute: scripts/fuzz all --coverage as a result document.

Finds nothing; it says where the fuzz targets do not look. `details.lines` is the tool's coverage.json.
"""

import argparse
import datetime
import json
import pathlib
import signal
import subprocess
import sys
import time

from fsqlshm import ROOT

COVERAGE = ROOT / "out" / "fuzz" / "coverage" / "coverage.json"


def main():
    parser = argparse.ArgumentParser(prog="coverage", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, help="it takes what it needs")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seed", help="not used")
    parser.add_argument("--shard", help="not used")
    options = parser.parse_args()
    started, start = datetime.datetime.now(datetime.timezone.utc), time.monotonic()
    command = [str(ROOT / "scripts" / "fuzz"), "all", "--coverage", "--corpus", str(options.out / "corpus")]
    print("coverage: building and replaying the corpora", file=sys.stderr, flush=True)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: process.terminate())
    if process.wait() != 0:
        print(f"coverage: scripts/fuzz ended with {process.returncode}", file=sys.stderr)
        return 2
    lines = json.loads(COVERAGE.read_text(encoding="utf-8"))
    document = {
        "schema": "fsqlshm-result/1",
        "engine": "fuzz",
        "subject": "lines covered",
        "status": "clean",
        "seed": None,
        "budget": {},
        "started": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duration_seconds": time.monotonic() - start,
        "counts": {"lines": lines["lines"], "lines_covered": lines["covered"]},
        "headline": f"{lines['percent']:.1f} % of {lines['lines']} lines of the core",
        "findings": [],
        "details": {"lines": lines},
    }
    (options.out / "coverage.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
