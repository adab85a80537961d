"""The kill matrix: rows, one a mutant, and what they say by class and by engine."""

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from fsqlshm.mutants.judge import EQUIVALENT, Fate
from fsqlshm.mutants.ledger import BROKEN, CODE, COMPILER, KILLED, SAME, SURVIVED, UNREACHED

Row = dict[str, Any]


def row(fate: Fate) -> Row:
    """As harness/schema/result.json describes it."""
    by_engines = {name: verdict for name, verdict in fate.verdicts.items() if name not in (COMPILER, CODE)}
    first = fate.verdicts[fate.killers[0]] if fate.killers else None
    return {
        "mutant": fate.mutant.id,
        "class": fate.mutant.operator,
        "line": fate.mutant.line,
        "status": fate.status,
        "by": fate.killers,
        "property": first.property if first else "",
        "title": first.title if first else "",
        "seconds": round(fate.seconds_to_kill, 2),
        "explained": fate.explained,
        "verdicts": {engine: dataclasses.asdict(verdict) for engine, verdict in by_engines.items()},
        "all_engines": all(engine in fate.verdicts for engine in fate.engines),
    }


@dataclasses.dataclass(frozen=True)
class Class:
    """Mutants of one operator, or all. `compiled` leaves out those whose code is the original's, too."""

    name: str
    mutants: int
    compiled: int
    equivalent: int
    killed: int
    survived: int

    @property
    def rate(self) -> float | None:
        """Killed of those that could be; None if there are none."""
        judged = self.killed + self.survived
        return self.killed / judged if judged else None


@dataclasses.dataclass(frozen=True)
class Share:
    """What one engine did."""

    name: str
    met: int  # mutants that are in its programs
    killed: int
    unique: int  # that no other engine killed, of those that every engine judged
    compared: int  # of its kills those that every engine judged
    median: float | None  # seconds from the mutant's source to the kill
    longest: float | None


def _class(name: str, rows: Sequence[Row]) -> Class:
    count = {status: sum(one["status"] == status for one in rows) for status in (BROKEN, SAME, KILLED, SURVIVED)}
    equivalent = sum(one["status"] == EQUIVALENT for one in rows)
    compiled = len(rows) - count[BROKEN] - count[SAME]
    return Class(name, len(rows), compiled, equivalent, count[KILLED], count[SURVIVED])


def by_class(rows: Sequence[Row]) -> list[Class]:
    """The last one is all of them."""
    names = sorted({one["class"] for one in rows})
    return [_class(name, [one for one in rows if one["class"] == name]) for name in names] + [_class("all", rows)]


def by_engine(rows: Sequence[Row], engines: Iterable[str]) -> list[Share]:
    shares = []
    for name in engines:
        verdicts = [one["verdicts"][name] for one in rows if name in one["verdicts"]]
        killed = [one for one in rows if name in one["by"]]
        seconds = [one["verdicts"][name]["seconds"] for one in killed]
        compared = [one for one in killed if one["all_engines"]]
        shares.append(
            Share(
                name,
                sum(verdict["outcome"] != UNREACHED for verdict in verdicts),
                len(killed),
                sum(one["by"] == [name] for one in compared),
                len(compared),
                statistics.median(seconds) if seconds else None,
                max(seconds, default=None),
            )
        )
    return shares


def redundant(rows: Sequence[Row], engines: Iterable[str]) -> list[str]:
    """Engines that killed nothing alone, though there were mutants that every engine judged."""
    return [share.name for share in by_engine(rows, engines) if share.met and not share.unique]


def survivors(rows: Iterable[Row]) -> list[Row]:
    return [one for one in rows if one["status"] == SURVIVED]


def described(rows: Sequence[Row], engines: Sequence[str], table: Callable[..., str]) -> str:
    """For a terminal; `table` as fsqlshm.text.table."""

    def number(value: float | None, unit: str = "") -> str:
        return "" if value is None else f"{value:.1f}{unit}"

    classes = [
        [one.name, *map(str, (one.mutants, one.compiled, one.killed, one.equivalent, one.survived))]
        + ["" if one.rate is None else f"{100 * one.rate:.0f} %"]
        for one in by_class(rows)
    ]
    shares = [
        [one.name, str(one.met), str(one.killed), f"{one.unique}/{one.compared}"]
        + [number(one.median, " s"), number(one.longest, " s")]
        for one in by_engine(rows, engines)
    ]
    heads = ["class", "mutants", "differ", "killed", "equivalent", "survived", "kill rate"]
    columns = ["engine", "met", "killed", "alone", "median", "longest"]
    return table(heads, classes) + "\n" + table(columns, shares)
