"""The commands of the documentation are run, page by page, as a reader does who has a copy of the project:
usage: commands_test.py BUILD, what the pages call build/release.

A block of commands is a ```bash block. Three things are not as they stand there. Campaigns and nights have engines
that only pretend, because real ones take minutes. What installs packages, tests everything or makes a release is asked
for its --help, with the options that it is given there. And a block with the comment "run by FILE" before it is left
to that test, which does the same with less.

The engines' own pages have commands that take minutes: their programs and options are looked up in the help.
"""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import support
from fsqlshm import ROOT

BUILD = pathlib.Path()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:<!-- run by (\S+) -->\n)?```bash\n(.*?)```", re.DOTALL)
# What looks like a command, outside of such a block.
COMMAND = re.compile(
    r"^(    |\$ )?((scripts|build)/\S+|cmake -|ctest |g\+\+ |gcc |apt-get |dpkg |python3 |export )", re.M
)
# A line of an engine's page: program, and what it is given.
CALL = re.compile(r"^ *(?:build/release/\S*/)?(fsqlshm-[a-z0-9]+|scripts/[a-z]+)((?: [^#\n`|]*)?)", re.M)
PRETENDED = ("campaign", "nightly")
ONLY_ASKED = ("bootstrap", "test", "release")
HERE = pathlib.Path(__file__).resolve().parent
NAMES = ["golden", "proofs", "relacy", "rc11", "step", "fuzz", "stress", "world", "bench", "mutants", "tests", "tidy"]

# They find nothing, and can attack whatever they are given.
ENGINE = (
    support.ENGINE.replace("n % 3 == 0", "False")
    .replace("DESCRIPTION", '{"subject": True, "object_builds": {"release": "engine"}}')
    .replace("parser.parse_args()", "parser.parse_known_args()[0]")
)


def blocks(page: pathlib.Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@functools.cache
def help_of(*program: pathlib.Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*program, "--help"], capture_output=True, text=True, check=False)


def unknown(calls: str) -> list[str]:
    """What these commands name that their programs do not have."""
    missing = []
    for name, given in CALL.findall(calls):
        found = [ROOT / name] if name.startswith("scripts/") else [*BUILD.glob(f"**/{name}")]
        words = given.split()
        subcommand = [word for word in words[:1] if name == found[0].name and re.fullmatch("[a-z][a-z-]+", word)]
        helps = [help_of(found[0])]  # a subcommand takes the program's options, too
        helps += [help_of(found[0], word) for word in subcommand]
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        text = "".join(done.stdout for done in helps)
        if any(done.returncode for done in helps) or subcommand and f"Usage: {name} {words[0]} " not in text:
            missing.append(f"{name} {given.strip()}")
        missing += [f"{name} {option}" for option in options if not re.search(rf"{option}\b", text)]
    return missing


def is_run(left_to: str, lists: str) -> bool:
    """Whether the tests run a file: one that lists tests, or one that such `lists` name."""
    path = pathlib.Path(left_to)
    if left_to == "scripts/test" or path.name == "CMakeLists.txt":
        return True
    name = re.escape(path.name.removesuffix("_test.py"))
    of_scripts = re.search(rf"(fsqlshm_script_test\(|foreach\(name [^)]*\b){name}\b", lists)
    return path.suffix in (".py", ".sh") and (path.name in lists or bool(of_scripts))


