"""The report as one HTML document, and its summary in Markdown: what the templates in templates/ are given."""

import pathlib
from collections.abc import Callable
from typing import Any

import jinja2
from markupsafe import Markup

from fsqlshm import results
from fsqlshm.bench.measured import ns, pick
from fsqlshm.bench.tables import every
from fsqlshm.mutants import matrix
from fsqlshm.report import checks, findings, text, trends
from fsqlshm.results import Document, Summary
from fsqlshm.text import duration, number, plural, table

TEMPLATES = pathlib.Path(__file__).resolve().parent / "templates"
FILTERS: list[Callable[..., Any]] = [duration, number, pick, ns, every, text.words, plural, text.cell, text.spark]
FILTERS += [text.is_list_of_objects, text.ranges, text.runs, text.without, text.rates, text.escaped, text.code_block]
FILTERS += [matrix.by_class, matrix.by_engine, matrix.survivors]
# What a section may meet in a document that is not as its engine writes it.
NOT_AS_EXPECTED = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, jinja2.TemplateError)


def _environment(undefined: type[jinja2.Undefined]) -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(TEMPLATES)
    escape = jinja2.select_autoescape(["html"])
    environment = jinja2.Environment(
        loader=loader, autoescape=escape, trim_blocks=True, lstrip_blocks=True, undefined=undefined
    )
    environment.globals["icons"] = {"clean": "✓", "found": "✗", "could_not_run": "!"}
    environment.filters.update({one.__name__: one for one in FILTERS})
    return environment


# The page is given all that it names. A document may say less than its section can show.
PAGE = _environment(jinja2.StrictUndefined)
SECTIONS = _environment(jinja2.ChainableUndefined)


def _section(document: Document) -> Markup:
    """As the engine's template shows it, or plainly where there is none or the document is not what that expects."""
    try:
        template = SECTIONS.select_template([f"engines/{document['engine']}.html", "plain.html"])
        return Markup(template.render(document, problem=""))
    except NOT_AS_EXPECTED as error:
        problem = f"{type(error).__name__}: {error}"
    return Markup(SECTIONS.get_template("plain.html").render(document, problem=problem))


def _answer(document: Document) -> str:
    done = results.headline(document)
    if document["status"] != "could_not_run":
        return done
    reason = document.get("reason") or "no reason given"
    return f"{reason}; until then {done}" if document["headline"] else reason


def _machine(summary: Summary) -> dict[str, Any]:
    seconds, asked = duration(summary["duration_seconds"]), duration(summary["minutes"] * 60)
    return {
        "commit": summary.get("commit") or "unknown",
        "started": summary.get("started") or "unknown",
        "duration": f"{seconds} of {asked} asked for",
        "seed": str(summary["seed"]),
        "shard": summary.get("shard") or "1/1",
        **(summary.get("machine") or {}),
    }


def _subject(summary: Summary) -> dict[str, str]:
    """Who the shared object is that was attacked, if it was one."""
    who = summary.get("shared_object")
    if not who:
        return {}
    lists = {name: ", ".join(who[name]) or "none" for name in ("promises", "known_defects") if name in who}
    return {**who, **lists, "not attacked by": "; ".join(summary.get("unable") or []) or "none"}


def page(summary: Summary) -> str:
    """The report; the same summary gives the same page."""
    documents = summary["results"]
    cards = findings.cards(documents)
    expected = [card for card in cards if card["severity"] == "expected"]
    runs = zip(documents, results.labels(documents), map(_answer, documents), map(_section, documents), strict=True)
    return PAGE.get_template("page.html").render(
        summary=summary,
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        verdict=results.verdict(documents),
        bad=[card for card in cards if card["severity"] != "expected"],
        runs=list(runs),
        trends=trends.trends(summary),
        defects=findings.known_defects(expected, documents),
        planted=findings.planted_faults(expected),
        checks=checks.checks(documents),
        subject=_subject(summary),
        machine=_machine(summary),
        host=text.cell(summary.get("machine")),
    )


def markdown(summary: Summary) -> str:
    """For a CI step's summary page."""
    columns, rows = results.table(summary["results"])
    return PAGE.get_template("summary.md").render(
        summary=summary,
        verdict=results.verdict(summary["results"]),
        table=table(columns, [[text.escaped(cell) for cell in row] for row in rows]),
    )
