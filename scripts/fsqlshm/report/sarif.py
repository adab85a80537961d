"""The findings of a campaign as SARIF 2.1.0."""

import json

from fsqlshm.report.text import Json
from fsqlshm.results import Summary

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def text(summary: Summary) -> str:
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
            file = {"uri": source["file"], "uriBaseId": "SRCROOT"}
            place = {"artifactLocation": file, "region": {"startLine": source["line"]}}
            found.append(
                {
                    "ruleId": rule,
                    "ruleIndex": list(rules).index(rule),
                    "level": {"violation": "error", "vacuous": "warning"}.get(finding["severity"], "note"),
                    "message": {"text": f"{finding['title']}\nReproduce: {finding['replay']}"},
                    "locations": [{"physicalLocation": place}],
                }
            )
    run = {
        "tool": {"driver": {"name": "fsqlshm", "rules": list(rules.values())}},
        "columnKind": "utf16CodeUnits",
        "results": found,
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"
