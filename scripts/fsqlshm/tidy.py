"""clang-tidy over the project's C++, tests aside: what changed, or everything.

A source has changed if it, or a header that it includes directly or not, differs from the base: the
commit at which this branch left its upstream, or the commit before the last one.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fsqlshm import ROOT
from fsqlshm.host import git

BUILD = ROOT / "build" / "release-clang"
TEST = re.compile(r"_test\.(cc|h)$|(^|/)(testing|consumer_test)/")
DIAGNOSTIC = re.compile(r"^(?P<file>[^\s:]+):(?P<line>\d+):\d+: (error|warning): (?P<text>.*) \[(?P<check>[^\]]+)\]$")


class Diagnostic(NamedTuple):
    file: str  # relative to the repository
    line: int
    check: str
    text: str


def sources() -> list[str]:
    """Every source that clang-tidy can look at."""
    return [file for file in git("ls-files", "*.cc").splitlines() if not TEST.search(file)]


def changed_files() -> set[str]:
    head = git("rev-parse", "HEAD")
    base = git("merge-base", "HEAD", "@{upstream}")
    if not base or base == head:
        base = git("rev-parse", "HEAD~1")
    changed, new = git("diff", "--name-only", *base.split()), git("ls-files", "--others", "--exclude-standard")
    return {*changed.splitlines(), *new.splitlines()}


def affected(changed: Iterable[str]) -> set[str]:
    """`changed`, and what includes any of it. An include is matched by the end of its path."""
    includers: dict[str, set[str]] = collections.defaultdict(set)
    files = git("ls-files", "*.cc", "*.h").splitlines()
    for file in files:
        text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).is_file() else ""
        for name in re.findall(r'^#include "(.+)"', text, re.MULTILINE):
            base = pathlib.PurePath(name).name
            for header in files:
                if header.endswith("/" + base) and header.endswith(name.removeprefix("../")):
                    includers[header].add(file)
    found: set[str] = set()
    todo = list(changed)
    while todo:
        file = todo.pop()
        if file not in found:
            found.add(file)
            todo += includers[file]
    return found


def check(file: str) -> tuple[int, str]:
    """Exit status and output of clang-tidy for one source."""
    process = subprocess.run(
        ["clang-tidy-19", "--quiet", "-p", str(BUILD), file],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False,
    )  # fmt: skip
    return process.returncode, process.stdout


def diagnostics(output: str) -> Iterator[Diagnostic]:
    for line in output.splitlines():
        if match := DIAGNOSTIC.match(line):
            file = os.path.relpath(match["file"], ROOT)
            yield Diagnostic(file, int(match["line"]), match["check"], match["text"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="tidy", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--all", action="store_true", help="everything, not only what changed")
    options = parser.parse_args()
    files = sources()
    if not options.all:
        near = affected(changed_files())
        files = [file for file in files if file in near]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, (code, output) in zip(files, pool.map(check, files)):
            if code != 0:
                failed += 1
                print(output or f"{file}: clang-tidy failed", flush=True)
    print(f"tidy: {len(files)} sources, {failed} with complaints")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