class CommandsTest(support.FolderTest):
    def executable(self, path: pathlib.Path, text: str) -> None:
        path.write_text(f"#!/usr/bin/env bash\n{text}\n", encoding="utf-8")
        path.chmod(0o755)

    def setUp(self) -> None:
        """The reader's copy: links, but for what must not be done to the project."""
        super().setUp()
        self.copy = self.top / "fsqlshm"
        for folder in ("build", "scripts", "path/to", "home", "bin"):
            (self.copy / folder).mkdir(parents=True)
        for path in [*ROOT.iterdir(), *(ROOT / "scripts").iterdir()]:
            place = self.copy / path.relative_to(ROOT)
            if not place.exists() and path.name not in ("out", "build"):
                place.symlink_to(path)
        (self.copy / "build" / "release").symlink_to(BUILD)
        (self.copy / "path/to/yours.so").symlink_to(BUILD / "harness/subjects/reference.so")
        engines = support.make_engines(self.top / "engines", NAMES, text=ENGINE)
        for name in (*PRETENDED, *ONLY_ASKED):
            (self.copy / "scripts" / name).unlink()
        for name in PRETENDED:
            drive = f"{sys.executable} -B {HERE / 'drive.py'} {name} {engines}"
            where = {"campaign": "--out", "nightly": "--state"}[name]
            given = f'[[ " $* " == *" {where} "* ]] || set -- "$@" {where} $(mktemp -d {self.top}/{name}-XXXX)'
            self.executable(self.copy / "scripts" / name, f'{given}\nPYTHONPATH={HERE.parent} exec {drive} "$@"')
        for name in ONLY_ASKED:
            self.executable(self.copy / "scripts" / name, f'exec {ROOT / "scripts" / name} "$@" --help')
        # The build that there is, is up to date; to bring it there is not for a test that runs beside others.
        cmake = shutil.which("cmake")
        there = '"$*" == "--preset release" || "$*" == "--build build/release"*'
        built = f"[[ {there} ]] && exec test -e build/release/build.ninja"
        self.executable(self.copy / "bin" / "cmake", f'{built}\nexec {cmake} "$@"')

    def run_page(self, page: pathlib.Path) -> int:
        """How many blocks it has run."""
        commands = [text for left_to, text in blocks(page) if not left_to]
        for text in commands:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-x", "-c", text],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=200,
                cwd=self.copy,
                env=os.environ | {"HOME": str(self.copy / "home"), "PATH": f"{self.copy / 'bin'}:{os.environ['PATH']}"},
            )
            self.assertEqual(done.returncode, 0, f"{page.name}:\n{text}\n{done.stdout}")
        return len(commands)

    def test_every_command(self) -> None:
        # In the order of docs/README.md: a page may use what one before it has made.
        order = {name: i for i, name in enumerate(["README.md", "install.md", "c.md", "running.md", "subjects.md"])}
        ran = {}
        for page in sorted(PAGES, key=lambda page: order.get(page.name, len(order))):
            ran[page.name] = self.run_page(page)
        self.assertGreater(sum(ran.values()), 9, ran)
        self.assertEqual(ran["extending.md"], 1)

    def test_what_fails_is_found(self) -> None:
        page = self.top / "page.md"
        for text in (
            "scripts/campaign --no-such-option",
            "fsqlshm-inspect nothing",
            "false | true",
            "scripts/test nothing",
        ):
            page.write_text(f"```bash\ntrue\n```\n\n```bash\n{text}\n```\n", encoding="utf-8")
            with self.assertRaisesRegex(AssertionError, "page.md"):
                self.run_page(page)

    def test_the_commands_of_an_engines_page_are_those_of_its_program(self) -> None:
        pages = [page for page in ROOT.glob("*/**/README.md") if not {"docs", "build", "out"} & {*page.parts}]
        text = {page: page.read_text(encoding="utf-8") for page in pages}
        self.assertGreater(len([page for page in pages if CALL.search(text[page])]), 7)
        for page in pages:
            self.assertEqual(unknown(text[page]), [], page)
        self.assertEqual(unknown("    fsqlshm-stress outcomes --subject X\n"), [])
        for wrong in ("fsqlshm-stress --no-such 1", "fsqlshm-stress nothing", "scripts/fuzz all --minute 5"):
            self.assertEqual(len(unknown(f"    {wrong}\n")), 1, wrong)

    def test_no_command_is_left_out(self) -> None:
        lists = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("*/**/CMakeLists.txt"))
        for page in PAGES:
            rest = BLOCK.sub("", page.read_text(encoding="utf-8"))
            found = COMMAND.search(rest)
            self.assertIsNone(found, f"{page.name}: {found}: a command that no test runs")
            for left_to, text in blocks(page):
                if left_to:
                    self.assertTrue((ROOT / left_to).is_file(), f"{page.name}: {left_to}")
                    self.assertTrue(is_run(left_to, lists), f"{page.name}: {left_to} is no test\n{text}")
        for name in ("scripts/tests/support.py", "scripts/tests/add_test.py", "core/consumer_test/main.cc"):
            self.assertFalse(is_run(name, lists), name)


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
