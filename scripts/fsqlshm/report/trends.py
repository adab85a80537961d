"""The last nights, from the history that nightly.py puts into the summary."""

from fsqlshm.report import charts
from fsqlshm.report import html

# What is worth a line: the counts that say how much was attacked, by engine.
WORK = {"relacy": ("executions",), "fuzz": ("executions", "runs"), "stress": ("snapshot_reads", "reads", "kills"),
        "golden": ("steps", "vectors"), "bench": ("measurements",)}


def _label(entry):
    """"11-20" of "20261120115854"."""
    night = entry["night"]
    return f"{night[4:6]}-{night[6:8]}" if len(night) >= 8 else night


def _counts(entry, engine, names):
    """The first of the counts that the engine has, over all of its subjects."""
    for name in names:
        values = [e["counts"][name] for e in entry.get("engines", []) if e["engine"] == engine and name in e["counts"]]
        if values:
            return sum(values)
    return None


def _of(entry, target, name):
    return next((e["counts"].get(name) for e in entry.get("engines", []) if (e["engine"], e["subject"]) == ("fuzz", target)), None)


def _rate(entry, engine, names):
    count = _counts(entry, engine, names)
    seconds = sum(e["seconds"] for e in entry.get("engines", []) if e["engine"] == engine
                  and any(name in e["counts"] for name in names))
    return count / seconds if count is not None and seconds else None


def section(summary):
    history = [entry for entry in summary.get("history") or [] if isinstance(entry, dict)]
    before = summary.get("found_before") or []
    proposed = summary.get("proposed_regressions") or []
    parts = []
    if proposed:
        parts += [html.heading("Failing inputs that are not kept yet"),
                  html.Markup('<pre class="command">{}</pre>').format("\n".join(p["command"] for p in proposed))]
    if before:
        parts += [html.heading("Found on earlier nights, not seen on this one"),
                  html.table(["engine", "subject", "kind", "property", "what", "first", "last", "reproduce"],
                             [[*(entry[k] for k in ("engine", "subject", "severity", "property", "title")), entry.get("first"), entry.get("last"),
                               html.Markup("<code>{}</code>").format(entry.get("replay", ""))] for entry in before], wide=True)]
    if history:
        names = [_label(entry) for entry in history]
        kinds = [(kind, [entry["findings"].get(kind, 0) for entry in history]) for kind in ("violation", "vacuous")]
        parts.append(html.figure(charts.nights(names, kinds, "Findings", "a night")))
        work, rates = [], []
        for engine, counts in WORK.items():
            work.append((engine, [_counts(entry, engine, counts) for entry in history]))
            rates.append((engine, [_rate(entry, engine, counts) for entry in history]))
        parts.append(html.figure(charts.nights(names, work, "Work done", "executions, reads ...", log_y=True)))
        parts.append(html.figure(charts.nights(names, rates, "Speed", "a second", log_y=True)))
        for name, title, label in (("coverage", "Fuzzing: edges covered", "edges"), ("corpus", "Fuzzing: inputs in the corpora", "inputs")):
            targets = list(dict.fromkeys(e["subject"] for entry in history for e in entry.get("engines", [])
                                         if e["engine"] == "fuzz" and e["counts"].get(name)))
            parts.append(html.figure(charts.nights(names, [(t, [_of(entry, t, name) for entry in history]) for t in targets], title,
                                                   label, log_y=True)))
        operations = list(dict.fromkeys(name for entry in history for name in entry.get("figures") or {}))
        times = [(name, [(entry.get("figures") or {}).get(name) for entry in history]) for name in operations]
        parts.append(html.figure(charts.nights(names, times, "Benchmarks", "median ns", log_y=True)))
        rows = [[entry["night"], entry["commit"][:12], entry["status"].replace("_", " "), entry["seed"], entry["seconds"],
                 *[entry["findings"].get(k, 0) for k in ("violation", "vacuous", "expected")]] for entry in reversed(history)]
        parts.append(html.folded(f"All {len(rows)} nights", html.table(
            ["night", "commit", "state", "seed", "seconds", "violations", "blind checks", "expected"], rows)))
    body = html.Markup("").join(parts)
    return {"anchor": "trends", "title": "Nights", "body": body} if body else None
