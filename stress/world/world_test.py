#!/usr/bin/python3
"""The catalogue from outside: it finds the file layer's mutants by their properties, nothing in the same cells where
there is none, shows a cell again, and leaves nothing behind."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from typing import Any

WORLD = sys.argv[1]
del sys.argv[1]


def run(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run([WORLD, *arguments], capture_output=True, text=True, timeout=timeout, check=False)


class World(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        pathlib.Path(self.folder.name).chmod(0o755)  # processes of other users work there too
        self.addCleanup(self.folder.cleanup)

    def attack(self, *arguments: str) -> Any:
        document = pathlib.Path(self.folder.name) / "world.json"
        done = run(*arguments, "--quiet", "--dir", self.folder.name, "--json", str(document))
        value = json.loads(document.read_text(encoding="utf-8"))
        self.assertEqual(done.returncode, {"clean": 0, "found": 1, "could_not_run": 2}[value["status"]], done.stdout)
        return value

    def test_every_mutant_is_found_by_its_property_in_cells_that_the_layer_passes(self) -> None:
        mutants = json.loads(run("--describe").stdout)["mutants"]
        self.assertGreaterEqual(len(mutants), 15)
        for mutant in mutants:
            with self.subTest(mutant["name"]):
                truth = self.attack("--cells", mutant["cell"])
                self.assertEqual(truth["findings"], [])
                if truth["counts"]["skipped"]:
                    continue  # it says why, and the report does too
                lie = self.attack("--mutant", mutant["name"])
                properties = {f["property"] for f in lie["findings"] if f["severity"] == "violation"}
                self.assertIn(mutant["property"], properties)

    def test_a_cell_is_shown_again(self) -> None:
        done = run("--replay", "truncate:read-header:3")
        self.assertEqual(done.returncode, 0, done.stdout)
        for text in ("openat(", "* the file is truncated", "the next first opener opens the file"):
            self.assertIn(text, done.stdout)

    def test_shards_are_the_whole(self) -> None:
        row = ["--cells", "kill:lock"]
        whole = self.attack(*row)["counts"]["cells"]
        parts = [self.attack(*row, "--shard", f"{part}/3")["counts"]["cells"] for part in (1, 2, 3)]
        self.assertGreater(whole, 3)
        self.assertEqual(sum(parts), whole)

    def test_bad_options(self) -> None:
        for arguments in (
            ["--nonsense"],
            ["--replay", "kill"],
            ["--replay", "kill:lock"],
            ["--replay", "kill:lock:"],
            ["--replay", "kill:lock:0"],
            ["--replay", "kill:lock:x"],
            ["--replay", "kill:lock:1+"],
            ["--replay", "kill:nothing:1"],
            ["power-loss", "--image", "ext4/create"],
            ["power-loss", "--image", "ext4/create/data@x/cut 1/drop 0"],
            ["power-loss", "--image", "ext4/create/data@1/cut/drop 0"],
            ["--cells", "kill:nothing"],
            ["--mutant", "none"],
            ["--shard", "3/2"],
        ):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertTrue(done.stderr.startswith("fsqlshm-world: "), done.stderr)
            self.assertNotIn("stoull", done.stderr)

    def test_a_moment_that_an_operation_does_not_have_is_not_clean(self) -> None:
        done = run("--replay", "kill:lock:9999")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("lock has no moment 9999: kill did not happen", done.stderr)

    def test_an_interrupted_scribbler_is_not_clean(self) -> None:
        scribbler = subprocess.Popen(
            [WORLD, "scribbler", "--seconds", "60", "--dir", self.folder.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(2)
        scribbler.send_signal(signal.SIGINT)
        said, complained = scribbler.communicate(timeout=60)
        self.assertEqual(scribbler.returncode, 2, said)
        self.assertIn("of 60 s", complained)

    def test_nothing_that_could_be_tried_is_not_called_clean(self) -> None:
        if os.geteuid() != 0:
            self.skipTest("as root, to become somebody who is not")
        nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        pathlib.Path(self.folder.name).chmod(0o777)
        done = subprocess.run(
            [*nobody, WORLD, "power-loss", "--quick", "--quiet", "--dir", self.folder.name],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode == 126:
            self.skipTest("nobody may not run the program here")
        self.assertIn("skipped: power loss: needs root", done.stdout)
        self.assertTrue(done.stdout.endswith("nothing was tried\n"), done.stdout)

    def test_a_full_disk_for_the_results_is_an_error(self) -> None:
        program = "mount -t tmpfs -o size=16k none $2 && head -c 16k /dev/zero > $2/fill; "
        program += 'chmod 755 $2; "$1" $3 --quiet --dir $2'
        for command in ("--quick --cells kill:publish", "scribbler --seconds 1"):
            done = subprocess.run(
                ["unshare", "-m", "sh", "-c", program, "sh", WORLD, self.folder.name, command],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            if "not permitted" in done.stderr or "denied" in done.stderr:
                self.skipTest("no mount namespace can be made here")
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertRegex(done.stderr, "no room for what was found in|no file to write to: .*file_no_space")

    def test_nothing_is_left_behind(self) -> None:
        self.attack("--cells", "fork-sleep-die:publish,full-disk:create")
        self.assertEqual([path.name for path in pathlib.Path(self.folder.name).iterdir()], ["world.json"])


if __name__ == "__main__":
    unittest.main()
