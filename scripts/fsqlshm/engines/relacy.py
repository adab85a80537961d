"""The model checker in a campaign: hardened must be clean, reference must show D1 to D6, and no memory order
of hardened may survive its weakening.

Writes relacy-litmus.json, relacy-reference.json, relacy-hardened.json and relacy-orders.json. The third is a
bounded and a random search side by side, merged: each entry of details.scenarios says in "search" which of the
two it is. The last is the order audit. It is the same for every seed, so of several shards the first does it,
and it needs AUDIT_SECONDS to be worth beginning: details.left_out of relacy-hardened.json says if it was left
out, and why.
"""

import argparse
import os
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Sequence

from fsqlshm import ROOT, command, engine, files, merge, processes, results
from fsqlshm.processes import Child
from fsqlshm.results import COULD_NOT_RUN, CouldNotRun, Document
from fsqlshm.schema import BadDocument

DESCRIPTION = engine.Description("relacy", __doc__, subject=True)
BINARIES = [ROOT / "build" / preset / "relacy" / "fsqlshm-relacy" for preset in ("release", "release-clang")]
AUDIT = "relacy-orders.json"
RANDOM_NUMBERS = 1 << 40  # executions that one seed has for itself
AUDIT_SECONDS = 20  # it takes 12 s where it has a processor's core for itself
AUDIT_PATIENCE = 90  # how long after the engine's time it may still end on a loaded machine


class Searches:
    """Starts the model checker."""

    def __init__(self, options: argparse.Namespace) -> None:
        binary = next((path for path in BINARIES if os.access(path, os.X_OK)), None)
        if binary is None:
            raise CouldNotRun(f"{BINARIES[0]} is not built")
        self.binary, self.options, self.stop = binary, options, processes.Stopper()

    def start(self, document: str, *arguments: str) -> Child:
        # Traces and tables are in the documents; nothing reads standard output of an engine.
        words = [self.binary, *arguments, "--json", self.options.out / document]
        return self.stop.start(words, stdout=subprocess.DEVNULL)

    def run(self, document: str, *arguments: str) -> int | None:
        return self.stop.wait(self.start(document, *arguments))

    def finish_audit(self, audit: Child, deadline: float) -> int | None:
        """Waits for the audit, on a loaded machine longer than the engine has."""
        code = self.stop.wait(audit, deadline + AUDIT_PATIENCE - time.monotonic())
        if code is None:
            engine.say("relacy", "the order audit did not end in time")
        if not (self.options.out / AUDIT).exists():
            engine.say("relacy", f"the order audit wrote no result (exit status {audit.returncode})")
            return COULD_NOT_RUN
        return code

    def hardened(self, seconds: float, left_out: str) -> list[int | None]:
        """A bounded and a random search side by side, as one document."""
        with tempfile.TemporaryDirectory(dir=self.options.out) as scratch:
            parts = [f"{scratch}/bounded.json", f"{scratch}/random.json"]
            common = ["--minutes", str(seconds / 60), "--shard", self.options.shard]
            first = 1 + (self.options.seed % (1 << 20)) * RANDOM_NUMBERS
            running = [
                self.start(parts[0], "--search", "bounded", "--context-bound", "6", *common),
                self.start(parts[1], "--search", "random", "--first-iteration", str(first), *common),
            ]
            codes = [self.stop.wait(child) for child in running]
            try:
                document = side_by_side([results.load(pathlib.Path(part)) for part in parts], left_out)
                files.write_json(self.options.out / "relacy-hardened.json", document)
            except BadDocument as error:
                engine.say("relacy", f"a search of hardened wrote no result: {error}")
                codes.append(COULD_NOT_RUN)
        return codes


def side_by_side(documents: Sequence[Document], left_out: str) -> Document:
    """Two searches of the same subject at the same time as one document."""
    for document in documents:
        search = document["details"]["search"]
        document["details"] = {"scenarios": [{**one, "search": search} for one in document["details"]["scenarios"]]}
    merged = merge.merge_documents(documents)
    merged["duration_seconds"] = max(document["duration_seconds"] for document in documents)
    del merged["parts"]
    if left_out:
        merged["details"]["left_out"] = left_out
    return merged


def why_no_audit(options: argparse.Namespace) -> str:
    """Why this run does not audit the memory orders; empty if it does."""
    if options.subject == "reference":
        return "the order audit: it is not about the published protocol's defects"
    if not options.shard.startswith("1/"):
        return "the order audit: the first shard does it"
    if options.seconds < AUDIT_SECONDS:
        return f"the order audit: it needs {AUDIT_SECONDS} s, there are {options.seconds:g} s"
    return ""


def main(arguments: Sequence[str]) -> int:
    options = engine.parse(DESCRIPTION, arguments)
    searches = Searches(options)
    deadline = time.monotonic() + options.seconds
    # The audit is single-threaded and goes on next to everything else.
    left_out = why_no_audit(options)
    audit = None if left_out else searches.start(AUDIT, "--audit-orders", "--quiet")
    codes = [searches.run("relacy-litmus.json", "--litmus")]
    # The known defects take a second or two; a loaded machine gets more, however short the run is.
    if options.subject != "hardened":
        seconds = options.seconds if options.subject else min(60.0, max(5.0, options.seconds / 4))
        known = ["--protocol", "reference", "--search", "bounded", "--minutes", str(seconds / 60)]
        codes.append(searches.run("relacy-reference.json", *known))
    if options.subject != "reference":
        codes += searches.hardened(max(1.0, deadline - time.monotonic()), left_out)
    if audit is not None:
        codes.append(searches.finish_audit(audit, deadline))
    return engine.worst(codes)


if __name__ == "__main__":
    command.run("relacy", main)
