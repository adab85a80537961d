"""The ratios that matter, each with the bound it is meant to keep, from one run.

They are shown, never enforced: a figure on a busy machine is not a test.
"""

from . import stats
from .compare import CONTROLS

# (what, numerator, denominator, bound): the first number must stay under `bound` times the second.
# None: stated, without a bound.
_RATIOS = (
    ("uncontended read / five plain loads", "read/uncontended/hardened",
     "read/uncontended/plain_5", 1.15),
    ("uncontended read / three plain loads", "read/uncontended/hardened",
     "read/uncontended/plain_3", None),
    ("dependent read / five plain loads", "read/dependent/hardened", "read/dependent/plain_5",
     None),
    ("uncontended read / std::shared_mutex", "read/uncontended/hardened",
     "read/uncontended/std_shared_mutex", 1 / 20),
    ("publish / textbook seqlock store", "publish/hardened", "publish/fence_seqlock", 1.3),
    ("publish / five plain stores", "publish/hardened", "publish/plain_5", 1.3),
    ("publish / reference publish", "publish/hardened", "publish/reference", 1 / 5),
    ("open, owned / xxh3_64 of 60 bytes", "header/open_owned", "header/xxh3_64_of_60_bytes", 4),
    ("open, in place / xxh3_64 of 60 bytes", "header/open_in_place", "header/xxh3_64_of_60_bytes",
     4),
)


def _ns(document, name):
    return document["benchmarks"].get(name, {}).get("ns", [])


def ratios(document):
    """A list of {what, median, min, max, bound, kept}: medians over the rounds."""
    out = []
    for what, top, bottom, bound in _RATIOS:
        ratio = stats.ratio_per_round(_ns(document, top), _ns(document, bottom))
        if ratio is not None:
            kept = None if bound is None else ratio["median"] <= bound
            out.append({"what": what, **ratio, "bound": bound, "kept": kept})
    return out


def subjects(document, group):
    """The subjects of a group "read/thread/100k", in the order they were measured."""
    names = (n for n in document["benchmarks"] if n.startswith(group + "/"))
    order = ("hardened", "reference", *CONTROLS)
    found = [n.rsplit("/", 1)[1] for n in names]
    return sorted(found, key=lambda s: order.index(s) if s in order else len(order))


def beside_publisher(document, rate="100k", where="thread"):
    """For each subject: throughput against a publisher over that without one, and the tail."""
    out = []
    for subject in subjects(document, f"read/{where}/{rate}"):
        alone = _ns(document, f"read/{where}/0/{subject}")
        beside = _ns(document, f"read/{where}/{rate}/{subject}")
        rows = [r for r in document["tails"]
                if (r["subject"], r["rate"], r["where"]) == (subject, rate, where)]
        runs = rows[0]["runs"] if rows else []
        entry = document["benchmarks"][f"read/{where}/{rate}/{subject}"]
        out.append({
            "subject": subject,
            "racy": entry["racy"],
            "throughput": stats.ratio_per_round(alone, beside),
            "publishes": stats.median(entry["counters"].get("publishes_per_second") or [0]),
            "ns": {
                point: stats.median([run["ns"][point] for run in runs])
                for point in ("p50", "p90", "p99", "p99.9", "p99.99", "max")
            } if runs else None,
            "p99.9": [run["ns"]["p99.9"] for run in runs],
        })
    return out


def ahead_in_tail(document, rate="100k", where="thread"):
    """hardened's p99.9 against each other subject's that is not racy: {subject: verdict}."""
    rows = {row["subject"]: row for row in beside_publisher(document, rate, where)}
    if "hardened" not in rows or not rows["hardened"]["p99.9"]:
        return {}
    mine = rows["hardened"]["p99.9"]
    out = {}
    for name, row in rows.items():
        if name == "hardened" or row["racy"] or not row["p99.9"]:
            continue
        _, p = stats.mann_whitney(mine, row["p99.9"])
        if p >= 0.05:
            out[name] = "no difference"
        else:
            out[name] = "ahead" if stats.median(mine) < stats.median(row["p99.9"]) else "behind"
    return out


def text(document):
    lines = [f"{'ratio':<42}{'median':>8}{'min':>8}{'max':>8}   bound"]
    for r in ratios(document):
        bound = "stated" if r["bound"] is None else f"{r['bound']:.3g} {'kept' if r['kept'] else 'MISSED'}"
        lines.append(f"{r['what']:<42}{r['median']:8.3f}{r['min']:8.3f}{r['max']:8.3f}   {bound}")
    beside = beside_publisher(document)
    if beside:
        lines.append("")
        lines.append(f"{'against 100 k publishes/s':<26}{'throughput':>11}{'p50':>8}{'p99':>8}"
                     f"{'p99.9':>9}{'p99.99':>9}   hardened's p99.9 is")
        verdicts = ahead_in_tail(document)
        for row in beside:
            throughput = row["throughput"]["median"] if row["throughput"] else float("nan")
            ns = row["ns"] or {}
            points = "".join(f"{ns.get(p, float('nan')):{w}.0f}"
                             for p, w in (("p50", 8), ("p99", 8), ("p99.9", 9), ("p99.99", 9)))
            name = row["subject"] + (" (racy)" if row["racy"] else "")
            lines.append(f"{name:<26}{throughput:11.3f}{points}   "
                         f"{verdicts.get(row['subject'], '')}")
    return "\n".join(lines)
