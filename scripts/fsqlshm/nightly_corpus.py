"""The working corpora that a nightly run keeps: brought to each slice of an engine that goes on from them, and
what is new there taken back. One folder a fuzz target; the names of the files are of no importance."""

import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable

from fsqlshm import ROOT, merge

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
    for name, count in sizes(kept).items():
        program = ROOT / "build" / "asan" / "fuzz" / name
        if count > MANY and program.exists():
            _reduce(kept / name, program, say)


def _reduce(corpus: pathlib.Path, program: pathlib.Path, say: Callable[[str], None]) -> None:
    fresh = corpus.with_name(corpus.name + ".reducing")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    before = merge.inputs(corpus)
    longest = max(path.stat().st_size for path in before)
    try:
        with tempfile.TemporaryDirectory(prefix="fsqlshm-reduce-") as scratch:
            done = subprocess.run(
                [program, "-merge=1", f"-max_len={longest}", fresh, corpus],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=REDUCE_SECONDS,
                env={**os.environ, "TMPDIR": scratch},
            )
        if done.returncode == 0 and any(fresh.iterdir()):
            old = corpus.with_name(corpus.name + ".old")
            shutil.rmtree(old, ignore_errors=True)
            corpus.rename(old)
            fresh.rename(corpus)
            shutil.rmtree(old)
            say(f"corpus {corpus.name}: {len(before)} inputs reduced to {len(merge.inputs(corpus))}")
    except (OSError, subprocess.SubprocessError):
        pass  # it stays as it is, or as settle finds it
    shutil.rmtree(fresh, ignore_errors=True)


def settle(kept: pathlib.Path) -> None:
    """After a kill in the middle of a reduction."""
    for old in kept.glob("*.old"):
        corpus = old.with_suffix("")
        if corpus.exists():
            shutil.rmtree(old)
        else:
            old.rename(corpus)
    for fresh in kept.glob("*.reducing"):
        shutil.rmtree(fresh)
