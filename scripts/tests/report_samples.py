"""What the tests of the report share: a reader of pages, and a summary with something for every section."""

import html.parser
from typing import Any

import support

from fsqlshm import results

Json = dict[str, Any]
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(html.parser.HTMLParser):
    """Sees to it that elements are nested, and collects what a page refers to and what is visible at first."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.problems: list[str] = []
        self.text = ""
        self.visible = ""  # with everything folded
        self.summaries: list[str] = []
        self.folds: list[bool] = []
        self.feed(source)
        self.close()
        self.problems += [f"{tag} is never closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "details":
            self.folds.append("open" not in dict(attrs))
        if tag == "summary":
            self.summaries.append("")
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action", "srcset", "poster"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name.startswith("on"):
                self.problems.append(f"{name} in {tag}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes something else")
        self.handle_data(" ")  # what is in two elements is not one word
        if tag == "details":
            self.folds.pop()

    def handle_data(self, data: str) -> None:
        self.text += data
        in_summary = "summary" in self.open
        if in_summary and self.summaries:
            self.summaries[-1] += data
        if not any(self.folds[:-1] if in_summary else self.folds) and "style" not in self.open:
            self.visible += data


PLACE = {"file": "reference/writer_indicator.h", "line": 85}
TRACE: Json = {
    "replay": "reference/check-claim/bound1/0001",
    "preemptions": "at most 1",
    "threads": ["writer 1", "check"],
    "violation": {"property": "P1 exclusion", "text": "a live owner was evicted"},
    "steps": [
        {"step": 1, "thread": -1, "operation": "note", "note": "set up"},
        {"step": 2, "thread": 0, "operation": "compare_exchange", "order": "acq_rel", "failure_order": "acquire",
         "success": True, "text": "CAS txn_id: 0 => id 1", "read_step": 0, "line": 45, "file": PLACE["file"]},
        {"step": 3, "thread": 1, "operation": "load", "order": "acquire", "text": "txn_id -> id 1", "read_step": 2,
         "stale": False, **PLACE},
        {"step": 4, "thread": 1, "operation": "load", "order": "acquire", "stale": True, "read_step": 0,
         "text": "lease -> 0 STALE: first value, not 2"},
        {"step": 5, "thread": 0, "operation": "die", "note": "*** process 101 dies"},
        {"step": 6, "thread": 1, "operation": "note", "note": "VIOLATION P1 exclusion"},
    ],
}  # fmt: skip


def load(step: int, word: str, thread: int = 1) -> Json:
    return {"step": step, "thread": thread, "operation": "load", "text": f"{word} -> 0", "order": "acquire", **PLACE}


def night(number: int, **changes: Any) -> Json:
    work = {"engine": "relacy", "subject": "hardened", "seconds": 3, "counts": {"executions": 1000 * number}}
    return {
        "night": f"2026110{number}030000", "commit": "abc", "seed": number, "seconds": 60, "status": "clean",
        "findings": {"violation": 0}, "engines": [work],
    } | changes  # fmt: skip


STRESS = {
    "run_seconds": 2.0,
    "workers": 3,
    "roles": {"reader": 2},
    "chaos": {"kill": True, "rate": 20},
    "crash_points": [
        {"operation": "acquire", "steps": 3, "outcomes": ["ok", "busy for ever", "ok"], "completed": "ok"}
    ],
    "creation": [
        {"operation": "tmpfile", "steps": 1, "moments": ["open"], "outcomes": ["none"], "completed": "complete"}
    ],
    "stop_points": [{"operation": "a claimer stops", "points": 7, "outcomes": {"busy": 7}}],
    "outcomes": [
        {
            "race": "acquire | acquire",
            "outcomes": [{"outcome": "yes, yes", "verdict": "forbidden", "meaning": "two owners", "count": 4242}],
        }
    ],
    "recovery_us": {"median": 41.5, "max": 997.0},
    "over_time": [{"seconds": s, "snapshot_reads": s * 1000, "kills": s} for s in range(5)],
}


WORLD = {
    "world": [
        {"event": "kill", "operation": "create", "cells": 3, "found": 0},
        {"event": "kill", "operation": "join", "cells": 2, "found": 1},
        {"event": "cancel", "operation": "join", "cells": 2, "found": 0},
    ],
    "about": {
        "events": {"kill": "the process is killed", "cancel": "the thread is cancelled"},
        "operations": {"create": "make the file", "join": "open a file that others have open"},
    },
    "skipped": {"pid-namespace": "cannot make a pid namespace"},
    "power_loss": [
        {"file_system": "ext4", "operation": "publish", "moments": 28, "runs": 5, "images": 14, "blocks_lost": 9}
        | {"file_missing": 0, "drafts_left": 0, "found": 3}
    ],
    "scribbler": [{"call": "alloc_txn_id", "times": 4321, "max_steps": 3}],
    "scribbler_errors": {"file_truncated": 17},
}


def benchmark(group: str, subject: str, ns: float, **more: Any) -> tuple[str, Json]:
    facts = {"group": group, **{name: more.pop(name) for name in ("where", "rate") if name in more}, "subject": subject}
    facts |= {"n": more.pop("n")} if "n" in more else {}
    racy, control = subject == "plain_5", subject != "hardened"
    one = {"facts": facts, "racy": racy, "control": control, "ns": [ns, ns + 1], "counters": {}}
    return "/".join(facts.values()), one | more


TAIL = {"p50": [20], "p90": [25], "p99": [31], "p99.9": [180], "p99.99": [400], "max": [999]}
BENCH = {
    "measured": {
        "context": {"compiler": "gcc 12.2.0"},
        "benchmarks": dict(
            [
                benchmark("read/uncontended", "hardened", 7.25),
                benchmark("read/uncontended", "std_mutex", 66.5),
                benchmark("read/uncontended", "plain_5", 3.5),
                benchmark("read", "hardened", 8.5, where="thread", rate="100k"),
                benchmark(
                    "tail", "hardened", 20, where="thread", rate="100k",
                    counters={**TAIL, "retries": [3], "retries_max": [2], "torn": [0], "reads": [10]},
                ),
                benchmark("growth/readers", "hardened", 9.125, n="4"),
            ]  # fmt: skip
        ),
    },
    "comparison": {
        "with": "night 1",
        "compared": 3,
        "rows": [{"name": "open", "verdict": "slower", "old": 1, "new": 2}],
    },
}


def everything() -> results.Summary:
    """A summary with something for every section."""
    found_before = {
        "engine": "fuzz", "subject": "open_raw", "severity": "violation", "property": "P", "defect": "",
        "title": "an old one", "first": "1", "last": "2", "replay": "r",
    }  # fmt: skip
    summary: results.Summary = support.summary(
        [
            support.document(engine="golden", subject="vectors"),
            support.document(
                findings=[
                    support.finding(
                        trace=TRACE,
                        title="a live owner was evicted",
                        source={"file": "core/include/fsqlshm/x.h", "line": 45},
                    )
                ]
            ),
            support.document(
                subject="reference",
                findings=[
                    support.finding(severity="expected", title="a lease was cleared", defect="D3", replay=f"way {n}")
                    | {"property": f"P{n}"}
                    for n in (1, 2)
                ],
            ),
            support.document(engine="stress", counts={"kills": 17, "snapshot_reads": 123456}, details=STRESS),
            support.document(engine="world", counts={"cells": 5, "skipped": 1}, details=WORLD),
            support.document(engine="bench", subject="operations and read latency", details=BENCH),
            results.could_not_run("fuzz", "the build is missing", 0.5),
        ],
        history=[night(1), night(2), night(3, figures={"read": 2.5})],
        found_before=[found_before],
        left_out=["coverage"],
        corpora={"open_raw": 1234},
        proposed_regressions=[{"target": "open_raw", "file": "f", "command": "cp 'f' corpus/regressions/open_raw/"}],
    )
    return summary
