"""Result documents as JUnit: a suite for each, a case for each finding."""

from collections.abc import Sequence

import junit_xml

from fsqlshm import results


def _encodable(text: str) -> str:
    """JSON can hold halves of characters, XML cannot."""
    return text.encode(errors="backslashreplace").decode()


def _suite(document: results.Document, label: str) -> junit_xml.TestSuite:
    seconds = document["duration_seconds"]
    cases = []
    for finding in document["findings"]:
        case = junit_xml.TestCase(_encodable(finding["title"]), label)
        if finding["severity"] != "expected":
            text = f"{finding['detail']}\n" + (f"reproduce: {finding['replay']}\n" if finding["replay"] else "")
            case.add_failure_info(_encodable(finding["property"]), _encodable(text), finding["severity"])
        cases.append(case)
    reason = document.get("reason") or ("no reason given" if document["status"] == "could_not_run" else "")
    if reason:
        case = junit_xml.TestCase("runs", label, seconds)
        case.add_error_info(_encodable(reason))
        cases.append(case)
    if not cases:
        cases.append(junit_xml.TestCase("clean", label, seconds))
    return junit_xml.TestSuite(_encodable(document["engine"]), cases)


def text(documents: Sequence[results.Document]) -> str:
    suites = [_suite(document, _encodable(label)) for document, label in zip(documents, results.labels(documents))]
    return str(junit_xml.to_xml_report_string(suites))
