"""Can the harness see? What shows that a clean run would not have been clean if something were wrong."""

from fsqlshm.report import html
from fsqlshm.report import relacy as report_relacy


def _rows(document):
    """(what, how much, fine) for each thing that a document says about its own sight."""
    details = document["details"]
    engine = document["engine"]
    expected = sum(f["severity"] == "expected" for f in document["findings"])
    if expected:
        yield "known defects and planted faults found", f"{expected}", True
    if engine == "relacy" and isinstance(details.get("scenarios"), list):
        counts = [n for s in details["scenarios"]
                  if s.get("status") not in report_relacy.ENDED for n in (s.get("outcomes") or {}).values()]
        if counts:
            reached = sum(n > 0 for n in counts)
            yield "declared outcomes reached", f"{reached} of {len(counts)}", reached == len(counts)
    if isinstance(details.get("litmus"), list) and details["litmus"]:
        fine = sum(bool(row.get("as_expected")) for row in details["litmus"])
        yield "litmus tests as documented", f"{fine} of {len(details['litmus'])}", fine == len(details["litmus"])
    if engine == "relacy" and "hardened" in (details.get("audit") or {}):
        audit = details["audit"]["hardened"]
        yield ("weakened memory orders noticed", f"{audit['killed']} of {audit['weakenings']}",
               audit["killed"] == audit["weakenings"] > 0)
    if engine == "stress" and isinstance(details.get("outcomes"), list):
        races = [race.get("outcomes") or [] for race in details["outcomes"]]
        met = sum(any(o.get("count") and o.get("verdict") == "interesting" for o in race) for race in races)
        if races:
            yield "races that raced", f"{met} of {len(races)}", met == len(races)
    if engine == "bench" and "torn_racy_reads" in document["counts"]:
        torn = document["counts"]["torn_racy_reads"]
        yield "torn reads of unprotected words seen", html.number(torn), torn > 0
    if (engine, document["subject"]) == ("fuzz", "canary"):
        seconds = details.get("found_after_seconds")
        found = isinstance(seconds, (int, float))
        yield "planted fault (the canary)", f"found after {seconds:.1f} s" if found else "not found", found
    if engine == "fuzz" and isinstance(details.get("accept_ratio"), (int, float)):
        yield "inputs past the checksum", f"{100 * details['accept_ratio']:.1f} %", details["accept_ratio"] > 0.85


def section(summary):
    rows = []
    for document in summary["results"]:
        try:
            found = list(_rows(document))
        except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
            found = []  # its own section says that it is not as expected
        for what, text, fine in found:
            rows.append([document["engine"], document["subject"], what,
                         html.Markup(html.escape(f"✓ {text}")) if fine else html.mark(f"! {text}", "warn")])
        for finding in document["findings"]:
            if finding["severity"] == "vacuous":
                rows.append([document["engine"], document["subject"], finding["title"], html.mark("! blind", "warn")])
    if not rows:
        return None
    return {"anchor": "sight", "title": "Can it see?", "body": html.paragraph(
        "A check that met nothing passes too. This is what shows that the checks met something.", note=True)
        + html.table(["engine", "subject", "what", "state"], rows)}
