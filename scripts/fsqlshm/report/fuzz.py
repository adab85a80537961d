"""The fuzz section: what `details` holds is described in scripts/fsqlshm/fuzz/fuzzing.py (document)."""

from fsqlshm.report import charts
from fsqlshm.report import html

KNOWN = {"coverage", "features", "corpus", "counters", "accept_ratio", "found_after_seconds", "corpus_before_merge",
         "corpus_after_merge", "over_time", "lines"}


def _over_time(details):
    """over_time: list of {seconds, executions, coverage, features, corpus}."""
    samples = [s for s in details.get("over_time") or [] if isinstance(s, dict) and isinstance(s.get("seconds"), (int, float))]
    if len(samples) < 3:
        return html.Markup("")
    seconds = [s["seconds"] for s in samples]
    parts = [charts.lines([(name, seconds, [s.get(name, 0) for s in samples]) for name in ("coverage", "corpus")],
                          "Edges covered and inputs in the corpus", "seconds", "so far", steps=True, markers=False)]
    timed = [s for s in samples if s["seconds"] > 0]
    parts.append(charts.lines([("executions", [s["seconds"] for s in timed], [s["executions"] / s["seconds"] for s in timed])],
                              "Speed so far", "seconds", "executions a second", markers=False))
    return html.Markup("").join(html.figure(p) for p in parts if p)


def _ranges(numbers):
    """[3, 4, 5, 9] as "3-5, 9"."""
    out = []
    for n in sorted(n for n in numbers if isinstance(n, int)):
        if out and n == out[-1][1] + 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in out)


def _lines(coverage):
    """lines: {lines, covered, percent, files: {path: {count, covered, percent, uncovered: [line]}}}."""
    if not isinstance(coverage, dict) or not isinstance(coverage.get("files"), dict):
        return html.Markup("")
    rows = [[html.Markup("<code>{}</code>").format(path), row.get("covered"), row.get("count"), row.get("percent"),
             _ranges(row.get("uncovered") or [])] for path, row in sorted(coverage["files"].items())]
    return (html.paragraph(f"{coverage.get('covered')} of {coverage.get('lines')} lines of the core are executed by the corpora, "
                           f"{html.number(coverage.get('percent', 0))} %.")
            + html.table(["file", "covered", "lines", "%", "lines that are not covered"], rows, wide=True))


def _facts(document):
    counts, details = document["counts"], document["details"]
    pairs = []
    if "executions" in counts:
        speed = counts.get("executions_per_second")
        pairs.append(("executions", html.number(counts["executions"]) + (f", {html.number(speed)} a second" if speed else "")))
    if details.get("coverage"):
        pairs.append(("coverage", f"{html.number(details['coverage'])} edges, {html.number(details.get('features', 0))} features"))
    if details.get("corpus"):
        pairs.append(("corpus", f"{html.number(details['corpus'])} inputs"))
    if isinstance(details.get("accept_ratio"), (int, float)):
        pairs.append(("past the checksum", f"{100 * details['accept_ratio']:.1f} % of executions"))
    if isinstance(details.get("found_after_seconds"), (int, float)):
        pairs.append(("found after", f"{details['found_after_seconds']:.1f} s"))
    shown = {"executions", "executions_per_second", "corpus", "coverage"}
    return html.facts(pairs + [(k, v) for k, v in counts.items() if k not in shown])


def body(document):
    details = document["details"]
    counters = details.get("counters")
    parts = [_facts(document), _over_time(details), _lines(details.get("lines"))]
    if isinstance(counters, dict) and counters:
        parts.append(html.folded(f"What the inputs reached ({len(counters)} counters)", html.table(
            ["counter", "times"], [[html.words(k), v] for k, v in counters.items()])))
    parts.append(html.anything({k: v for k, v in details.items() if k not in KNOWN}))
    return html.Markup("").join(parts)
