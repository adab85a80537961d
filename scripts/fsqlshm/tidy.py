"""clang-tidy over the project's C++, tests aside: what changed, or everything.

A source has changed if it, or a header that it includes directly or not, differs from the base: where this
branch left the commit that FSQLSHM_LINT_BASE names, or its upstream, or else the commit before the last one.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from fsqlshm import ROOT, limits
from fsqlshm.host import git

BUILD = ROOT / "build" / "tidy"
PEERS = "bench/subjects/"  # a source there may need a library that is not installed: nothing builds it then
TEST = re.compile(r"_test\.(cc|h)$|(^|/)(testing|consumer_test|examples)/")
DIAGNOSTIC = re.compile(r"^(?P<file>[^\s:]+):(?P<line>\d+):\d+: (error|warning): (?P<text>.*) \[(?P<check>[^\]]+)\]$")


class Diagnostic(NamedTuple):
    file: str  # relative to the repository
    line: int
    check: str
    text: str


def sources() -> list[str]:
    """REQUIRES: the preset tidy is configured."""
    commands = json.loads((BUILD / "compile_commands.json").read_text(encoding="utf-8"))
    built = {os.path.relpath(command["file"], ROOT) for command in commands}
    files = [file for file in git("ls-files", "*.cc").splitlines() if not TEST.search(file)]
    return [file for file in files if file in built or not file.startswith(PEERS)]


def changed_files() -> set[str]:
    """What differs from the base. Every file if the named commit is not here: after a forced push, for instance."""
    if named := os.environ.get("FSQLSHM_LINT_BASE"):
        base = git("merge-base", "HEAD", named)
        if not base:
            print(f"tidy: no commit {named} here, so everything counts as changed", flush=True)
            return set(git("ls-files").splitlines())
    else:
        base = git("merge-base", "HEAD", "@{upstream}")
        if not base or base == git("rev-parse", "HEAD"):
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


def check(files: Sequence[str], goes_on: Callable[[], bool] = lambda: True) -> Iterator[tuple[str, str]]:
    """The sources that clang-tidy looked at while `goes_on` said so, with its output, empty for a clean one."""

    def one(file: str) -> str | None:
        words = ["clang-tidy-19", "--quiet", "-p", str(BUILD), file]
        if not goes_on():
            return None
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        return (done.stdout or f"{file}: clang-tidy failed") if done.returncode else ""

    with concurrent.futures.ThreadPoolExecutor(limits.processors()) as pool:
        yield from ((file, output) for file, output in zip(files, pool.map(one, files)) if output is not None)


def diagnostics(output: str) -> set[Diagnostic]:
    found = filter(None, map(DIAGNOSTIC.match, output.splitlines()))
    return {Diagnostic(os.path.relpath(m["file"], ROOT), int(m["line"]), m["check"], m["text"]) for m in found}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tidy", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--all", action="store_true", help="everything, not only what changed")
    options = parser.parse_args()
    files = sources()
    if not options.all:
        near = affected(changed_files())
        files = [file for file in files if file in near]
    failed = 0
    for _, output in check(files):
        if output:
            failed += 1
            print(output, flush=True)
    print(f"tidy: {len(files)} sources, {failed} with complaints")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
