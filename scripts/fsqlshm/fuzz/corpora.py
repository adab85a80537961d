"""Working corpora: folders of inputs, one a fuzz target, whose names are of no importance. A kill at any moment loses
no input."""

import contextlib
import filecmp
import hashlib
import pathlib
import shutil
from collections.abc import Callable, Iterable

from fsqlshm import files, results
from fsqlshm.fuzz import targets
from fsqlshm.fuzz.targets import Target
from fsqlshm.processes import quietly

# Of the corpora that a night keeps, one with more files than this is reduced to what covers the same.
MANY = 5000
REDUCE_SECONDS = 600


def inputs(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files of a corpus; not what files.copy was at when it was killed."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".tmp")


def sizes(folder: pathlib.Path) -> dict[str, int]:
    """The number of inputs by target."""
    return {p.name: len(inputs(p)) for p in sorted(folder.iterdir()) if p.is_dir()} if folder.is_dir() else {}


def unite(folders: Iterable[pathlib.Path], out: pathlib.Path) -> int:
    """The files of all folders, by content, in one tree; returns how many were added."""
    count = 0
    for folder in folders:
        for path in inputs(folder):
            target = out / path.relative_to(folder)
            if target.exists() and not filecmp.cmp(path, target, shallow=False):
                # The same name for something else; libFuzzer's names are hashes of the content.
                target = target.with_name(hashlib.sha1(path.read_bytes()).hexdigest())
            if not target.exists():
                files.copy(path, target)
                count += 1
    return count


def take(corpus: pathlib.Path, kept: pathlib.Path) -> None:
    """Moves what is new in one tree of corpora to the one that is kept. May be done twice."""
    unite([corpus], kept)
    shutil.rmtree(corpus, ignore_errors=True)


def reduce(target: Target, corpus: pathlib.Path, seconds: float | None = None) -> bool:
    """The smallest part of the corpus that covers, with the kept inputs, what all of it covers, takes its place.
    One that cannot be reduced, for example because an input fails, stays as it is."""
    fresh = corpus.with_name(f"{corpus.name}.reducing")
    old = corpus.with_name(f"{corpus.name}.old")
    settle(corpus.parent)
    fresh.mkdir()
    folders = [fresh, *target.kept_inputs(), corpus]
    code = quietly([target.program, "-merge=1", f"-max_len={target.max_size}", *folders], seconds)
    reduced = code == 0 and any(fresh.iterdir())
    if reduced:
        corpus.rename(old)
        fresh.rename(corpus)
    settle(corpus.parent)
    return reduced


def reduce_large(kept: pathlib.Path, say: Callable[[str], None]) -> None:
    """Lets libFuzzer reduce the corpora that have become large. One that cannot be reduced stays."""
    for name, before in sizes(kept).items():
        if before <= MANY:
            continue
        with contextlib.suppress(results.CouldNotRun, OSError):  # no such target, or it is not built
            if reduce(targets.load(targets.BUILD, name), kept / name, REDUCE_SECONDS):
                say(f"corpus {name}: {before} inputs reduced to {sizes(kept)[name]}")


def settle(folder: pathlib.Path) -> None:
    """What is left of a reduction in a folder of corpora, also of one that was killed in the middle."""
    for old in folder.glob("*.old"):
        corpus = old.with_suffix("")
        if corpus.exists():
            shutil.rmtree(old)
        else:
            old.rename(corpus)
    for fresh in folder.glob("*.reducing"):
        shutil.rmtree(fresh)
