"""The Relacy engine in a campaign: hardened must be clean, reference must show D1 to D6, and no
memory order of hardened may survive its weakening.

Writes relacy-litmus.json, relacy-reference.json, relacy-hardened.json and relacy-orders.json into
--out. The third is a bounded and a random search side by side, merged: each entry of
details.scenarios says in "search" which of the two it is. The last is the order audit. It is the same
whatever the seed, so of several shards the first does it, and it needs AUDIT_SECONDS to be worth
beginning: details.left_out of relacy-hardened.json says if it was left out, and why.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from fsqlshm import ROOT

BINARIES = [ROOT / "build" / preset / "relacy" / "fsqlshm-relacy" for preset in ("release", "release-clang")]
CLEAN, FOUND, COULD_NOT_RUN = 0, 1, 2
RANDOM_NUMBERS = 1 << 40  # executions that one seed has for itself
AUDIT_SECONDS = 20  # it takes 12 s where it has a processor's core for itself
AUDIT_PATIENCE = 90  # how long after the engine's time it may still end on a loaded machine

children = []
stopped = False


def stop(_signal, _frame):
    """Passes the signal on: the tools end with a report of what they did so far."""
    global stopped
    stopped = True
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)


def start(binary, arguments, document):
    command = [binary, *arguments, "--json", document]
    if stopped:
        return None
    # Lanes and tables are in the documents; standard output of an engine is nobody's to read.
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    children.append(child)
    return child


def wait(child):
    return COULD_NOT_RUN if child is None else child.wait()


def read(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def merge(documents, path, left_out):
    """One document of several about the same subject; findings make it found, gaps incomplete."""
    merged = dict(documents[0])
    merged["findings"] = [finding for each in documents for finding in each["findings"]]
    merged["duration_seconds"] = max(each["duration_seconds"] for each in documents)
    merged["counts"] = {
        "executions": sum(each["counts"]["executions"] for each in documents),
        "scenarios": max(each["counts"]["scenarios"] for each in documents),
    }
    merged["details"] = {
        "scenarios": [
            dict(scenario, search=each["details"]["search"])
            for each in documents
            for scenario in each["details"]["scenarios"]
        ]
    }
    if left_out:
        merged["details"]["left_out"] = left_out
    merged["budget"] = {"seconds": sum(each["budget"]["seconds"] for each in documents)}
    states = [each["status"] for each in documents]
    merged["status"] = next((state for state in ("found", "could_not_run") if state in states), "clean")
    reasons = [each["reason"] for each in documents if "reason" in each]
    if reasons:
        merged["reason"] = "; ".join(reasons)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(merged, indent=2) + "\n")
    os.replace(temporary, path)


def arguments_of():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, required=True, help="wall time to spend")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder for documents")
    parser.add_argument("--seed", type=int, default=0, help="chooses the random executions")
    parser.add_argument("--shard", default="1/1", help="I/N: do part I of N")
    parser.add_argument("--subject", choices=("hardened", "reference"), help="attack this one alone")
    return parser.parse_args()


def why_no_audit(options):
    """Why this run does not audit the memory orders; empty if it does."""
    if options.subject == "reference":
        return "the order audit: it is not about the published protocol's defects"
    if not options.shard.startswith("1/"):
        return "the order audit: the first shard does it"
    if options.seconds < AUDIT_SECONDS:
        return f"the order audit: it needs {AUDIT_SECONDS} s, there are {options.seconds:g} s"
    return ""


def finish_audit(audit, deadline, path):
    """Waits for the audit, on a loaded machine longer than the engine has; returns its exit code."""
    try:
        code = audit.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        print("relacy: the order audit did not end in time", file=sys.stderr)
        audit.send_signal(signal.SIGTERM)
        code = audit.wait()
    if read(path) is None:
        print(f"relacy: the order audit wrote no result (exit status {code})", file=sys.stderr)
        return COULD_NOT_RUN
    return code


def search_hardened(binary, options, seconds, left_out):
    """A bounded and a random search side by side; returns the tools' exit codes."""
    with tempfile.TemporaryDirectory(dir=options.out) as scratch:
        parts = [pathlib.Path(scratch) / name for name in ("bounded.json", "random.json")]
        common = ["--minutes", str(seconds / 60), "--shard", options.shard]
        first = 1 + (options.seed % (1 << 20)) * RANDOM_NUMBERS
        running = [
            start(binary, ["--search", "bounded", "--context-bound", "6", *common], parts[0]),
            start(binary, ["--search", "random", "--first-iteration", str(first), *common], parts[1]),
        ]
        codes = [wait(child) for child in running]
        documents = [document for document in map(read, parts) if document]
        if len(documents) == 2:
            merge(documents, options.out / "relacy-hardened.json", left_out)
        else:
            print("relacy: a search of hardened wrote no result", file=sys.stderr)
            codes.append(COULD_NOT_RUN)
    return codes


def main():
    options = arguments_of()
    binary = next((path for path in BINARIES if os.access(path, os.X_OK)), None)
    if binary is None:
        print(f"relacy: {BINARIES[0]} is not built", file=sys.stderr)
        return COULD_NOT_RUN
    if options.seconds <= 0 or not options.out.is_dir():
        print("relacy: --seconds must be positive and --out a folder", file=sys.stderr)
        return COULD_NOT_RUN
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    deadline = time.monotonic() + options.seconds
    # The audit is single-threaded and goes on beside everything else.
    left_out = why_no_audit(options)
    orders = options.out / "relacy-orders.json"
    audit = None if left_out else start(binary, ["--audit-orders", "--quiet"], orders)

    codes = [wait(start(binary, ["--litmus"], options.out / "relacy-litmus.json"))]
    # The known defects take a second or two; a loaded machine gets more, however short the run is.
    if options.subject != "hardened":
        known = options.seconds if options.subject else min(60.0, max(5.0, options.seconds / 4))
        codes.append(
            wait(
                start(
                    binary,
                    ["--protocol", "reference", "--search", "bounded", "--minutes", str(known / 60)],
                    options.out / "relacy-reference.json",
                )
            )
        )
    if options.subject != "reference":
        left = max(1.0, deadline - time.monotonic())
        codes += search_hardened(binary, options, left, left_out)
    if audit is not None:
        codes.append(finish_audit(audit, deadline + AUDIT_PATIENCE, orders))

    if FOUND in codes:
        return FOUND
    # A tool that died of a signal has a negative code.
    return CLEAN if all(code == CLEAN for code in codes) else COULD_NOT_RUN


if __name__ == "__main__":
    sys.exit(main())
