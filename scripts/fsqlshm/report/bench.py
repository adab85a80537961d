"""The bench section: what `details` holds is described in scripts/engines/bench, and for the programs'
own documents in bench/bench_main.cc and bench/tails_main.cc."""

import re
import statistics

from fsqlshm.report import charts
from fsqlshm.report import html

KNOWN = {"context", "benchmarks", "complexity", "timer", "tails", "comparison", "measured", "ratios",
         "beside_publisher", "shard", "schema", "findings"}
PERCENTILES = ("p50", "p90", "p99", "p99.9", "p99.99", "max")
RATES = ("0", "1k", "10k", "100k", "1M", "saturating")
OURS = "hardened"


def _median(values):
    values = [v for v in values or [] if isinstance(v, (int, float))]
    return statistics.median(values) if values else None


def _spread(values):
    values = [v for v in values or [] if isinstance(v, (int, float))]
    return (min(values), max(values)) if len(values) > 1 else (None, None)


def _label(name, racy):
    return html.words(name) + (" (racy)" if racy else "")


def _bars(benchmarks, prefix, title):
    rows = []
    for b in benchmarks:
        if b["name"].startswith(prefix) and "/" not in b["name"][len(prefix):] and b.get("arg") is None:
            median = _median(b.get("ns"))
            if median is not None:
                rows.append((_label(b["name"][len(prefix):], b.get("racy")), median, *_spread(b.get("ns"))))
    rows.sort(key=lambda row: row[1])
    if len(rows) < 2:
        return html.Markup("")
    ours = [row[0] for row in rows if row[0].startswith(OURS)]
    return html.figure(charts.bars(rows, title, "ns, median of the repetitions; the line is their range",
                                   emphasise=ours))


def _against_publisher(benchmarks):
    """Read times by publish rate, one line a comparator."""
    series = {}
    for b in benchmarks:
        match = re.fullmatch(r"read/thread/([^/]+)/([^/]+)", b["name"])
        median = _median(b.get("ns"))
        if match and match[1] in RATES and median is not None:
            series.setdefault(match[2], {})[match[1]] = median
    series = {name: values for name, values in series.items() if len(values) > 1}
    if not series:
        return html.Markup("")
    rates = [r for r in RATES if any(r in values for values in series.values())]
    order = sorted(series, key=lambda name: (name != OURS, name))
    rows = [[_label(name, name.startswith("plain_")), *[series[name].get(r) for r in rates]] for name in order]
    return (html.heading("Read beside a publisher, ns", 4)
            + html.table(["publishes a second", *rates], rows, wide=True))


def _other(benchmarks):
    rows = []
    for b in sorted(benchmarks, key=lambda b: (b["name"], b.get("arg") or 0)):
        if b["name"].startswith(("read/", "loop/")):
            continue
        median = _median(b.get("ns"))
        if median is not None:
            name = b["name"] + (f", {b['arg']}" if b.get("arg") is not None else "")
            rows.append([name, median, *_spread(b.get("ns")), len(b["ns"])])
    if not rows:
        return html.Markup("")
    return html.folded(f"All other operations ({len(rows)})",
                       html.table(["operation", "median ns", "least", "most", "repetitions"], rows))


def _tails(details):
    parts = []
    tails = details.get("tails") or []
    groups = {}
    for tail in tails:
        groups.setdefault((str(tail.get("where", "")), str(tail.get("rate", ""))), []).append(tail)
    # The plot is of one rate: of those against a publisher that runs the one that is most like real.
    for where, rate in [key for key in groups if key[1] == "100k"] or list(groups)[:1]:
        series = []
        for tail in groups[(where, rate)]:
            runs = [run.get("ns") or {} for run in tail.get("runs") or []]
            points = [(i, _median([r.get(p) for r in runs])) for i, p in enumerate(PERCENTILES)]
            points = [(i, v) for i, v in points if v is not None and v > 0]
            series.append((_label(tail.get("subject", ""), tail.get("racy")), points))
        parts.append(html.figure(charts.percentiles(series, PERCENTILES, f"One read beside a publisher ({where}), "
                                                    f"{rate} publishes a second")))
    rows = []
    for (where, rate), members in groups.items():
        for tail in members:
            runs = tail.get("runs") or []
            rows.append([_label(tail.get("subject", ""), tail.get("racy")), f"{rate}, {where}",
                         *[_median([(r.get("ns") or {}).get(p) for r in runs]) for p in PERCENTILES],
                         sum((r.get("retries") or {}).get("total", 0) for r in runs),
                         sum(r.get("torn", 0) for r in runs), sum(r.get("reads", 0) for r in runs)])
    if rows:
        parts.append(html.folded(f"All percentiles ({len(rows)} rows), ns, median of the repetitions", html.table(
            ["subject", "publisher", *PERCENTILES, "retries", "torn", "reads"], rows, wide=True)))
    if details.get("timer"):
        parts.append(html.paragraph("The clock's own cost is the subject “timer”; it is contained in all other figures.", note=True))
    return html.Markup("").join(parts)


