"""The findings of a campaign in formats that other tools read: JUnit XML, Markdown and SARIF 2.1.0."""

import json
import re
from xml.sax.saxutils import escape, quoteattr

from fsqlshm import results

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def _printable(text):
    """Without the control characters that XML 1.0 cannot carry."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", str(text))


def _attribute(text):
    return quoteattr(_printable(text))


def junit(summary):
    """A suite for each result document, a case for each finding; expected findings pass."""
    suites = []
    for document in summary["results"]:
        cases = []
        failures = 0
        name = f"{document['engine']}.{document['subject']}"
        for finding in document["findings"]:
            case = f"    <testcase classname={_attribute(name)} name={_attribute(finding['title'])}"
            if finding["severity"] == "expected":
                cases.append(case + "/>")
                continue
            failures += 1
            text = f"{finding['detail']}\nreproduce: {finding['replay']}"
            cases.append(f"{case}>\n      <failure type={_attribute(finding['severity'])} "
                         f"message={_attribute(finding['property'])}>{escape(_printable(text))}</failure>\n"
                         "    </testcase>")
        errors = int(document["status"] == "could_not_run")
        if errors:
            reason = document.get("reason", "no reason given")
            cases.append(f'    <testcase classname={_attribute(name)} name="runs">\n'
                         f"      <error message={_attribute(reason)}/>\n    </testcase>")
        if not cases:
            cases.append(f'    <testcase classname={_attribute(name)} name="clean" '
                         f'time="{document["duration_seconds"]:.3f}"/>')
        suites.append(f'  <testsuite name={_attribute(name)} tests="{len(cases)}" failures="{failures}" '
                      f'errors="{errors}" time="{document["duration_seconds"]:.3f}">\n'
                      + "\n".join(cases) + "\n  </testsuite>")
    return '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n' + "\n".join(suites) + "\n</testsuites>\n"


def _markdown(text):
    """One line that is safe in a table cell and in a sentence."""
    text = str(text).replace("\n", " ").replace("\r", " ")
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", text)


def _code_block(text):
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}sh\n{text}\n{fence}"


def markdown(summary, verdict):
    """For a CI step's summary page."""
    icon = {"clean": "✓", "found": "✗", "could_not_run": "!"}[summary["status"]]
    lines = [f"# {icon} {verdict}", "",
             f"Seed {summary['seed']}, {summary['duration_seconds']:.0f} s, "
             f"commit `{summary.get('commit') or 'unknown'}`.", "",
             "| engine | subject | state | work done | findings | seconds |", "|---|---|---|---|---:|---:|"]
    for document, subject in zip(summary["results"], results.labels(summary["results"])):
        expected = sum(f["severity"] == "expected" for f in document["findings"])
        count = f"{len(document['findings']) - expected}" + (f" (+{expected} expected)" if expected else "")
        state = document["status"].replace("_", " ")
        lines.append("| " + " | ".join([
            _markdown(document["engine"]), _markdown(subject), state,
            _markdown(results.headline(document)), count, f"{document['duration_seconds']:.0f}"]) + " |")
    for document in summary["results"]:
        for finding in document["findings"]:
            if finding["severity"] != "expected":
                lines += ["", f"## {_markdown(finding['title'])}", "",
                          f"{_markdown(document['engine'])}, {_markdown(finding['severity'])}: "
                          f"{_markdown(finding['property'])}", ""]
                if finding["replay"]:
                    lines.append(_code_block(finding["replay"]))
        if document["status"] == "could_not_run":
            lines += ["", f"**{_markdown(document['engine'])} could not run:** "
                      f"{_markdown(document.get('reason', 'no reason given'))}"]
    return "\n".join(lines) + "\n"


def sarif(summary):
    """Only findings that name a source line: SARIF is for annotations in code."""
    rules, found = {}, []
    for document in summary["results"]:
        for finding in document["findings"]:
            source = finding.get("source") or {}
            if not source.get("file") or not isinstance(source.get("line"), int) or source["line"] < 1:
                continue
            rule = finding["property"] or "finding"
            rules.setdefault(rule, {"id": rule, "shortDescription": {"text": rule}})
            text = f"{finding['title']}\nReproduce: {finding['replay']}"
            found.append({
                "ruleId": rule,
                "ruleIndex": list(rules).index(rule),
                "level": {"violation": "error", "vacuous": "warning"}.get(finding["severity"], "note"),
                "message": {"text": text},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": source["file"], "uriBaseId": "SRCROOT"},
                    "region": {"startLine": source["line"]}}}],
            })
    run = {"tool": {"driver": {"name": "fsqlshm", "rules": list(rules.values())}},
           "columnKind": "utf16CodeUnits", "results": found}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"
