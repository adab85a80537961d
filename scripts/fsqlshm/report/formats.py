"""The findings of a campaign in formats that other tools read: Markdown and SARIF 2.1.0."""

import json
import re
from typing import Any

from fsqlshm import results
from fsqlshm.report.text import Json
from fsqlshm.results import Document, Summary

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ICONS = {"clean": "✓", "found": "✗", "could_not_run": "!"}


def _markdown(text: Any) -> str:
    """One line that is safe in a table cell and in a sentence."""
    return re.sub(r"([\\|*_`<>\[\]])", r"\\\1", " ".join(str(text).splitlines()))


def _code_block(text: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}sh\n{text}\n{fence}"


def _findings_in_markdown(document: Document) -> list[str]:
    lines = []
    for finding in document["findings"]:
        if finding["severity"] != "expected":
            lines += [
                "",
                f"## {_markdown(finding['title'])}",
                "",
                f"{_markdown(document['engine'])}, {_markdown(finding['severity'])}: "
                f"{_markdown(finding['property'])}",
                "",
            ]
            if finding["replay"]:
                lines.append(_code_block(finding["replay"]))
    if document["status"] == "could_not_run":
        reason = document.get("reason") or "no reason given"
        lines += ["", f"**{_markdown(document['engine'])} could not run:** {_markdown(reason)}"]
    return lines


def markdown(summary: Summary) -> str:
    """For a CI step's summary page."""
    lines = [
        f"# {ICONS[summary['status']]} {results.verdict(summary['results'])}",
        "",
        f"Seed {summary['seed']}, {summary['duration_seconds']:.0f} s, "
        f"commit `{summary.get('commit') or 'unknown'}`.",
        "",
        "| engine | subject | state | work done | findings | seconds |",
        "|---|---|---|---|---:|---:|",
    ]
    for document, subject in zip(summary["results"], results.labels(summary["results"]), strict=True):
        expected = sum(f["severity"] == "expected" for f in document["findings"])
        count = f"{len(document['findings']) - expected}" + (f" (+{expected} expected)" if expected else "")
        cells = [
            _markdown(document["engine"]),
            _markdown(subject),
            document["status"].replace("_", " "),
            _markdown(results.headline(document)),
            count,
            f"{document['duration_seconds']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    for document in summary["results"]:
        lines += _findings_in_markdown(document)
    return "\n".join(lines) + "\n"


def sarif(summary: Summary) -> str:
    """Only findings that name a source line: SARIF is for annotations in code."""
    rules: dict[str, Json] = {}
    found = []
    for document in summary["results"]:
        for finding in document["findings"]:
            source = finding.get("source") or {}
            if not source.get("file") or (source.get("line") or 0) < 1:
                continue
            rule = finding["property"] or "finding"
            rules.setdefault(rule, {"id": rule, "shortDescription": {"text": rule}})
            found.append(
                {
                    "ruleId": rule,
                    "ruleIndex": list(rules).index(rule),
                    "level": {"violation": "error", "vacuous": "warning"}.get(finding["severity"], "note"),
                    "message": {"text": f"{finding['title']}\nReproduce: {finding['replay']}"},
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": source["file"], "uriBaseId": "SRCROOT"},
                                "region": {"startLine": source["line"]},
                            }
                        }
                    ],
                }
            )
    run = {
        "tool": {"driver": {"name": "fsqlshm", "rules": list(rules.values())}},
        "columnKind": "utf16CodeUnits",
        "results": found,
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"
