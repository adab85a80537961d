"""The working corpora that a nightly run keeps: brought to each slice of an engine that goes on from them, and
what is new there taken back. One folder a fuzz target; the names of the files are of no importance."""

import contextlib
import pathlib
import shutil
from collections.abc import Callable

from fsqlshm import merge, results
from fsqlshm.fuzz import corpora, targets

# A target's corpus that has more files than this is reduced to what covers the same.
MANY = 5000
REDUCE_SECONDS = 600


def bring(kept: pathlib.Path, folder: pathlib.Path) -> None:
    """Copies what is kept to folder/corpus, where an engine goes on from it."""
    merge.merge_corpora([kept], folder / "corpus")


def take(kept: pathlib.Path, folder: pathlib.Path) -> None:
    """Moves what is new in folder/corpus to what is kept. May be done twice."""
    corpus = folder / "corpus"
    if corpus.is_dir():
        merge.merge_corpora([corpus], kept)
        shutil.rmtree(corpus)


def sizes(kept: pathlib.Path) -> dict[str, int]:
    """The number of inputs by target."""
    return {p.name: len(merge.inputs(p)) for p in sorted(kept.iterdir()) if p.is_dir()} if kept.is_dir() else {}


def reduce(kept: pathlib.Path, say: Callable[[str], None]) -> None:
    """Lets libFuzzer reduce the corpora that have become large. One that cannot be reduced stays."""
    for name, before in sizes(kept).items():
        if before <= MANY:
            continue
        with contextlib.suppress(results.CouldNotRun, OSError):  # no such target, or it is not built
            if corpora.reduce(targets.load(targets.BUILD, name), kept / name, REDUCE_SECONDS):
                say(f"corpus {name}: {before} inputs reduced to {sizes(kept)[name]}")
