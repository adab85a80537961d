"""Real processes over a real mapping: all roles with chaos under TSan and at full speed, death at
every step, outcome tables, recovery times; and the reference, whose defects must be found.

Each part writes stress-NAME.json and, as it prints it, stress-NAME.txt.
"""

import argparse
import pathlib
import signal
import subprocess
import sys
import time

from fsqlshm import ROOT

CLEAN, FOUND, COULD_NOT_RUN = 0, 1, 2


class Engine:
    def __init__(self, options):
        self.options = options
        self.deadline = time.monotonic() + options.seconds
        self.process = None
        self.stopped = False
        self.codes = []
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def stop(self, number, _frame):
        self.stopped = True
        if self.process:
            self.process.send_signal(number)

    def left(self):
        return max(0.0, self.deadline - time.monotonic())

    def part(self, name, preset, *arguments):
        if self.stopped:
            return
        # From the repository's root, so that the replay commands, which name the program as it was
        # called, can be pasted there.
        command = [f"build/{preset}/stress/fsqlshm-stress"]
        command += [str(a) for a in arguments]
        command += ["--seed", str(self.options.seed), "--shard", self.options.shard]
        command += ["--json", str(self.options.out.resolve() / f"stress-{name}.json")]
        print(f"stress: {name}, {self.left():.0f} s left", file=sys.stderr, flush=True)
        try:
            with open(self.options.out / f"stress-{name}.txt", "w", encoding="utf-8") as text:
                self.process = subprocess.Popen(command, stdout=text, cwd=ROOT)
                code = self.process.wait()
        except OSError as error:
            print(f"stress: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
            code = COULD_NOT_RUN
        self.process = None
        if code not in (CLEAN, FOUND, COULD_NOT_RUN):
            print(f"stress: {name} ended with status {code}", file=sys.stderr)
            code = COULD_NOT_RUN
        self.codes.append(code)

    def run(self):
        seconds = self.options.seconds
        wanted = self.options.subject
        # A tenth of the time for the outcomes of nine races, or ten, of each protocol.
        race = f"{min(3.0, max(0.1, seconds / 200)):.2f}"
        # What must be found gets more. A race in which nothing met goes on for several times as long.
        sure = f"{min(3.0, max(0.5, seconds / 200)):.2f}"
        if wanted != "hardened":
            expect = ["--protocol", "reference", "--expect-defects"]
            self.part("reference-crash-points", "release", "crash-points", *expect)
            self.part("reference-outcomes", "release", "outcomes", "--race-seconds", sure, *expect)
            self.part("reference", "release", "--seconds", "30", *expect)
        if wanted != "reference":
            self.part("crash-points", "release", "crash-points")
            self.part("outcomes", "release", "outcomes", "--race-seconds", race)
            self.part("recovery", "release", "recovery", "--deaths", max(20, int(seconds * 2)))
            half = max(2.0, self.left() / 2)
            self.part("tsan", "tsan", "--seconds", f"{half:.1f}")
            self.part("chaos", "release", "--seconds", f"{max(2.0, self.left()):.1f}")
        if FOUND in self.codes:
            return FOUND
        return COULD_NOT_RUN if COULD_NOT_RUN in self.codes or not self.codes else CLEAN


def main():
    parser = argparse.ArgumentParser(prog="stress", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=float, required=True, help="wall time to spend")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="directory for the results")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shard", default="1/1", help="I/N: changes the seed")
    parser.add_argument("--subject", choices=("hardened", "reference"), help="attack this one alone")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return Engine(options).run()


if __name__ == "__main__":
    sys.exit(main())
