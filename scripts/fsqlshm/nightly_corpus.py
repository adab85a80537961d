"""The working corpora that a nightly run keeps: brought to each slice of an engine that wants them, and
what is new there taken back. One folder a fuzz target; the names of the files are of no importance."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from fsqlshm import ROOT
from fsqlshm.fuzz import fuzzing

# A target's corpus that has more files than this is reduced to what covers the same.
MANY = 5000
REDUCE_SECONDS = 600


def _inputs(folder):
    return [p for p in folder.rglob("*") if p.is_file() and p.suffix != ".tmp"]


def _copy(source, target):
    """Whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".tmp")
    shutil.copyfile(source, temporary)
    temporary.replace(target)


def bring(kept, folder):
    """Copies what is kept to folder/corpus, where an engine goes on from it."""
    for path in _inputs(kept) if kept.is_dir() else []:
        _copy(path, folder / "corpus" / path.relative_to(kept))


def take(kept, folder):
    """Moves what is new in folder/corpus to what is kept. May be done twice."""
    corpus = folder / "corpus"
    if not corpus.is_dir():
        return
    for path in _inputs(corpus):
        target = kept / path.relative_to(corpus)
        if not target.exists():
            _copy(path, target)
    shutil.rmtree(corpus)


def sizes(kept):
    """{target: number of inputs}"""
    return {p.name: len(_inputs(p)) for p in sorted(kept.iterdir()) if p.is_dir()} if kept.is_dir() else {}


def reduce(kept, say):
    """Lets libFuzzer reduce the corpora that have become large. One that cannot be reduced stays."""
    large = [name for name, count in sizes(kept).items() if count > MANY]
    if not large:
        return
    for name in large:
        target = fuzzing.TARGETS.get(name)
        program = ROOT / "build" / "asan" / "fuzz" / name
        if target is not None and program.exists():
            _reduce(kept / name, [str(program), "-merge=1", f"-max_len={target.max_len}"], say)


def _reduce(corpus, command, say):
    fresh = corpus.with_name(corpus.name + ".reducing")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    before = len(_inputs(corpus))
    try:
        with tempfile.TemporaryDirectory(prefix="fsqlshm-reduce-") as scratch:
            done = subprocess.run(
                [*command, str(fresh), str(corpus)],
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
            say(f"corpus {corpus.name}: {before} inputs reduced to {len(_inputs(corpus))}")
    except (OSError, subprocess.SubprocessError):
        pass  # it stays as it is, or as settle finds it
    shutil.rmtree(fresh, ignore_errors=True)


def settle(kept):
    """After a kill in the middle of a reduction."""
    for old in pathlib.Path(kept).glob("*.old"):
        corpus = old.with_suffix("")
        if corpus.exists():
            shutil.rmtree(old)
        else:
            old.rename(corpus)
    for fresh in pathlib.Path(kept).glob("*.reducing"):
        shutil.rmtree(fresh)
