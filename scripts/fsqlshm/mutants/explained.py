"""The mutants that nobody kills, and why: harness/mutants/explained.toml."""

import pathlib
import tomllib
from collections.abc import Iterable

from fsqlshm import ROOT
from fsqlshm.mutants.mutant import Mutant
from fsqlshm.results import CouldNotRun

LIST = ROOT / "harness" / "mutants" / "explained.toml"


def read(path: pathlib.Path = LIST) -> dict[str, str]:
    """The reason of each, by id."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    reasons: dict[str, str] = {}
    for one in rows:
        if set(one) != {"id", "reason"} or not one["reason"].strip():
            raise CouldNotRun(f"{path}: a mutant needs an id and a reason: {one}")
        if one["id"] in reasons:
            raise CouldNotRun(f"{path}: {one['id']} is there twice")
        reasons[one["id"]] = one["reason"]
    return reasons


def unknown(reasons: Iterable[str], mutants: Iterable[Mutant]) -> list[str]:
    """Listed ids that no mutant has: the code has changed, and somebody has to look again."""
    known = {mutant.id for mutant in mutants}
    return [name for name in reasons if name not in known]
