"""Two runs side by side: what is faster, slower, or not told apart."""

from . import stats

MIN_ROUNDS = 9
SIGNIFICANCE = 0.05

# Subjects that are not this library's. Their code does not change, so a change in their figures is
# the machine's: they are the control.
CONTROLS = (
    "plain_3", "plain_5", "std_mutex", "std_shared_mutex", "pthread_rwlock", "double_copy",
    "left_right", "fence_seqlock", "timer", "loop", "xxh3_64_of_60_bytes",
)

# What decides whether two runs may be compared at all.
_SAME = ("machine", "compiler", "preset")


def is_control(name):
    return any(part in CONTROLS for part in name.split("/"))


def samples(document):
    """Name to the figure of each round, in ns: all benchmarks, and two points of each tail."""
    out = {name: entry["ns"] for name, entry in document["benchmarks"].items()}
    for row in document["tails"]:
        for point in ("p50", "p99.9"):
            name = f"tails/{row['where']}/{row['rate']}/{row['subject']}/{point}"
            out[name] = [run["ns"][point] for run in row["runs"]]
    return out


def differences_of_context(old, new):
    """Sentences on what else differs between the runs."""
    out = []
    for key in _SAME:
        if old["context"].get(key) != new["context"].get(key):
            out.append(f"{key} differs: {old['context'].get(key)} and {new['context'].get(key)}")
    return out


def compare(old, new):
    """A list of {name, old, new, ratio, p, noise, verdict, control}, the largest change first.

    verdict is "faster" or "slower" if the difference is significant (Mann-Whitney, corrected for
    the number of comparisons, 5 %) and larger than the noise of both runs, else "no difference".
    """
    before, after = samples(old), samples(new)
    rows = []
    for name in before:
        if name not in after:
            continue
        a, b = before[name], after[name]
        if min(len(a), len(b)) < MIN_ROUNDS or min(*a, *b) <= 0:
            continue
        ratio = stats.median(b) / stats.median(a)
        rows.append({
            "name": name,
            "old": stats.median(a),
            "new": stats.median(b),
            "ratio": ratio,
            "p": stats.mann_whitney(a, b)[1],
            "noise": max(stats.noise(a), stats.noise(b)),
            "control": is_control(name),
        })
    for control in (False, True):
        group = [row for row in rows if row["control"] == control]
        for row, p in zip(group, stats.holm([row["p"] for row in group])):
            row["p_corrected"] = p
            row["verdict"] = verdict(row)
    return sorted(rows, key=lambda row: -abs(row["ratio"] - 1))


def verdict(row):
    if row["p_corrected"] >= SIGNIFICANCE:
        return "no difference"
    if row["ratio"] > 1 + row["noise"]:
        return "slower"
    if row["ratio"] < 1 / (1 + row["noise"]):
        return "faster"
    return "no difference"


def text(rows, everything=False):
    """The comparison for a person. Without `everything`, only what differs, and the sums."""
    lines = []
    for control, title in ((False, "this library"), (True, "controls (their code is not ours)")):
        group = [row for row in rows if row["control"] == control]
        counts = {
            v: sum(row["verdict"] == v for row in group)
            for v in ("faster", "slower", "no difference")
        }
        lines.append(
            f"{title}: {counts['faster']} faster, {counts['slower']} slower, "
            f"{counts['no difference']} no difference"
        )
        for row in group:
            if everything or row["verdict"] != "no difference":
                lines.append(
                    f"  {row['verdict']:<14}{row['name']:<50}{row['old']:>12.3f} -> "
                    f"{row['new']:>10.3f} ns  x{row['ratio']:.3f}  p {row['p_corrected']:.2g}  "
                    f"noise {100 * row['noise']:.0f} %"
                )
    moved = [row for row in rows if row["control"] and row["verdict"] != "no difference"]
    if moved:
        lines.append(
            f"CAREFUL: {len(moved)} controls differ too, so the machine was not the same in both "
            "runs."
        )
    return "\n".join(lines)


def slower(rows):
    return [row for row in rows if row["verdict"] == "slower" and not row["control"]]
