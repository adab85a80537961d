"""Real processes over a real mapping: all roles with chaos under TSan and at full speed, death at every
step, litmus outcomes, recovery times; and the reference, whose defects must be found.

Each part writes stress-NAME.json and, as it prints it, stress-NAME.txt.
"""

import argparse
import time
from collections.abc import Sequence

from fsqlshm import ROOT, command, engine, processes, results

DESCRIPTION = engine.Description("stress", __doc__, subject=True)


class Parts:
    """Runs the stress program once for each part."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.deadline: float = time.monotonic() + options.seconds
        self.stop = processes.Stopper()
        self.codes: list[int | None] = []

    def left(self) -> float:
        return max(0.0, self.deadline - time.monotonic())

    def run(self, name: str, preset: str, *arguments: str) -> None:
        if self.stop.requested:
            return
        out = self.options.out
        # From the repository's root, so that the replay commands, which name the program as it was
        # called, can be pasted there.
        words = [f"build/{preset}/stress/fsqlshm-stress", *arguments, "--seed", str(self.options.seed)]
        words += ["--shard", self.options.shard, "--json", str(out / f"stress-{name}.json")]
        engine.say("stress", f"{name}, {self.left():.0f} s left")
        code: int | None = results.COULD_NOT_RUN
        try:
            with open(out / f"stress-{name}.txt", "wb") as text:
                code = self.stop.wait(self.stop.start(words, stdout=text, cwd=ROOT))
        except OSError as error:
            engine.say("stress", f"cannot run {words[0]}: {error.strerror}")
        if code not in (results.CLEAN, results.FOUND, results.COULD_NOT_RUN):
            engine.say("stress", f"{name} ended with status {code}")
        self.codes.append(code)


def main(arguments: Sequence[str]) -> int:
    options = engine.parse(DESCRIPTION, arguments)
    parts = Parts(options)
    # A tenth of the time for the outcomes of nine races, or ten, of each protocol.
    race = f"{min(3.0, max(0.1, options.seconds / 200)):.2f}"
    # What must be found gets more. A race in which nothing met goes on for several times as long.
    sure = f"{min(3.0, max(0.5, options.seconds / 200)):.2f}"
    if options.subject != "hardened":
        expect = ["--protocol", "reference", "--expect-defects"]
        parts.run("reference-crash-points", "release", "crash-points", *expect)
        parts.run("reference-outcomes", "release", "outcomes", "--race-seconds", sure, *expect)
        parts.run("reference", "release", "--seconds", "30", *expect)
    if options.subject != "reference":
        parts.run("crash-points", "release", "crash-points")
        parts.run("outcomes", "release", "outcomes", "--race-seconds", race)
        parts.run("recovery", "release", "recovery", "--deaths", str(max(20, int(options.seconds * 2))))
        parts.run("tsan", "tsan", "--seconds", f"{max(2.0, parts.left() / 2):.1f}")
        parts.run("chaos", "release", "--seconds", f"{max(2.0, parts.left()):.1f}")
    return engine.worst(parts.codes)


if __name__ == "__main__":
    command.run("stress", main)
