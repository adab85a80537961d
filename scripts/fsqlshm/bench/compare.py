"""Two runs against each other: what is faster, slower, or not told apart."""

import dataclasses
from collections.abc import Sequence

from fsqlshm.bench import stats
from fsqlshm.bench.measured import Measured

MIN_ROUNDS = 9
SIGNIFICANCE = 0.05

# What decides whether two runs may be compared at all.
_SAME = ("machine", "compiler", "preset")
# Of the timed reads not their mean but these are compared.
_TAIL_POINTS = ("p50", "p99.9")


@dataclasses.dataclass
class Row:
    """One benchmark in both runs."""

    name: str
    control: bool
    old: float
    new: float
    p: float
    noise: float
    p_corrected: float = 1.0
    ratio: float = 0.0
    verdict: str = "no difference"

    def judge(self, p_corrected: float) -> None:
        """Settles the verdict, see compare()."""
        self.p_corrected, self.ratio = p_corrected, self.new / self.old
        if p_corrected < SIGNIFICANCE and self.ratio > 1 + self.noise:
            self.verdict = "slower"
        if p_corrected < SIGNIFICANCE and self.ratio < 1 / (1 + self.noise):
            self.verdict = "faster"


def samples(measured: Measured) -> dict[str, tuple[bool, list[float]]]:
    """Name to whether it is a control and the figure of each round, in ns."""
    out = {}
    for name, benchmark in measured["benchmarks"].items():
        if benchmark["facts"]["group"] == "tail":
            for point in _TAIL_POINTS:
                out[f"{name}/{point}"] = benchmark["control"], benchmark["counters"][point]
        else:
            out[name] = benchmark["control"], benchmark["ns"]
    return out


def differences_of_context(old: Measured, new: Measured) -> list[str]:
    """Sentences on what else differs between the runs."""
    one, other = old["context"], new["context"]
    return [f"{key} differs: {one.get(key)} and {other.get(key)}" for key in _SAME if one.get(key) != other.get(key)]


def compare(old: Measured, new: Measured) -> list[Row]:
    """What both runs have with enough rounds, the largest change first.

    The verdict is "faster" or "slower" if the difference is significant (Mann-Whitney, corrected for the number of
    comparisons, 5 %) and larger than the noise of both runs, else "no difference".
    """
    before, after = samples(old), samples(new)
    rows = []
    for name in before.keys() & after.keys():
        (control, a), (_, b) = before[name], after[name]
        if min(len(a), len(b)) >= MIN_ROUNDS and min(*a, *b) > 0:
            noise = max(stats.noise(a), stats.noise(b))
            rows.append(Row(name, control, stats.median(a), stats.median(b), stats.mann_whitney(a, b)[1], noise))
    for control in (False, True):
        group = [row for row in rows if row.control == control]
        for row, corrected in zip(group, stats.holm([row.p for row in group])):
            row.judge(corrected)
    return sorted(rows, key=lambda row: (-abs(row.ratio - 1), row.name))


def text(rows: Sequence[Row], everything: bool = False) -> str:
    """The comparison for a person. Without `everything`, only what differs, and the sums."""
    lines = []
    for control, title in ((False, "this library"), (True, "controls (their code is not ours)")):
        group = [row for row in rows if row.control == control]
        verdicts = [row.verdict for row in group]
        sums = (f"{verdicts.count(verdict)} {verdict}" for verdict in ("faster", "slower", "no difference"))
        lines.append(f"{title}: {', '.join(sums)}")
        lines += [
            f"  {row.verdict:<14}{row.name:<50}{row.old:>12.3f} -> {row.new:>10.3f} ns  "
            f"x{row.ratio:.3f}  p {row.p_corrected:.2g}  noise {100 * row.noise:.0f} %"
            for row in group
            if everything or row.verdict != "no difference"
        ]
    moved = sum(row.control and row.verdict != "no difference" for row in rows)
    if moved:
        lines.append(f"CAREFUL: {moved} controls differ too, so the machine was not the same in both runs.")
    return "\n".join(lines)


def slower(rows: Sequence[Row]) -> list[Row]:
    """What became slower and is ours."""
    return [row for row in rows if row.verdict == "slower" and not row.control]