def _comparison(details):
    """comparison: {with, careful: [sentence], compared, rows: [{name, old, new, ratio, p_corrected, noise, verdict, control}]},
    the rows only of what differs."""
    comparison = details.get("comparison")
    if not isinstance(comparison, dict):
        return html.Markup("")
    rows = [[row.get("name", ""), html.mark("✗ slower", "warn") if row.get("verdict") == "slower" else row.get("verdict", ""),
             row.get("old"), row.get("new"), row.get("ratio"), row.get("p_corrected"), row.get("noise"),
             "not ours: the machine changed" if row.get("control") else ""] for row in comparison.get("rows") or []]
    text = f"Compared with {comparison.get('with', '')}"
    if "compared" in comparison:
        text += f": {len(rows)} of {comparison['compared']} differ by more than noise."
    notes = html.Markup("").join(html.paragraph(f"Careful: {note}", note=True) for note in comparison.get("careful") or [])
    return (html.heading("Change against the baseline", 4) + html.paragraph(text) + notes
            + html.table(["operation", "verdict", "ns then", "ns now", "ratio", "p", "noise", ""], rows, wide=True))


def _ratios(details):
    """ratios: list of {what, median, min, max, bound, kept}."""
    rows = []
    for row in details.get("ratios") or []:
        bound = row.get("bound")
        text = "" if bound is None else f"at most {bound:.3g}"
        if bound is not None:
            text = html.escape("✓ " + text) if row.get("kept") else html.mark("✗ " + text, "warn")
        rows.append([row.get("what", ""), row.get("median"), row.get("min"), row.get("max"), text])
    return html.table(["ratio", "median", "least", "most", "meant to be"], rows)


def _beside_publisher(details):
    """beside_publisher: list of {subject, racy, throughput: {median}, publishes, ns: {p50 ...}}."""
    rows = []
    for row in details.get("beside_publisher") or []:
        ns = row.get("ns") or {}
        rows.append([_label(row.get("subject", ""), row.get("racy")), (row.get("throughput") or {}).get("median"),
                     row.get("publishes"), *[ns.get(p) for p in PERCENTILES]])
    if not rows:
        return html.Markup("")
    return (html.heading("Beside a publisher: throughput against that without one, and the tail in ns", 4)
            + html.table(["subject", "throughput", "publishes a second", *PERCENTILES], rows, wide=True))


def _flat(details):
    """The details with what was measured beside them, benchmarks as a list."""
    flat = {**details, **(details.get("measured") or {})}
    if isinstance(flat.get("benchmarks"), dict):
        flat["benchmarks"] = [{"name": name, **entry} for name, entry in flat["benchmarks"].items()]
    return flat


def body(document):
    details = _flat(document["details"])
    benchmarks = [b for b in details.get("benchmarks") or [] if isinstance(b, dict) and isinstance(b.get("name"), str)]
    parts = [_bars(benchmarks, "read/uncontended/", "Uncontended read of the triple"),
             _bars(benchmarks, "publish/", "Publish"), _ratios(details), _comparison(details), _beside_publisher(details),
             _against_publisher(benchmarks), _other(benchmarks), _tails(details)]
    if details.get("complexity"):
        parts.append(html.folded("Growth", html.anything(details["complexity"])))
    if details.get("context"):
        parts.append(html.folded("Context", html.anything(details["context"])))
    parts.append(html.anything({k: v for k, v in details.items() if k not in KNOWN}))
    return html.Markup("").join(parts)
