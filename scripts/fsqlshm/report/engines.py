"""The sections of the report that know what an engine's `details` mean.

Whatever a section does not know is shown as plain tables at its end, so that nothing an engine says is
lost, and an engine that says less leaves a shorter section, not an error.
"""

from fsqlshm.report import bench as report_bench
from fsqlshm.report import fuzz as report_fuzz
from fsqlshm.report import html
from fsqlshm.report import relacy as report_relacy
from fsqlshm.report import sight as report_sight
from fsqlshm.report import stress as report_stress
from fsqlshm.report import trends as report_trends
from fsqlshm import results

TITLES = {"golden": "Golden vectors", "relacy": "Relacy: interleavings", "fuzz": "Fuzzing",
          "stress": "Stress: processes and kills", "bench": "Benchmarks",
          "tests": "Unit tests under the sanitizers"}
BODIES = {"relacy": report_relacy.body, "fuzz": report_fuzz.body, "stress": report_stress.body, "bench": report_bench.body}


def _plain(document):
    counts = html.table(["count", "value"], [[html.words(k), v] for k, v in document["counts"].items()])
    return counts + html.anything(document["details"])


def _body(document):
    """As its section draws it, or plainly where the document is not what that section expects."""
    draw = BODIES.get(document["engine"], _plain)
    try:
        return draw(document)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        return html.paragraph(f"These details are not as expected ({type(error).__name__}: {error}).", note=True) + _plain(document)


def sections(summary):
    """[{anchor, title, body}], in the order in which the engines ran."""
    by_engine = {}
    for document in summary["results"]:
        by_engine.setdefault(document["engine"], []).append(document)
    out = []
    out += [section for section in (report_sight.section(summary), report_trends.section(summary)) if section]
    for engine, documents in by_engine.items():
        parts = []
        for document, subject in zip(documents, results.labels(documents)):
            body = _body(document)
            if body:
                parts += [html.heading(subject), body]
        if parts:
            out.append({"anchor": engine, "title": TITLES.get(engine, engine), "body": html.Markup("").join(parts)})
    return out
