"""Working corpora: folders of inputs, one a fuzz target, whose names are of no importance. A kill at any moment loses
no input."""

import contextlib
import filecmp
import hashlib
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterable

from fsqlshm import ROOT, files, results
from fsqlshm.fuzz import targets
from fsqlshm.fuzz.targets import Target
from fsqlshm.processes import quietly

OUT = ROOT / "out" / "fuzz"
# Of the corpora that a night keeps, one with more files than this is reduced to what covers the same.
MANY = 5000
REDUCE_SECONDS = 600


def working(target: str) -> pathlib.Path:
    """The corpus of a target that scripts/fuzz goes on from."""
    return OUT / target / "corpus"


def inputs(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files of a corpus; not what files.copy was at when it was killed."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".tmp")


def sizes(folder: pathlib.Path) -> dict[str, int]:
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
    """Removes what covers nothing that the rest of the corpus and the kept inputs do not cover. One that cannot be
    reduced, for example because an input fails, stays as it is."""
    with tempfile.TemporaryDirectory(prefix="fsqlshm-reduce-") as chosen:
        folders: list[str | pathlib.Path] = [chosen, *target.kept_inputs(), corpus]
        code = quietly([target.program, "-merge=1", f"-max_len={target.max_size}", *folders], seconds)
        names = {path.name for path in pathlib.Path(chosen).iterdir()}  # what libFuzzer calls an input: its hash
    if code != 0 or not names:
        return False
    for path in inputs(corpus):
        if hashlib.sha1(path.read_bytes()[: target.max_size]).hexdigest() not in names:
            path.unlink()
    return True


def reduce_large(kept: pathlib.Path, say: Callable[[str], None]) -> None:
    """Lets libFuzzer reduce the corpora that have become large. One that cannot be reduced stays."""
    for name, before in sizes(kept).items():
        if before <= MANY:
            continue
        with contextlib.suppress(results.CouldNotRun, OSError):  # no such target, or it is not built
            if reduce(targets.load(targets.BUILD, name), kept / name, REDUCE_SECONDS):
                say(f"corpus {name}: {before} inputs reduced to {sizes(kept)[name]}")
