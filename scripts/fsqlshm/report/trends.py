"""The last nights: what is new or has moved since the night before, and how it went over the weeks.

Everything comes from what nightly.py puts into the summary: history, found_before, proposed_regressions, corpora.
"""

import dataclasses
from typing import Any

from fsqlshm.report.text import Json, without, words
from fsqlshm.results import TELLING, Summary

# A figure has moved if it is less or more than the last one by this part.
MOVED = 0.1


@dataclasses.dataclass
class Trend:
    """A figure over the nights; None where a night has none."""

    name: str
    values: list[Any]

    @property
    def change(self) -> float | None:
        """Of this night against the last one; None if there is nothing to compare with."""
        before, now = self.values[-2:] if len(self.values) > 1 else (None, None)
        return None if now is None or not before else now / before - 1

    @property
    def moved(self) -> bool:
        appeared = len(self.values) > 1 and (self.values[-1] is None) != (self.values[-2] is None)
        return appeared or abs(self.change or 0) > MOVED


def label(entry: Json) -> str:
    """ "11-20" of "20261120115854"."""
    night: str = entry["night"]
    return f"{night[4:6]}-{night[6:8]}" if len(night) >= 8 else night


def figures(entry: Json) -> dict[str, float]:
    """What is followed of a night."""
    out = {f"findings: {kind}": entry["findings"].get(kind, 0) for kind in ("violation", "vacuous")}
    for engine in dict.fromkeys(one["engine"] for one in entry["engines"]):
        counts = [(one["counts"], one["seconds"]) for one in entry["engines"] if one["engine"] == engine]
        name = next((name for name in TELLING if any(name in count for count, _ in counts)), "")
        seconds = sum(seconds for count, seconds in counts if name in count)
        if seconds > 0:
            work = sum(count[name] for count, _ in counts if name in count)
            out[f"{engine}: {words(name)}"] = work
            out[f"{engine}: {words(name)} a second"] = work / seconds
    for one in entry["engines"]:
        for name, unit in (("coverage", "edges covered"), ("corpus", "inputs in the corpus")):
            if one["engine"] == "fuzz" and one["counts"].get(name):
                out[f"{one['subject']}: {unit}"] = one["counts"][name]
        if one["engine"] == "mutants" and (judged := sum(map(one["counts"].get, ("killed", "survived"), (0, 0)))):
            out["mutants: killed, %"] = 100 * one["counts"]["killed"] / judged
            out["mutants: survivors"] = one["counts"]["survived"]
    return out | {f"{name}: ns": ns for name, ns in (entry.get("figures") or {}).items()}


def trends(summary: Summary) -> Json | None:
    """What the template trends.html shows; None of a run that is no night."""
    history = summary.get("history") or []
    given = {name: summary.get(name) or [] for name in ("found_before", "proposed_regressions", "corpora")}
    if not history and not any(given.values()):
        return None
    nights = [figures(entry) for entry in history]
    names = dict.fromkeys(name for night in reversed(nights) for name in night)
    new = {finding["title"] for document in summary["results"] for finding in document["findings"]
           if finding["severity"] != "expected" and str(finding.get("first_seen")).endswith("this one")}  # fmt: skip
    return {
        **given,
        "nights": [
            {**without(entry, "engines", "figures", "findings"), **entry["findings"]} for entry in reversed(history)
        ],
        "since": label(history[-2]) if len(history) > 1 else "",
        "new": sorted(new),
        "trends": [Trend(name, [night.get(name) for night in nights]) for name in names],
    }
