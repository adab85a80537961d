"""The Relacy section: what `details` holds is described in relacy/report.h."""

from fsqlshm.report import html

KNOWN = {"search", "context_bound", "scenarios", "audit", "litmus", "left_out"}
STATES = {"clean": ("✓", None), "known": ("✓", None), "violated": ("✗", "bad"), "missed": ("!", "warn"),
          "vacuous": ("!", "warn"), "stopped": ("!", "warn")}

# A search ends with the first violation.
ENDED = ("known", "violated", "stopped")


def _state(name):
    icon, kind = STATES.get(name, ("", None))
    text = f"{icon} {name}".strip()
    return html.mark(text, kind) if kind else html.Markup('<span class="nowrap">{}</span>').format(text)


def _outcomes(row):
    """How often each was reached; what never was stands out, unless a violation ended the search."""
    outcomes = row.get("outcomes") or {}
    parts = [html.escape(f"{name} {html.number(count)}") if count or row.get("status") in ENDED else html.mark(f"! {name} 0", "warn")
             for name, count in outcomes.items()]
    return html.Markup("; ").join(parts)


def _reach(row, search):
    if search == "random":
        return ""
    bound = row.get("bound_reached")
    if isinstance(bound, int) and bound >= 0:
        return f"{bound} preemptions" + ("" if row.get("complete") else ", not the next")
    return "to its end" if row.get("complete") else "not to its end"


def _scenarios(details):
    """A table for each kind of search."""
    kinds = {}
    for row in details.get("scenarios") or []:
        kinds.setdefault(row.get("search") or details.get("search"), []).append(row)
    return html.Markup("").join(_table(rows, search, details) for search, rows in kinds.items())


def _table(rows, search, details):
    heads = ["scenario", "checks", "state", "threads", "executions", "a second"]
    body = []
    for row in rows:
        seconds = row.get("seconds") or 0
        line = [row.get("name", ""), row.get("properties", ""), _state(row.get("status", "")), row.get("threads"),
                row.get("executions"), row.get("executions", 0) / seconds if seconds else None]
        if search != "random":
            line.append(_reach(row, search))
        line.append(_outcomes(row))
        body.append(line)
    if search != "random":
        heads.append("explored")
    text = {"random": "Random schedules.",
            "bounded": "Every schedule with few preemptions"
                       + (f", at most {details['context_bound']}." if "context_bound" in details else "."),
            "full": "Every schedule."}.get(search, "")
    return (html.paragraph(text, note=True) if text else html.Markup("")) + html.table([*heads, "outcomes reached"], body, wide=True)


def _survivors(name, audit):
    """A sentence for whoever does not read the table."""
    total, survived = audit.get("weakenings"), audit.get("survived")
    if not isinstance(total, int) or not isinstance(survived, int):
        return html.Markup("")
    if name == "reference":
        return html.paragraph(f"{survived} of {total} weakened orders survived. It stays as published and is searched for a shorter "
                              "time, so that says nothing of its orders.", note=True)
    if survived == 0 and total > 0:
        return html.paragraph(f"✓ None of {total} weakened orders survived: every one is needed.")
    unexplained = audit.get("unexplained", survived)
    return html.Markup("<p>{}</p>").format(html.mark(
        f"! {survived} of {total} weakened orders survived, {unexplained} of them with no word in the source on why they stay.", "warn"))


def _matrix(name, audit):
    """One subject's orders: {sites, weakenings, killed, survived, unexplained, matrix}."""
    rows = []
    for row in audit.get("matrix") or []:
        verdict = html.Markup("✓ killed") if row.get("killed") else html.mark("! survived", "warn")
        rows.append([row.get("site", ""), row.get("order", ""), row.get("weakened_to", ""), verdict, row.get("scenario", ""),
                     row.get("property", ""), row.get("executions"),
                     html.Markup("<code>{}</code>").format(row["replay"]) if row.get("replay") else ""])
    table = html.table(["site", "order", "weakened to", "verdict", "by scenario", "property", "executions", "replay"], rows, wide=True)
    if name == "reference":
        table = html.folded(f"{html.number(len(rows))} weakened orders", table)
    return html.heading(f"Memory orders of {name}", 4) + _survivors(name, audit) + table


def _audit(audit):
    if not isinstance(audit, dict) or not audit:
        return html.Markup("")
    text = html.paragraph("Every memory order of the core made weaker, one at a time; killed means that a scenario then fails. "
                          "fsqlshm-relacy --replay shows the execution that is named in the last column.", note=True)
    return text + html.Markup("").join(_matrix(name, one) for name, one in audit.items() if isinstance(one, dict))


def _litmus(rows):
    """What the model checker itself can and cannot produce."""
    body = []
    for row in rows or []:
        seen = row.get("random") or row.get("bounded")
        blind = row.get("allowed") and not seen
        body.append([row.get("name", ""), row.get("outcome", ""), "allowed" if row.get("allowed") else "forbidden",
                     row.get("random"), row.get("bounded"),
                     html.mark("blind spot", "warn") if blind else "",
                     html.Markup("✓ as documented") if row.get("as_expected") else html.mark("✗ not as documented", "bad")])
    return html.table(["litmus test", "outcome", "by the language", "random", "bounded", "", "state"], body, wide=True)


def body(document):
    details = document["details"]
    left_out = details.get("left_out")
    note = html.Markup("<p>{}</p>").format(html.mark(f"! Left out: {left_out}.", "warn")) if left_out else ""
    parts = [html.Markup(note), _scenarios(details), _audit(details.get("audit")), _litmus(details.get("litmus")),
             html.anything({k: v for k, v in details.items() if k not in KNOWN})]
    text = html.Markup("").join(parts)
    return text or html.table(["count", "value"], [[html.words(k), v] for k, v in document["counts"].items()])
