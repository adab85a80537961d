"""The stress section: what `details` holds is described in stress/{runner,crash_points,outcomes,recovery}.h."""

import itertools

from fsqlshm.report import charts
from fsqlshm.report import html

KNOWN = {"crash_points", "creation", "stop_points", "outcomes", "recovery_us", "header", "chaos", "roles", "workers",
         "tsan", "run_seconds", "interrupted", "recovered", "over_time"}
VERDICTS = {"forbidden": ("✗", "bad"), "interesting": ("•", None), "allowed": ("✓", None)}


def _runs(outcomes):
    """["old", "old", "none"] as "1 to 2: old; 3: none"."""
    parts, at = [], 1
    for outcome, group in itertools.groupby(outcomes):
        count = len(list(group))
        where = f"{at}" if count == 1 else f"{at} to {at + count - 1}"
        text = f"{where}: {outcome}"
        parts.append(html.mark("✗ " + text, "bad") if "for ever" in str(outcome) else html.escape(text))
        at += count
    return html.Markup("; ").join(parts)


def crash_table(rows):
    """Death before each atomic step of an operation, and what the next one saw."""
    body = [[row.get("operation", ""), row.get("steps"), _runs(row.get("outcomes") or []), row.get("completed", "")]
            for row in rows]
    return html.table(["operation", "steps", "death before step ...: what was found then", "without a death"], body, wide=True)


def _crash_points(details):
    parts = []
    if details.get("crash_points"):
        parts += [html.heading("Death before every atomic step", 4), crash_table(details["crash_points"])]
    if details.get("creation"):
        rows = []
        for way in details["creation"]:
            calls = [f"{c.get('call', '')}: {c.get('outcome', '')}" if isinstance(c, dict) else str(c)
                     for c in way.get("calls") or []]
            rows.append([way.get("way", ""), len(calls), html.Markup("<br>").join(map(html.escape, calls))])
        parts += [html.heading("Death before every system call of creating the file", 4),
                  html.folded(f"{sum(row[1] for row in rows)} system calls",
                              html.table(["way", "calls", "what was found then"], rows))]
    if details.get("stop_points"):
        rows = [[row.get("scenario", ""), row.get("points"),
                 "; ".join(f"{k}: {html.number(v)}" for k, v in (row.get("outcomes") or {}).items())]
                for row in details["stop_points"]]
        parts += [html.heading("Standstill, alive, before every step", 4),
                  html.table(["scenario", "points", "how often what was found"], rows, wide=True)]
    return html.Markup("").join(parts)


def _outcomes(details):
    races = details.get("outcomes") or []
    rows = []
    for race in races:
        for i, row in enumerate(race.get("outcomes") or []):
            icon, kind = VERDICTS.get(row.get("verdict"), ("", None))
            # What was not seen needs no mark.
            verdict = f"{icon} {row.get('verdict', '')}".strip() if row.get("count") else row.get("verdict", "")
            if kind and row.get("count"):
                verdict = html.mark(verdict, kind)
            rows.append([race.get("race", "") if i == 0 else "", row.get("outcome", ""), row.get("count"), verdict,
                         row.get("meaning", "")])
    if not rows:
        return html.Markup("")
    return html.heading("Outcomes of small races", 4) + html.table(
        ["race", "outcome", "times", "verdict", "meaning"], rows, wide=True)


def _recovery(details):
    values = details.get("recovery_us")
    if not values:
        return html.Markup("")
    return html.heading("From the death of a publisher to the next good read", 4) + html.table(
        [f"{html.words(k)}, µs" for k in values], [[v for v in values.values()]])


def _over_time(details):
    """over_time: list of {seconds, NAME: count since the start}; drawn as rates between two samples."""
    samples = [s for s in details.get("over_time") or [] if isinstance(s, dict) and "seconds" in s]
    if len(samples) < 3:
        return html.Markup("")
    names = [k for k in samples[-1] if k != "seconds"]

    def rates(name):
        pairs = [(a, b) for a, b in zip(samples, samples[1:]) if b["seconds"] > a["seconds"]]
        return ([b["seconds"] for _, b in pairs],
                [(b.get(name, 0) - a.get(name, 0)) / (b["seconds"] - a["seconds"]) for a, b in pairs])

    fast = [n for n in names if n in ("snapshot_reads", "reads", "publishes", "acquires", "txn_ids")]
    slow = [n for n in names if n in ("kills", "stops", "reconciles", "recoveries", "evictions")]
    parts = [charts.lines([(html.words(n), *rates(n)) for n in fast], "Throughput over time", "seconds", "a second",
                          log_y=True),
             charts.lines([(html.words(n), [s["seconds"] for s in samples], [s.get(n, 0) for s in samples]) for n in slow],
                          "Kills and what they led to", "seconds", "so far")]
    return html.Markup("").join(html.figure(p) for p in parts if p)


def _counts(document):
    """What was done, and how much of it in a second."""
    seconds = document["details"].get("run_seconds") or 0
    rows = [[html.words(k), v, v / seconds if seconds else None] for k, v in document["counts"].items()]
    heads = ["count", "value", "a second"]
    if not seconds:
        heads, rows = heads[:2], [row[:2] for row in rows]
    return html.table(heads, rows)


def _setup(details):
    pairs = []
    if "workers" in details:
        pairs.append(("processes", details["workers"]))
    if details.get("roles"):
        pairs.append(("threads in each", ", ".join(f"{v} {k}" for k, v in details["roles"].items() if v)))
    if details.get("chaos"):
        chaos = details["chaos"]
        kinds = [k for k in ("kill", "stop") if chaos.get(k)]
        pairs.append(("chaos", f"{' and '.join(kinds) or 'none'}, {chaos.get('rate', '?')} a second" if kinds else "none"))
    if "tsan" in details:
        pairs.append(("ThreadSanitizer", "watching" if details["tsan"] else "not in this build"))
    if "recovered" in details:
        pairs.append(("recovered", f"{html.number(details['recovered'])} times a publisher found an odd number and reconciled"))
    return html.facts(pairs)


def body(document):
    details = document["details"]
    parts = [_setup(details), _over_time(details), _counts(document), _recovery(details), _crash_points(details), _outcomes(details)]
    if details.get("header"):
        parts.append(html.folded("The header at the end", html.anything(details["header"])))
    parts.append(html.anything({k: v for k, v in details.items() if k not in KNOWN}))
    return html.Markup("").join(parts)
