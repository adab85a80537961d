"""Working corpora: one folder of inputs, made smaller by libFuzzer. A kill at any moment loses none."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from fsqlshm.fuzz.targets import Target
from fsqlshm.processes import Command


def reduce(target: Target, corpus: pathlib.Path, seconds: float | None = None) -> bool:
    """The smallest part of the corpus that covers, with the kept inputs, what all of it covers, takes its place.
    One that cannot be reduced, for example because an input fails, stays as it is."""
    fresh = corpus.with_name(f"{corpus.name}.reducing")
    old = corpus.with_name(f"{corpus.name}.old")
    settle(corpus.parent)
    fresh.mkdir()
    command: Command = [target.program, "-merge=1", f"-max_len={target.max_size}", fresh, *target.kept_inputs(), corpus]
    done = None
    with tempfile.TemporaryDirectory(prefix="fsqlshm-reduce-") as scratch:
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=seconds,
                env={**os.environ, "TMPDIR": scratch},
            )
    reduced = done is not None and done.returncode == 0 and any(fresh.iterdir())
    if reduced:
        corpus.rename(old)
        fresh.rename(corpus)
    settle(corpus.parent)
    return reduced


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
