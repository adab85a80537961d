"""Two runs against each other: what is faster, slower, or not told apart."""

import dataclasses
import statistics
from collections.abc import Sequence

from fsqlshm import text
from fsqlshm.bench import stats
from fsqlshm.bench.measured import Measured

MIN_ROUNDS = 9
SIGNIFICANCE = 0.05
SAME = "no difference"


@dataclasses.dataclass
class Row:
    """One benchmark in both runs, in ns; p is corrected for the number of comparisons."""

    name: str
    control: bool
    old: float
    new: float
    p: float
    noise: float

    @property
    def ratio(self) -> float:
        return self.new / self.old

    @property
    def verdict(self) -> str:
        """Different only if that is significant (Mann-Whitney) and more than the noise of both runs."""
        if self.p >= SIGNIFICANCE or 1 / (1 + self.noise) <= self.ratio <= 1 + self.noise:
            return SAME
        return "slower" if self.ratio > 1 else "faster"

    def members(self) -> dict[str, object]:
        return {**dataclasses.asdict(self), "ratio": self.ratio, "verdict": self.verdict}


def _samples(measured: Measured, control: bool) -> dict[str, list[float]]:
    """The figure of each round, in ns. Of the timed reads that is not the mean, but two percentiles."""
    out: dict[str, list[float]] = {}
    for name, benchmark in measured["benchmarks"].items():
        if benchmark["control"] == control and benchmark["facts"]["group"] == "tail":
            out |= {f"{name}/{point}": benchmark["counters"][point] for point in ("p50", "p99.9")}
        elif benchmark["control"] == control:
            out[name] = benchmark["ns"]
    return {name: each for name, each in out.items() if len(each) >= MIN_ROUNDS and min(each) > 0}


def differences_of_context(old: Measured, new: Measured) -> list[str]:
    """Sentences on what else differs between the runs."""
    one, other = old["context"], new["context"]
    keys = ("machine", "compiler", "preset")
    return [f"{key} differs: {one.get(key)} and {other.get(key)}" for key in keys if one.get(key) != other.get(key)]


def compare(old: Measured, new: Measured) -> list[Row]:
    """What both runs have with enough rounds, the largest change first."""
    rows = []
    for control in (False, True):
        before, after = _samples(old, control), _samples(new, control)
        pairs = [(name, before[name], after[name]) for name in before.keys() & after.keys()]
        corrected = stats.holm([stats.mann_whitney(a, b) for _, a, b in pairs])
        for (name, a, b), p in zip(pairs, corrected):
            noise = max(stats.noise(a), stats.noise(b))
            rows.append(Row(name, control, statistics.median(a), statistics.median(b), p, noise))
    return sorted(rows, key=lambda row: (-abs(row.ratio - 1), row.name))


def table(rows: Sequence[Row], everything: bool = False) -> str:
    """The comparison for a person. Without `everything`, only what differs, and the sums."""
    out = ""
    for control, title in ((False, "this library"), (True, "controls (their code is not ours)")):
        group = [row for row in rows if row.control == control]
        verdicts = [row.verdict for row in group]
        out += f"{title}: {', '.join(f'{verdicts.count(word)} {word}' for word in ('faster', 'slower', SAME))}\n"
        cells = [
            [row.name, row.verdict, f"{row.old:.3f}", f"{row.new:.3f}", f"{row.ratio:.3f}"]
            + [f"{row.p:.2g}", f"{100 * row.noise:.0f} %"]
            for row in group
            if everything or row.verdict != SAME
        ]
        out += text.table(["benchmark", "is", "old ns", "new ns", "ratio", "p", "noise"], cells) if cells else ""
    moved = sum(row.control and row.verdict != SAME for row in rows)
    if moved:
        out += f"CAREFUL: {moved} controls differ too, so the machine was not the same in both runs.\n"
    return out


def slower(rows: Sequence[Row]) -> list[Row]:
    """What became slower and is ours."""
    return [row for row in rows if row.verdict == "slower" and not row.control]
