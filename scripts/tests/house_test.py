"""Sizes and pragmas: files, classes and functions that fit a reader, and no linter silenced without a reason."""

import ast
import re
import subprocess
import unittest
from collections.abc import Iterator

from fsqlshm import ROOT

FILE, CLASS, FUNCTION = 500, 350, 60
# What is longer, with the reason.
LONGER: dict[str, str] = {}
PRAGMA = re.compile(
    r"(NOLINT\w*(\([^)]*\))?|noqa(: *[A-Z0-9, ]+)?|type: ignore(\[[^\]]*\])?|shellcheck disable=\S+)(?P<reason>.*)"
)


def tracked(*patterns: str) -> list[str]:
    done = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [file for file in done.stdout.splitlines() if (ROOT / file).is_file()]


def lines_of(file: str) -> list[str]:
    return (ROOT / file).read_text(encoding="utf-8").splitlines()


def blocks(lines: list[str]) -> Iterator[tuple[int, int, bool]]:
    """Number, length and kind (class or function) of the blocks that a formatted C++ file opens at column 0."""
    start, is_class = -1, False
    for number, line in enumerate(lines):
        opens = re.match(r"[A-Za-z].*\{$| .*\{$", line)
        if start < 0 and opens and not re.match(r"(namespace|extern|enum|typedef|#)", line):
            opened = number
            while opened > 0 and re.match(r"(    |template|  requires)", lines[opened]):
                opened -= 1
            if not re.match(r" |(inline )?const", lines[opened]):  # a definition, not a value
                start, is_class = opened, bool(re.match(r"(class|struct|template.*>$)", lines[opened]))
        elif start >= 0 and line in ("}", "};"):
            if is_class or line == "}":  # the others are tables
                yield start + 1, number - start + 1, is_class
            start = -1


class HouseTest(unittest.TestCase):
    def longer(self, place: str, lines: int, most: int) -> None:
        if lines > most and place not in LONGER:
            self.fail(f"{place}: {lines} lines, at most {most}")

    def test_files(self) -> None:
        for file in tracked("*.cc", "*.h", "*.py", "*.cmake", "*.html", "*.css", "*CMakeLists.txt"):
            with self.subTest(file):
                self.longer(file, len(lines_of(file)), FILE)

    def test_cpp_classes_and_functions(self) -> None:
        seen = 0
        for file in tracked("*.cc", "*.h"):
            for line, length, is_class in blocks(lines_of(file)):
                seen += 1
                with self.subTest(f"{file}:{line}"):
                    self.longer(f"{file}:{line}", length, CLASS if is_class else FUNCTION)
        self.assertGreater(seen, 1000)

    def test_python_functions_and_classes(self) -> None:
        for file in tracked("*.py"):
            for node in ast.walk(ast.parse("\n".join(lines_of(file)))):
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    length = (node.end_lineno or node.lineno) - node.lineno + 1
                    with self.subTest(f"{file}:{node.name}"):
                        self.longer(
                            f"{file}:{node.name}", length, CLASS if isinstance(node, ast.ClassDef) else FUNCTION
                        )

    def test_every_pragma_has_a_reason(self) -> None:
        for file in tracked("*.cc", "*.h", "*.py", "scripts/*", ".ci/*", ".clusterfuzzlite/*"):
            if file == "scripts/tests/house_test.py":
                continue
            lines = lines_of(file)
            for number, line in enumerate(lines):
                match = PRAGMA.search(line)
                if not match or "NOLINTEND" in line:
                    continue
                above = lines[number - 1].strip() if number else ""
                reason = match["reason"].strip(" :#/*-")
                with self.subTest(f"{file}:{number + 1}"):
                    self.assertTrue(reason or above.startswith(("//", "#")), line)


if __name__ == "__main__":
    unittest.main()
