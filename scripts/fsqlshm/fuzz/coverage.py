"""Which lines of the core the fuzz corpora execute."""

import itertools
import pathlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

from fsqlshm import ROOT, files, results
from fsqlshm.fuzz import corpora, targets
from fsqlshm.fuzz.targets import Target
from fsqlshm.processes import Stopper, quietly

BUILD = ROOT / "build" / "coverage"
OUT = ROOT / "out" / "fuzz" / "coverage"
SOURCES = [ROOT / "core" / "include", ROOT / "core" / "src"]
NOT_COVERED = ROOT / "fuzz" / "not_covered.txt"


def excuses() -> list[list[str]]:
    """File, text and reason: why the lines around the one that holds the text are not covered."""
    lines = NOT_COVERED.read_text(encoding="utf-8").splitlines()
    return [line.split(" | ") for line in lines if line and not line.startswith("#")]


def blocks(uncovered: dict[str, list[int]]) -> Iterator[tuple[str, str, int]]:
    """The uncovered lines that follow each other: where they are, what explains them, or nothing, and how many."""
    for name, numbers in sorted(uncovered.items()):
        source = (ROOT / name).read_text(encoding="utf-8").splitlines()
        # Of lines one after the other number and place differ by the same.
        for _, group in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
            run = [number for _, number in group]
            text = "\n".join(source[number - 1] for number in run)
            why = next((why for file, held, why in excuses() if file == name and held in text), "")
            yield f"{name}:{run[0]} to {run[-1]}", why, len(run)


def profile(target: Target, folders: Sequence[pathlib.Path]) -> pathlib.Path:
    """Replays a corpus. The defects of the reference protocol are found; that is what it is for."""
    to = OUT / f"{target.name}.profraw"
    code = quietly([target.replay, "--quiet", *folders], LLVM_PROFILE_FILE=str(to))
    if code not in (results.CLEAN, results.FOUND) or not to.exists():
        raise results.CouldNotRun(f"{target.name}_replay ended with {code}")
    return to


def show(replayed: Sequence[Target], profiles: Sequence[pathlib.Path]) -> str:
    """Writes the HTML pages; the same line by line, as lcov."""
    data = OUT / "merged.profdata"
    subprocess.run(["llvm-profdata-19", "merge", "-sparse", *profiles, "-o", data], check=True)
    objects = [word for target in replayed for word in ("-object", str(target.replay))][1:]
    common = [f"-instr-profile={data}", *objects, *map(str, SOURCES)]
    html = ["llvm-cov-19", "show", "-format=html", f"-output-dir={OUT}/html", "-show-line-counts-or-regions"]
    with open(OUT / "build.log", "ab") as log:
        subprocess.run([*html, *common], check=True, stdout=subprocess.DEVNULL, stderr=log)
        # Line by line. The summary would take the best instantiation of a template, not all of them.
        export = ["llvm-cov-19", "export", "-format=lcov", *common]
        return subprocess.run(export, check=True, stdout=subprocess.PIPE, stderr=log, text=True).stdout


def by_file(lcov: str) -> dict[str, dict[str, Any]]:
    found = {}
    for part in lcov.split("end_of_record"):
        name = re.search(r"^SF:(.*)$", part, re.MULTILINE)
        lines = re.findall(r"^DA:(\d+),(\d+)$", part, re.MULTILINE)
        if not name or not lines:
            continue
        missed = [int(line) for line, times in lines if times == "0"]
        found[str(pathlib.Path(name[1]).relative_to(ROOT))] = {
            "count": len(lines),
            "covered": len(lines) - len(missed),
            "percent": 100 * (len(lines) - len(missed)) / len(lines),
            "uncovered": missed,
        }
    return found


def measure(chosen: str | None, stop: Stopper, more: Sequence[pathlib.Path] = ()) -> dict[str, Any]:
    """Prints, writes to coverage.json and returns what the target of this name covers, or, if it is None, all of them:
    by the kept inputs, the working corpora, and those in the folders `more`."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    stop.build("coverage", ["engines-fuzz"], OUT / "build.log")
    replayed, profiles = [], []
    for target in targets.load_all(BUILD):
        if target.name == chosen if chosen else target.attacks or target.seeds_of != target.name:
            source = targets.load(BUILD, target.seeds_of)
            folders = [corpora.working(source.name), *(folder / source.name for folder in more), *source.kept_inputs()]
            replayed.append(target)
            profiles.append(profile(target, [one for one in folders if one.is_dir() and any(one.iterdir())]))
    found = by_file(show(replayed, profiles))
    for name, file in sorted(found.items()):
        print(f"{file['covered']:5d} of {file['count']:5d} lines  {file['percent']:6.2f} %  {name}")
    explained = 0
    for place, why, count in blocks({name: file["uncovered"] for name, file in found.items()}):
        print(f"{count} lines are not covered: {place}: {why or 'not explained'}")
        explained += count if why else 0
    lines, covered = (sum(file[name] for file in found.values()) for name in ("count", "covered"))
    percent = 100 * covered / lines
    print(f"{covered:5d} of {lines:5d} lines  {percent:6.2f} %  in all; {OUT}/html/index.html")
    counts = {"lines": lines, "covered": covered, "percent": percent, "files": found, "explained": explained}
    counts["unexplained"] = lines - covered - explained
    files.write_json(OUT / "coverage.json", counts)
    return counts
