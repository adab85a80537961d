"""The sections of the report that know what an engine's `details` mean.

Whatever a section does not know is shown as plain tables at its end, so that nothing an engine says is
lost, and an engine that says less leaves a shorter section, not an error.
"""

import report_html as html

TITLES = {"golden": "Golden vectors", "relacy": "Relacy: interleavings", "fuzz": "Fuzzing",
          "stress": "Stress: processes and kills", "bench": "Benchmarks"}


def _counts(document):
    return html.table(["count", "value"], [[html.words(k), v] for k, v in document["counts"].items()])


def _plain(document):
    return _counts(document) + html.anything(document["details"])


def sections(summary):
    """[{anchor, title, body}], in the order in which the engines ran."""
    by_engine = {}
    for document in summary["results"]:
        by_engine.setdefault(document["engine"], []).append(document)
    out = []
    for engine, documents in by_engine.items():
        parts = []
        for document in documents:
            body = _plain(document)
            if body:
                parts += [html.heading(f"{engine}, {document['subject']}"), body]
        if parts:
            out.append({"anchor": engine, "title": TITLES.get(engine, engine), "body": html.Markup("").join(parts)})
    return out
