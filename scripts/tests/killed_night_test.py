"""A night of the real engines, killed three times at random, ends as one left alone with the same seeds.

The engines get budgets of iterations, because what a budget of time finds cannot be repeated, and
subjects that have something to be found: the published protocol, too few executions for all of its
defects, so that what is found depends on the seed; vectors of which one is wrong; the planted fault.

Usage: killed_night_test.py BUILD [FUZZ-BUILD] [--nights N] [--times N]
  BUILD        a build folder with fsqlshm-relacy, fsqlshm-stress and fsqlshm-golden
  FUZZ-BUILD   one with the libFuzzer programs; without them nothing is fuzzed, and the test says so
  --nights N   so many nights are killed, each at other moments (default 1)
  --times N    multiplies the work of every engine (default 1)
FSQLSHM_TEST_SEED in the environment chooses the moments.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import time
import unittest
from typing import Any

import support

from fsqlshm import results

HERE = pathlib.Path(__file__).resolve().parent
ROOT = support.SCRIPTS.parent
KILLS = 3
OPTIONS = argparse.Namespace()


def spoiled_vectors(folder: pathlib.Path) -> pathlib.Path:
    """The golden vectors, one of them with another answer than the original's."""
    shutil.copytree(ROOT / "corpus" / "golden", folder)
    lines = (folder / "open.jsonl").read_text(encoding="utf-8").splitlines()
    vector = json.loads(lines[0])
    vector["result"] = "too_small" if vector["result"] != "too_small" else "bad_magic"
    (folder / "open.jsonl").write_text("\n".join([json.dumps(vector), *lines[1:]]) + "\n", encoding="utf-8")
    return folder


def commands(vectors: pathlib.Path) -> dict[str, list[list[Any]]]:
    """What each engine runs, see support.make_real_engines."""
    times = OPTIONS.times
    relacy = [OPTIONS.build / "relacy" / "fsqlshm-relacy", "--quiet", "--search", "random"]
    stress = [OPTIONS.build / "stress" / "fsqlshm-stress", "crash-points", "--quiet", "--seed", "{seed}"]
    golden = OPTIONS.build / "core" / "tools" / "fsqlshm-golden"
    real = {
        "golden": [
            [golden, ROOT / "corpus" / "golden", "--json", "{out}/golden.json"],
            [golden, vectors, "--json", "{out}/spoiled.json"],
        ],
        "relacy": [
            [
                *relacy,
                "--protocol",
                "reference",
                "--iterations",
                15,
                "--first-iteration",
                "{first}",
                "--json",
                "{out}/reference.json",
            ],
            [*relacy, "--iterations", 2000 * times, "--first-iteration", "{first}", "--json", "{out}/hardened.json"],
        ],
        "stress": [
            [*stress, "--protocol", "reference", "--json", "{out}/reference.json"],
            [*stress, "--json", "{out}/hardened.json"],
        ],
    }
    if OPTIONS.fuzz_build:
        real["fuzz"] = [
            support.fuzz_command(OPTIONS.fuzz_build, "canary", 200_000, "planted"),
            # A defect that is there, and that this run is not told to expect.
            support.fuzz_command(OPTIONS.fuzz_build, "schedule_reference", 20_000 * times, "-", "--only=D3"),
        ]
    return real


class KilledNightTest(support.FolderTest):
    def setUp(self) -> None:
        super().setUp()
        real = commands(spoiled_vectors(self.top / "vectors"))
        self.engines = support.make_real_engines(self.top / "engines", real)
        # 15 s a slice are two slices of each engine; they take as long as their iterations take.
        share = 25 if len(real) > 3 else 40
        (self.top / "table").write_text("".join(f"{name} {share} 0 {name}\n" for name in real), encoding="utf-8")

    def kill_at(self, state: str, moment: float) -> bool:
        """Starts the night, or goes on with it, and kills it `moment` seconds after its first engine began.
        Returns whether it was still at work."""
        process = support.start_night(self.top, state, "--seed", "5")
        support.wait_for_line(process, "starting")
        time.sleep(moment)
        process.kill()
        support.finish(process)
        return process.returncode == -signal.SIGKILL

    def result(self, state: str) -> dict[str, Any]:
        """What must be the same: findings, counts of work, verdicts, and where the next night begins."""
        summary = support.read(self.top / state / "latest" / "summary.json")
        entries = support.read(self.top / state / "findings.json")["findings"]
        found = {results.Identity(*(entry[name] for name in results.Identity._fields)) for entry in entries}
        # How many runs libFuzzer needs to find something is nearly always the same, but not on a busy machine.
        counts = {(d["engine"], d["subject"]): d["counts"] for d in summary["results"] if d["engine"] != "fuzz"}
        return {
            "findings": found,
            "counts": counts,
            "status": summary["status"],
            "states": {(d["engine"], d["subject"], d["status"]) for d in summary["results"]},
            "state": support.read(self.top / state / "state.json"),
        }

    def test_killed_three_times(self) -> None:
        begun = time.monotonic()
        status, output = support.finish(support.start_night(self.top, "alone", "--seed", "5"))
        took = time.monotonic() - begun
        self.assertEqual(status, 1, output)
        alone = self.result("alone")
        violations = {key for key in alone["findings"] if key.severity == "violation"}
        self.assertGreaterEqual(
            len({key.engine for key in violations}), 3 if OPTIONS.fuzz_build else 2, alone["findings"]
        )
        self.assertGreaterEqual(len(alone["findings"]), 10)
        print(
            f"alone: {took:.1f} s, {len(alone['findings'])} findings, {len(violations)} of them violations",
            file=sys.stderr,
        )

        seed = int(os.environ.get("FSQLSHM_TEST_SEED", time.time_ns()))
        print(f"FSQLSHM_TEST_SEED={seed}", file=sys.stderr)
        choose = random.Random(seed)
        for night in range(OPTIONS.nights):
            state = f"killed-{night}"
            # Together they leave the night something to do, so that every kill hits it at work.
            moments = [choose.uniform(0, took / (KILLS + 1)) for _ in range(KILLS)]
            while not all(self.kill_at(state, moment) for moment in moments):
                # Faster than the one that was left alone: the machine has become idle.
                shutil.rmtree(self.top / state)
                moments = [moment / 2 for moment in moments]
            status, output = support.finish(support.start_night(self.top, state, "--seed", "5"))
            self.assertEqual(status, 1, output)
            self.assertIn("going on with night", output)
            interrupted = support.interrupted(self.top / state / "latest")
            self.assertTrue(interrupted, "no kill hit a slice")
            killed = self.result(state)
            for member, expected in alone.items():
                self.assertEqual(killed[member], expected, member)
            self.assertEqual(list((self.top / state / "tmp").iterdir()), [])
            times, hit = ", ".join(f"{m:.2f}" for m in moments), ", ".join(p.name for p in interrupted)
            print(f"killed after {times} s, hit {hit}: the same", file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("fuzz_build", type=pathlib.Path, nargs="?")
    parser.add_argument("--nights", type=int, default=1)
    parser.add_argument("--times", type=int, default=1)
    parser.parse_args(namespace=OPTIONS)
    for name in ("build", "fuzz_build"):
        if getattr(OPTIONS, name):
            setattr(OPTIONS, name, getattr(OPTIONS, name).resolve())
    if OPTIONS.fuzz_build and not (OPTIONS.fuzz_build / "fuzz" / "canary").is_file():
        print(f"no fuzz programs in {OPTIONS.fuzz_build}: nothing is fuzzed", file=sys.stderr)
        OPTIONS.fuzz_build = None
    unittest.main(argv=sys.argv[:1])
