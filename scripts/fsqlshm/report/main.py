"""Turns the folder of a campaign into a report. Called by scripts/report and at the end of a campaign.

Reads summary.json (written by campaign.py, nightly.py or merge.py) and nothing else, so every number
in the report comes from there.
"""

import argparse
import collections
import os
import pathlib
import sys

import jinja2

from fsqlshm.report import charts as report_charts
from fsqlshm.report import engines as report_engines
from fsqlshm.report import formats as report_formats
from fsqlshm.report import html
from fsqlshm.report import lanes as report_lanes
from fsqlshm import results

FILES = ("report.html", "junit.xml", "summary.md", "report.sarif")
ICONS = {"clean": "✓", "found": "✗", "could_not_run": "!"}
WORDS = {"clean": "clean", "found": "found", "could_not_run": "could not run"}
SEVERITY = {"violation": ("✗", "Violates"), "vacuous": ("!", "Did not see"), "expected": ("✓", "Violates, as expected")}
DETAIL_LIMIT = 40000
IN_FULL = 8
FOLDER = pathlib.Path(__file__).resolve().parent


def _picture(finding):
    trace = finding.get("trace")
    if report_lanes.is_trace(trace):
        try:
            lanes = report_lanes.from_trace(trace)
            picture = report_lanes.svg(lanes)
        except (KeyError, TypeError, ValueError, AttributeError):
            return html.anything(trace)
        preemptions = trace.get("preemptions")
        caption = "A filled dot is a store, an open one a load; an arrow goes from a store to the load that read it"
        caption += ", dashed if the load was stale." if any(s.stale for s in lanes.steps) else "."
        if preemptions:
            caption += f" Preemptions: {preemptions}."
        return html.figure(picture, caption)
    if isinstance(trace, dict) and trace or isinstance(trace, list) and trace:
        return html.anything(trace)
    return None


def _findings(summary):
    """All findings as the page wants them; the same one found several times is one."""
    grouped = collections.OrderedDict()
    for document in summary["results"]:
        for finding in document["findings"]:
            key = results.finding_key(document, finding)
            if key in grouped:
                grouped[key]["times"] += 1
                continue
            icon, kind = SEVERITY[finding["severity"]]
            source = finding.get("source") or {}
            detail = finding["detail"].strip()
            if len(detail) > DETAIL_LIMIT:
                detail = detail[:DETAIL_LIMIT] + "\n... the rest is in the JSON"
            grouped[key] = {
                "anchor": f"f{len(grouped) + 1}", "severity": finding["severity"], "icon": icon, "kind": kind,
                "title": finding["title"], "property": finding["property"], "engine": document["engine"],
                "subject": document["subject"], "replay": finding["replay"].strip(), "detail": detail,
                "source": f"{source['file']}:{source['line']}" if source.get("file") and source.get("line") else "",
                "artefacts": [str(a) for a in finding.get("artefacts") or []], "times": 1,
                "picture": _picture(finding), "first_seen": finding.get("first_seen", ""),
            }
    order = {"violation": 0, "vacuous": 1, "expected": 2}
    return sorted(grouped.values(), key=lambda f: order[f["severity"]])


def _shorten(findings):
    """The first few of each engine, subject and property in full, the others by name."""
    seen = collections.Counter()
    full, rest = [], []
    for finding in findings:
        group = tuple(finding[k] for k in ("engine", "subject", "severity", "property"))
        seen[group] += 1
        (full if seen[group] <= IN_FULL else rest).append(finding)
    return full, rest


def _matrix(summary):
    rows = []
    for document, subject in zip(summary["results"], results.labels(summary["results"])):
        expected = sum(f["severity"] == "expected" for f in document["findings"])
        rows.append({
            "engine": document["engine"], "subject": subject, "status": document["status"],
            "work": results.headline(document) or document.get("reason", ""),
            "findings": len(document["findings"]) - expected, "expected": expected,
            "seconds": html.number(round(document["duration_seconds"]))})
    return rows


