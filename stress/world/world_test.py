#!/usr/bin/python3
"""The catalogue from outside: it finds the file layer's mutants by their properties, nothing in the same cells where
there is none, shows a cell again, and leaves nothing behind."""

import json
import pathlib
import subprocess
import sys
import tempfile
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
                truth = self.attack("--cells", ",".join(mutant["cells"]))
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
            ["--replay", "kill:nothing:1"],
            ["--cells", "kill:nothing"],
            ["--mutant", "none"],
            ["--shard", "3/2"],
        ):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertTrue(done.stderr.startswith("fsqlshm-world: "), done.stderr)

    def test_nothing_is_left_behind(self) -> None:
        self.attack("--cells", "fork-sleep-die:publish,full-disk:create")
        self.assertEqual([path.name for path in pathlib.Path(self.folder.name).iterdir()], ["world.json"])


if __name__ == "__main__":
    unittest.main()
