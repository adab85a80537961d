"""The figures of the benchmarks. What a benchmark measures is in its `facts`; its name is never read."""

from typing import Any

from fsqlshm.report.text import Json, median, words

RATES = ("0", "1k", "10k", "100k", "1M", "saturating")
PERCENTILES = ("p50", "p90", "p99", "p99.9", "p99.99", "max")


def label(row: Json) -> str:
    """What is measured, and whether it is no protection at all."""
    return words(row.get("subject", "")) + (" (racy)" if row.get("racy") else "")


def benchmarks(measured: Any) -> list[Json]:
    """Each benchmark with its facts; of its repetitions the median, the least and the most; of its counters the medians
    and the sums."""
    rows = []
    for name, entry in ((measured or {}).get("benchmarks") or {}).items():
        ns, counters = entry.get("ns") or [], entry.get("counters") or {}
        if ns:
            row = (
                {"group": "", "where": "", "rate": ""}
                | entry.get("facts", {})
                | {"name": name, "racy": entry.get("racy")}
            )
            row |= {"median": median(ns), "low": min(ns), "high": max(ns), "repetitions": len(ns)}
            row["percentiles"] = [median(counters.get(p)) for p in PERCENTILES]
            row["sums"] = {name: sum(counters.get(name) or []) for name in ("retries", "torn", "reads")}
            rows.append({**row, "label": label(row)})
    return sorted(rows, key=lambda row: (row["where"], (*RATES, row["rate"]).index(row["rate"]), row["label"]))
