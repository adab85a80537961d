"""What the commands have in common: the files that they write, and how they refuse others."""

import contextlib
import errno
import io
import os
import pathlib
import subprocess
import time
import unittest
from collections.abc import Callable, Sequence
from unittest import mock

import psutil
import support

from fsqlshm import command, files, results
from fsqlshm.bench import command as bench
from fsqlshm.fuzz import command as fuzz
from fsqlshm.mutants import command as mutants
from fsqlshm.results import CouldNotRun


class OutputTest(support.FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.pipe, self.link = self.top / "pipe", self.top / "link"
        os.mkfifo(self.pipe)
        self.link.symlink_to(self.pipe)

    def test_no_program_takes_what_is_no_file(self) -> None:
        parsers: dict[Callable[[Sequence[str]], object], list[str]] = {
            bench.parse: ["--save"],
            fuzz.parse: ["open_raw", "--json"],
            mutants.parse: ["--json"],
        }
        for parse, words in parsers.items():
            for path in (self.pipe, self.link, self.top):
                with self.assertRaisesRegex(CouldNotRun, f"{words[-1]}: {path}: not a regular file"):
                    parse([*words, str(path)])
        with self.assertRaisesRegex(CouldNotRun, "--junit: .*: not a regular file"):
            fuzz.parse(["open_raw", "--junit", str(self.link)])

    def test_a_file_that_cannot_be_written_is_refused(self) -> None:
        for text, why in {"": "expected the name of a file", str(self.top / "no" / "x"): "cannot write"}.items():
            with self.assertRaisesRegex(CouldNotRun, f"--json: {why}"):
                mutants.parse(["--json", text])
        kept = self.top / "kept"
        for _ in range(2):  # a new one, and one that is there
            self.assertEqual(command.output(str(kept)), kept)
            files.write_text(kept, "text")

    def test_nothing_but_a_file_is_replaced(self) -> None:
        for path in (self.pipe, self.link, self.top):
            with self.assertRaisesRegex(OSError, "not a regular file"):
                files.write_text(path, "text")
        self.assertTrue(self.pipe.is_fifo() and self.link.is_symlink())
        self.assertEqual(len(list(self.top.iterdir())), 2)

    def test_what_could_not_be_written_leaves_nothing(self) -> None:
        folder = self.top / "folder"
        folder.mkdir()
        full = OSError(errno.ENOSPC, "No space left on device")
        with mock.patch("os.fsync", side_effect=full), self.assertRaisesRegex(OSError, "No space left"):
            files.write_text(folder / "file", "text")
        self.assertEqual(list(folder.iterdir()), [])

    def test_what_was_found_is_found_also_if_it_cannot_be_written(self) -> None:
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            self.assertEqual(command.write(results.FOUND, self.pipe, "text"), results.FOUND)
        self.assertIn(f"{self.pipe}: not a regular file", said.getvalue())
        with self.assertRaises(OSError):
            command.write(results.CLEAN, self.pipe, "text")


class EngineTest(unittest.TestCase):
    def test_it_names_the_engines(self) -> None:
        for word, code in (("--help", 0), ("nothing", 2)):
            run = [str(support.SCRIPTS / "engine"), word]
            done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, code, done)
            self.assertIn("one of bench, coverage,", done.stderr if code else done.stdout)


class EndTest(support.FolderTest):
    def test_an_interrupted_program_says_so(self) -> None:
        body = "import os, signal; from fsqlshm import command\n"
        body += "command.run('name', lambda _: os.kill(os.getpid(), signal.SIGINT) or 0)\n"
        program = self.top / "program.py"
        program.write_text(body, encoding="utf-8")
        words: list[str | pathlib.Path] = [support.SCRIPTS / "python", "-B", program]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (2, "", "name: interrupted\n"))

    def test_what_a_killed_program_runs_ends_with_it(self) -> None:
        body = "import pathlib; from fsqlshm.processes import Stopper\n"
        body += f"Stopper().run(['sleep', '60'], pathlib.Path({str(self.top / 'log')!r}))\n"
        program = self.top / "program.py"
        program.write_text(body, encoding="utf-8")
        with subprocess.Popen([support.SCRIPTS / "python", "-B", program]) as process:
            children: list[psutil.Process] = []
            while process.poll() is None and len(children) < 2:  # what it runs, and who looks after that
                time.sleep(0.05)
                children = psutil.Process(process.pid).children()
            process.kill()
        self.assertEqual(len(psutil.wait_procs(children, timeout=20)[0]), 2, children)


if __name__ == "__main__":
    unittest.main()