def _environment(summary):
    machine = summary.get("machine") or {}
    pairs = [("Commit", summary.get("commit") or "unknown"), ("Started", summary.get("started", "")),
             ("Duration", f"{html.number(round(summary['duration_seconds']))} s of {html.number(summary['minutes'])} min asked for"),
             ("Seed", str(summary["seed"])), ("Shard", summary.get("shard", "1/1"))]
    if summary.get("left_out"):
        pairs.append(("Left out", f"{', '.join(map(str, summary['left_out']))}: there was less time than they need"))
    pairs += [(html.words(name).capitalize(), html.cell(value)) for name, value in machine.items()]
    return [(name, value) for name, value in pairs if value]


def page(summary):
    """The report as one HTML document."""
    report_charts.new_page()
    findings = _findings(summary)
    bad = [f for f in findings if f["severity"] != "expected"]
    expected = [f for f in findings if f["severity"] == "expected"]
    sections = report_engines.sections(summary)
    reasons = [f"{d['engine']} could not run: {d.get('reason', 'no reason given')}"
               for d in summary["results"] if d["status"] == "could_not_run"]
    toc = [("findings", f"Findings ({len(bad)})")] if bad else []
    toc.append(("engines", "What ran"))
    if expected:
        toc.append(("expected", f"Found as expected ({len(expected)})"))
    toc += [(s["anchor"], s["title"]) for s in sections] + [("environment", "Environment")]
    template = jinja2.Environment(loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True,
                                  lstrip_blocks=True, undefined=jinja2.StrictUndefined).get_template("page.html")
    commit = (summary.get("commit") or "unknown")[:12]
    return template.render(
        icons=ICONS, words=WORDS, style=html.Markup((FOLDER / "style.css").read_text(encoding="utf-8")),
        status=summary["status"], verdict=results.verdict(summary["results"]), reasons=reasons,
        subtitle=f"{summary.get('started') or 'date unknown'}, commit {commit}, seed {summary['seed']}, "
                 f"{html.number(round(summary['duration_seconds']))} s",
        toc=toc, findings=_shorten(bad), expected=_shorten(expected), matrix=_matrix(summary), sections=sections,
        environment=_environment(summary)) + "\n"


def load(folder):
    """The checked summary of a campaign's folder; raises results.BadDocument."""
    path = folder / "summary.json"
    summary = results.read_json(path)
    try:
        results.check_summary(summary)
    except results.BadDocument as error:
        raise results.BadDocument(f"{path}: {error}") from error
    return summary


def write(folder, out=None):
    """Writes the report's files; returns the summary that they show."""
    folder = pathlib.Path(folder)
    out = pathlib.Path(out) if out else folder
    summary = load(folder)
    verdict = results.verdict(summary["results"])
    texts = (page(summary), report_formats.junit(summary), report_formats.markdown(summary, verdict),
             report_formats.sarif(summary))
    out.mkdir(parents=True, exist_ok=True)
    for name, text in zip(FILES, texts):
        results.write_text(out / name, text)
    return summary


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/report", allow_abbrev=False,
        description="Makes a report of the folder of a campaign: report.html (one file, nothing else needed "
                    "to read it), junit.xml, summary.md (for a CI step's summary) and report.sarif.",
        epilog="Exit status: 0 written, 2 could not be written.")
    parser.add_argument("folder", metavar="DIR", type=pathlib.Path,
                        help="a folder with a summary.json, for example out/campaign/latest")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="where the files go (default: the same)")
    options = parser.parse_args(arguments)
    try:
        write(options.folder, options.out)
        print(os.path.relpath((options.out or options.folder) / FILES[0]), flush=True)
    except (results.BadDocument, OSError) as error:
        print(f"report: {error}", file=sys.stderr)
        return results.COULD_NOT_RUN
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
