"""The report shows what is in the documents, whatever is in them, and nothing else."""

import copy
import html
import json
import pathlib
import re
import shutil
import subprocess
import unittest
import unittest.mock
import xml.etree.ElementTree
from collections.abc import Iterator
from typing import Any

import support
from report_samples import BENCH, TRACE, WORLD, Json, Page, everything, load, night

from fsqlshm import ROOT, junit, results
from fsqlshm.report import findings, main, sarif, text, trace
from fsqlshm.report.page import markdown
from fsqlshm.report.page import page as draw
from fsqlshm.schema import BadDocument
from fsqlshm.text import number

HOSTILE = "<script>alert(1)</script>&\"'\x00\x1b]|`*\u2028"


class ReportTest(unittest.TestCase):
    def page(self, summary: results.Summary) -> Page:
        source = draw(summary)
        page = Page(source)
        self.assertEqual(page.problems, [])
        self.assertEqual(len(page.ids), len(set(page.ids)), "an id twice")
        self.assertNotIn("script", page.tags)
        for link in page.links:
            self.assertRegex(link, r"^(#|data:,$)", "refers to something outside")
        for anchor in [link[1:] for link in page.links if link.startswith("#")] + re.findall(r"url\(#(\w+)\)", source):
            self.assertIn(anchor, page.ids)
        self.assertNotRegex(source, r"@import|url\((?!#|\"#|'#)", "the style refers to something outside")
        return page

    def test_everything_is_there(self) -> None:
        page = self.page(everything())
        for said in ("1 violation found; could not run to the end: fuzz", "a live owner was evicted",
                     "fsqlshm-relacy --replay 'x/y/random/7'", "a lease was cleared", "the build is missing",
                     "1: ok; ✗ 2: busy for ever ; 3: ok",
                     "41.5", "4\u202f242", "123\u202f456", "Uncontended read", "an old one",
                     "plain_5 (racy)", "1.15, missed", "1 of 3 differ", "9.62", "999", "9", "busy: 7",
                     "1: none (open",
                     "cp 'f' corpus/regressions/open_raw/", "gcc 12.2.0", "0123456789abcdef",
                     "core/include/fsqlshm/x.h:45",
                     "Left out, because there was less time than they need: coverage", "1\u202f234 inputs of 1 target",
                     ):  # fmt: skip
            self.assertIn(said, page.text)
        self.assertNotIn("not as expected", page.text)

    def test_headings_are_in_the_words_of_the_field(self) -> None:
        page = self.page(everything())
        for heading in ("Findings", "What ran", "Since the night of 11-02", "Known defects and planted faults",
                        "Checks that the harness detects known faults", "Litmus outcomes"):  # fmt: skip
            self.assertIn(heading, page.text)
        self.assertNotRegex(page.text.lower(), r"\b(lanes?|blind|sight|can it see|beside|dullest)\b")

    def test_the_verdict_is_in_words(self) -> None:
        for documents, verdict, icon in (
            ([support.document()], "Nothing found", "✓"),
            ([support.document(findings=[support.finding()])], "1 violation found", "✗"),
            ([support.document(findings=[support.finding(severity="vacuous")])], "1 vacuous check", "✗"),
            (
                [support.document(findings=[support.finding(severity="expected")])],
                "Nothing found but the known defects",
                "✓",
            ),
            ([support.document(status="could_not_run", reason="no")], "Could not run to the end: relacy", "!"),
            ([], "Could not run: no results at all", "!"),
        ):
            self.assertIn(f"{icon} {verdict}", " ".join(self.page(support.summary(documents)).text.split()))

    def test_why_an_engine_could_not_run_is_on_top(self) -> None:
        said = self.page(support.summary([support.document(status="could_not_run", reason="the disk is full")])).visible
        self.assertIn("the disk is full; until then 1 k executions", said[: said.index("What ran")])

    def test_what_was_found_unexpectedly_is_open_and_on_top(self) -> None:
        page = self.page(everything())
        for said in ("a live owner was evicted", "P2 integrity", "fsqlshm-relacy --replay 'x/y/random/7'",
                     "CAS txn_id: 0 => id 1"):  # fmt: skip
            self.assertIn(said, page.visible)
            self.assertLess(page.visible.index(said), page.visible.index("What ran", page.visible.index("Each with")))

    def test_a_finding_that_was_found_several_times_is_one(self) -> None:
        page = self.page(support.summary([support.document(findings=[support.finding()])] * 3))
        self.assertEqual(page.tags.count("article"), 1)
        self.assertIn("(found 3 times)", page.visible)

    def test_known_defects_are_a_folded_row_each(self) -> None:
        page = self.page(everything())
        self.assertNotIn("a lease was cleared", page.visible)
        rows = [" ".join(s.split()) for s in page.summaries]
        self.assertIn(f"D3 {findings.DEFECTS['D3']} ✓ found by relacy 2", rows)
        self.assertIn(f"D1 {findings.DEFECTS['D1']} not found in this run", rows)
        self.assertIn("way 2", page.text)
        # Without the published protocol there is nothing to say of its defects.
        self.assertNotIn("Known defects", self.page(support.summary([support.document()])).text)

    def test_the_shortest_trace_of_a_defect_comes_first(self) -> None:
        longer = {**TRACE, "steps": [*TRACE["steps"][:3], load(4, "lease"), *TRACE["steps"][3:]]}
        cards = [
            support.finding(severity="expected", defect="D5", title=f"with {name}", trace=drawn)
            for name, drawn in (("none", None), ("the longer one", longer), ("the shorter one", TRACE))
        ]
        said = self.page(support.summary([support.document(subject="reference", findings=cards)])).text
        order = [said.index(f"with {name}") for name in ("the shorter one", "the longer one", "none")]
        self.assertEqual(order, sorted(order))

    def test_defects_are_those_of_the_readme(self) -> None:
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r"^\| (D\d) \|", readme, flags=re.M), list(findings.DEFECTS))

    def test_since_the_last_night(self) -> None:
        history = [night(1), night(2), night(3)]
        history[2]["engines"][0]["counts"]["executions"] = 2100
        page = self.page(support.summary([support.document()], history=history))
        self.assertIn("Nothing new was found. No figure moved", " ".join(page.visible.split()))
        self.assertIn("20261103030000", page.text)
        history[2]["engines"][0]["counts"]["executions"] = 1000
        new = support.finding(title="a new one", first_seen="night 3, this one")
        page = self.page(support.summary([support.document(findings=[new])], history=history))
        self.assertIn("New: a new one. These figures moved", " ".join(page.visible.split()))
        self.assertIn("relacy: executions a second 667 333 -50 %", " ".join(page.visible.split()))

    def test_a_figure_that_appears_or_disappears_has_moved(self) -> None:
        history = [night(1), night(2, figures={"read": 7.5}), night(3, figures={"publish": 2.5})]
        said = " ".join(self.page(support.summary([support.document()], history=history)).visible.split())
        self.assertRegex(said, r"publish: ns 2.5.*read: ns 7.5")

    def test_a_check_that_failed_is_named(self) -> None:
        scenario = {"name": "s", "status": "clean", "outcomes": {"evicted": 7, "busy": 0}}
        page = self.page(support.summary([support.document(details={"scenarios": [scenario]})]))
        self.assertIn("! 0 of 1 vacuous: declared outcomes reached", " ".join(page.visible.split()))
        self.assertIn("! busy 0", page.text)
        race = {"race": "publish | read", "outcomes": [{"outcome": "old", "verdict": "acceptable", "count": 9}]}
        page = self.page(support.summary([support.document(engine="stress", details={"outcomes": [race]})]))
        self.assertIn("! 0 of 1 vacuous: litmus races that raced", " ".join(page.visible.split()))
        page = self.page(support.summary([support.document(engine="fuzz", subject="canary")]))
        self.assertIn("vacuous: planted fault (the canary)", " ".join(page.visible.split()))
        page = self.page(support.summary([support.document(findings=[support.finding(severity="vacuous")])]))
        self.assertIn("! 0 of 1 vacuous: a lease was lost", " ".join(page.visible.split()))

    def test_hostile_text_is_only_text(self) -> None:
        hostile = support.finding(
            title=HOSTILE, detail=HOSTILE, replay=HOSTILE, artefacts=[HOSTILE], source={"file": HOSTILE, "line": 3},
            trace={**TRACE, "threads": [HOSTILE] * 2, "steps": [{"thread": 0, "text": HOSTILE}]}, property=HOSTILE,
        )  # fmt: skip
        summary = support.summary(
            [
                support.document(
                    engine=HOSTILE,
                    subject=HOSTILE,
                    headline=HOSTILE,
                    counts={HOSTILE: 1},
                    findings=[hostile],
                    details={HOSTILE: [{HOSTILE: HOSTILE}], "scenarios": HOSTILE},
                )
            ],
            commit=HOSTILE,
        )
        self.page(summary)
        xml.etree.ElementTree.fromstring(junit.text(summary["results"]))
        json.loads(sarif.text(summary))
        said = markdown(summary)
        rows = [line for line in said.splitlines() if line.startswith("|")]
        self.assertEqual(len(rows), 3)
        self.assertIn(r"\<script\>", rows[2])
        self.assertEqual(len(re.findall(r"(?<!\\)\|", rows[2])), 7)

    def test_details_of_any_shape(self) -> None:
        shapes: tuple[Any, ...] = (
            None,
            3,
            "x",
            [],
            {},
            [1, 2],
            [{"a": 1}, 2],
            {"a": {"b": {"c": [{"d": None}]}}},
            [[1], [2]],
            10**400,
        )
        keys = ("crash_points", "creation", "stop_points", "outcomes", "recovery_us", "header", "chaos", "roles",
                "measured", "ratios", "against_publisher", "comparison", "scenarios", "audit", "litmus", "lines",
                "counters", "over_time", "accept_ratio", "found_after_seconds", "world",
                "skipped", "anything")  # fmt: skip
        engines = ("relacy", "fuzz", "stress", "world", "bench", "unknown")
        for shape in shapes:
            details: Json = {key: shape for key in keys}
            self.page(support.summary([support.document(engine=engine, details=details) for engine in engines]))

    def test_every_finding_is_there_however_many(self) -> None:
        many = [support.finding(title=f"number {n} of many", replay=f"replay {n}.") for n in range(50)]
        page = self.page(support.summary([support.document(findings=many)]))
        for n in range(50):
            self.assertIn(f"number {n} of many", page.visible)
            self.assertIn(f"replay {n}.", page.text)

    def test_the_same_document_gives_the_same_page(self) -> None:
        self.assertEqual(draw(everything()), draw(everything()))

    def test_events_around_the_words(self) -> None:
        page = self.page(support.summary([support.document(engine="world", counts={"cells": 7}, details=WORLD)]))
        said = " ".join(page.text.split())
        for row in (
            "kill ✗ 1: join 5 the process is killed",
            "cancel ✓ nothing 2 the thread is cancelled",
            "pid-namespace skipped cannot make a pid namespace",
            "create ✓ nothing 3 make the file",
            "join ✗ 1: kill 4 open a file that others have open",
            "ext4 publish ✗ 3 14 5 0 9 0",
            "alloc_txn_id 4 321 3",
            "file truncated 17",
        ):
            self.assertIn(row, said.replace("\u202f", " ").replace("\xa0", " "))

    def test_order_audit(self) -> None:
        def row(killed: bool) -> Json:
            return {
                "site": "publish (2)", "order": "release", "weakened_to": "relaxed", "killed": killed,
                "scenario": "publish1-load2" if killed else "", "property": "I2" if killed else "", "executions": 77,
                "replay": "",
            }  # fmt: skip

        def audit(killed: int, survived: int) -> Json:
            matrix = [row(True)] * killed + [row(False)] * survived
            counts = {"sites": 3, "weakenings": len(matrix), "killed": killed, "survived": survived}
            return {"hardened": {**counts, "unexplained": survived, "matrix": matrix}}

        page = self.page(support.summary([support.document(details={"audit": audit(2, 0)})]))
        self.assertIn("✓ None of 2 weakened orders survived", page.text)
        self.assertIn("✓ 2 of 2", page.text)
        self.assertIn("publish (2)", page.text)
        page = self.page(support.summary([support.document(details={"audit": audit(2, 1)})]))
        self.assertIn("! 1 of 3 weakened orders survived, 1 of them with no word", page.text)
        self.assertIn("! 2 of 3", page.text)
        self.assertIn("! survived", page.text)
        page = self.page(support.summary([support.document(details={"left_out": "the order audit: no time"})]))
        self.assertIn("! Left out: the order audit: no time.", page.text)

    def test_numbers(self) -> None:
        for value, said in (
            (0, "0"), (999, "999"), (123456, "123\u202f456"), (2500000, "2.5 M"), (1.234567, "1.23"), (5.1e9, "5.1 G"),
            (True, "True"), (2000.5, "2\u202f000"), (999.7, "1\u202f000"), (10**400, str(10**400)),
            (float("nan"), "nan"),
        ):  # fmt: skip
            self.assertEqual(number(value), said)
        self.assertEqual(text.ranges([5, 3, 4, 9]), "3-5, 9")
        self.assertEqual(text.runs(["old", "old", "new"]), [("1-2", "old"), ("3", "new")])

    def test_small_charts(self) -> None:
        self.assertEqual(text.spark([0, None, 8]), "0.0,18.0 120.0,2.0")
        self.assertEqual(text.spark([]), "")
        self.assertEqual(text.spark([5]), "0.0,2.0")


class DiagramTest(unittest.TestCase):
    def figure(self, drawn: Json) -> tuple[str, list[Json]]:
        """The diagram's text and the attributes of its shapes."""
        page = draw(support.summary([support.document(findings=[support.finding(trace=drawn)])]))
        figure = page[page.index('<figure class="trace">') : page.index("</figure>") + 9]
        root = xml.etree.ElementTree.fromstring(figure)
        return " ".join(" ".join(root.itertext()).split()), [dict(e.attrib) for e in root.iter() if "class" in e.attrib]

    def test_space_time_diagram(self) -> None:
        self.assertEqual([s.violating for s in trace.diagram(TRACE).steps], [False] * 4 + [True])
        own = {"step": 7, "thread": 0, "operation": "load", "read_step": 2}
        said, shapes = self.figure({**TRACE, "steps": TRACE["steps"][:4] + [own] + TRACE["steps"][4:]})
        kinds = [shape["class"] for shape in shapes]
        # One arrow, from the store of step 2 to the load of step 3; what a thread reads of its own needs none, and the
        # stale read is of no store.
        for kind, count in (("reads", 1), ("bad", 1), ("dead", 1), ("dot store", 1), ("dot load", 3), ("life", 2)):
            self.assertEqual(kinds.count(kind), count, kind)
        for part in ("writer 1 check order and place", "CAS txn_id: 0 => id 1", "lease -> 0 STALE: first value, not 2",
                     "acq_rel/acquire reference/writer_indicator.h:45", "P1 exclusion: a live owner was evicted",
                     "at first: set up", "process 101 dies", "Preemptions: at most 1."):  # fmt: skip
            self.assertIn(part, said)
        self.assertNotIn("VIOLATION", said)
        self.assertEqual(kinds.count("halo stale-text"), 1)

    def test_a_stale_read_has_an_arrow_from_the_store_that_it_read(self) -> None:
        steps = [dict(TRACE["steps"][1]), dict(TRACE["steps"][1], step=3),
                 {"step": 4, "thread": 1, "operation": "load", "read_step": 2, "stale": True}]  # fmt: skip
        drawn = trace.diagram({"threads": ["a", "b"], "steps": steps})
        self.assertEqual([stale for _, stale in drawn.arrows], [True])
        self.assertTrue(drawn.arrows[0][0].startswith(f"M{drawn.steps[0].x:.1f},{drawn.steps[0].y + 5:.1f} "))

    def test_repeated_turns_of_a_spin_are_one_row(self) -> None:
        # Without scrolling: some 36 rows.
        self.assertLess(trace.diagram({**TRACE, "steps": [load(n, f"word {n}") for n in range(36)]}).height, 840)
        steps = [load(1, "id"), {"repeat": 18, "period": 1, "thread": 1, "until": 19}, load(20, "lease")]
        said, _ = self.figure({"threads": ["a", "b"], "steps": steps})
        self.assertIn("1 id -> 0 acquire reference/writer_indicator.h:85 ⋮ the same up to step 19 20 lease", said)

    def test_a_diagram_of_any_shape(self) -> None:
        wrongs: tuple[Any, ...] = (None, 3, "x", {}, [], [{}], float("nan"))
        for key in ("threads", "steps", "violation", "preemptions"):
            for wrong in wrongs:
                finding = support.finding(trace={**TRACE, key: wrong})
                self.assertIn("a lease was lost", draw(support.summary([support.document(findings=[finding])])))


def large_night() -> results.Summary:
    """A clean night: as many documents, defects and long traces as a real one has, and more."""
    store = dict(TRACE["steps"][1])
    steps = [TRACE["steps"][0], store, *(load(3 + n, f"word {n}", n % 2) for n in range(70)), TRACE["steps"][-1]]
    known = [
        support.finding(
            severity="expected", defect=f"D{d}", title=f"D{d} in scenario {n}", trace={**TRACE, "steps": steps}
        )
        for d in range(1, 7)
        for n in range(4)
    ]
    documents = [
        support.document(engine=e, subject=f"target {n}") for e in ("relacy", "fuzz", "stress") for n in range(8)
    ]
    documents += [
        support.document(engine="bench", details=BENCH),
        support.document(subject="reference", findings=known),
    ]
    history = [night(n, figures={"read": n, "publish": n, "open": n}) for n in range(1, 10)]
    summary: results.Summary = support.summary(documents, history=history, corpora={"open_raw": 7})
    return summary


@unittest.skipUnless(shutil.which("chromium"), "chromium is not installed: how high the report is was not measured")
class LayoutTest(unittest.TestCase):
    """Two screens of a clean night, as a browser lays them out."""

    def measure(self, source: str, width: int) -> Json:
        folder = support.temporary()
        self.addCleanup(folder.cleanup)
        top = pathlib.Path(folder.name)
        # In a frame, because a window of a browser is never as narrow as a telephone.
        script = """<script>addEventListener("load", () => parent.document.title = JSON.stringify({
            height: document.documentElement.scrollHeight, width: document.documentElement.scrollWidth,
            traces: [...document.querySelectorAll(".trace")].map(e => e.getBoundingClientRect().height)}))</script>"""
        (top / "page.html").write_text(source + script, encoding="utf-8")
        frame = f'<title></title><iframe src="page.html" style="width: {width}px; height: 900px; border: 0"></iframe>'
        (top / "frame.html").write_text(frame, encoding="utf-8")
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
                   "--hide-scrollbars", f"--user-data-dir={top}/profile", "--virtual-time-budget=9000", "--dump-dom",
                   f"file://{top}/frame.html"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        title = re.search(r"<title>(.*?)</title>", done.stdout)
        measured: Json = json.loads(html.unescape(title[1] if title else ""))
        return measured

    def test_a_clean_night_fits_two_screens(self) -> None:
        source = draw(large_night())
        self.assertLessEqual(self.measure(source, 1400)["height"], 2400)
        opened = source.replace("<details ", "<details open ")
        for width in (400, 1400):
            measured = self.measure(opened, width)
            self.assertEqual(measured["width"], width, "scrolls to the side")
            self.assertEqual(len(measured["traces"]), 24)
            self.assertLessEqual(max(measured["traces"]), 1000)


class FormatsTest(unittest.TestCase):
    def test_junit(self) -> None:
        root = xml.etree.ElementTree.fromstring(junit.text(everything()["results"]))
        self.assertEqual(sum(int(s.get("failures", 0)) for s in root), 1)
        self.assertEqual(sum(int(s.get("errors", 0)) for s in root), 1)
        self.assertEqual(sum(int(s.get("tests", 0)) for s in root), len(root.findall("./testsuite/testcase")))
        failure = root.find(".//failure")
        assert failure is not None
        self.assertIn("reproduce: fsqlshm-relacy --replay", failure.text or "")
        plain = junit.text([support.document(findings=[support.finding(replay="")])])
        self.assertNotIn("reproduce", plain)

    def test_markdown(self) -> None:
        said = markdown(everything())
        self.assertIn("# ✗ 1 violation found", said)
        self.assertIn("```sh\nfsqlshm-relacy --replay 'x/y/random/7'\n```", said)
        self.assertNotIn("a lease was cleared", said)

    def test_sarif_has_the_findings_with_a_line(self) -> None:
        value = json.loads(sarif.text(everything()))
        self.assertEqual(value["version"], "2.1.0")
        found = value["runs"][0]["results"]
        self.assertEqual(len(found), 1)
        place = found[0]["locations"][0]["physicalLocation"]
        self.assertEqual(
            (place["artifactLocation"]["uri"], place["region"]["startLine"]), ("core/include/fsqlshm/x.h", 45)
        )
        self.assertEqual(value["runs"][0]["tool"]["driver"]["rules"][found[0]["ruleIndex"]]["id"], found[0]["ruleId"])


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where everything in a document is, as the keys that lead there."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


class WrongTypesTest(unittest.TestCase):
    """Whatever stands in the place of something else is refused with a sentence, or shown."""

    WRONG: tuple[Any, ...] = (None, 3, "x", {}, [{}], float("nan"), 10**400, "\ud800")

    def setUp(self) -> None:
        folder = support.temporary()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name)

    def write(self, summary: Json) -> str | None:
        (self.top / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        try:
            main.write(self.top)
        except BadDocument as error:
            return str(error)
        return None

    def test_everywhere(self) -> None:
        finding = support.finding(source={"file": "f", "line": 1}, trace=TRACE, first_seen="night 1", defect="D1")
        whole = everything()
        matrix = [{"site": "a:1", "killed": True}]
        audit = {"hardened": {"sites": 1, "weakenings": 1, "killed": 1, "survived": 0, "matrix": matrix}}
        summary = support.summary(
            [support.document(findings=[finding], reason="r", document="relacy/1.json", details={"audit": audit})],
            history=[night(1, figures={"read": 1.5})],
            found_before=whole["found_before"],
            proposed_regressions=whole["proposed_regressions"],
            left_out=["tests"],
            corpora={"open_raw": 7},
        )
        self.assertIsNone(self.write(summary))
        refused = 0
        # Writing files safely takes its time.
        with unittest.mock.patch("os.fsync", lambda _: None):
            for path in places(summary):
                for wrong in self.WRONG:
                    changed = copy.deepcopy(summary)
                    inner = changed
                    for key in path[:-1]:
                        inner = inner[key]
                    inner[path[-1]] = wrong
                    with self.subTest(path=path, wrong=str(wrong)[:20].encode("ascii", "replace")):
                        refused += self.write(changed) is not None
        self.assertGreater(refused, 100)


class CommandTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = support.temporary()
        self.addCleanup(self.folder.cleanup)
        self.top = pathlib.Path(self.folder.name)

    def run_report(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        command = [str(support.SCRIPTS / "report"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def test_files(self) -> None:
        (self.top / "summary.json").write_text(json.dumps(everything()), encoding="utf-8")
        done = self.run_report(self.top)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(
            {p.name for p in self.top.iterdir()},
            {"summary.json", "report.html", "junit.xml", "summary.md", "report.sarif"},
        )
        self.assertEqual(self.run_report(self.top, "--out", self.top / "other").returncode, 0)
        self.assertTrue((self.top / "other" / "report.html").is_file())

    def refused(self, said: str) -> None:
        (self.top / "summary.json").write_text(said, encoding="latin-1")
        done = self.run_report(self.top)
        self.assertEqual(done.returncode, 2, said[:60] + done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, r"^report: .*summary\.json")

    def test_what_is_nested_too_deeply_is_refused(self) -> None:
        for depth in (100, 100_000):
            self.refused('{"results": ' + "[" * depth + "]" * depth + "}")

    def test_what_is_broken_is_refused(self) -> None:
        good: Json = {**everything()}
        first = good["results"][0]
        broken = ["", "{", "[]", "{}", "\xff\xfe"]
        changes: list[Json] = [{"schema": "x"}, {"status": "clean"}, {"seed": None}, {"results": [{}]}]
        changes.append({"results": [{**first, "counts": []}]})
        broken += [json.dumps(good | change) for change in changes]
        for said in broken:
            self.refused(said)
        self.assertFalse((self.top / "report.html").exists())
        self.assertEqual(self.run_report(self.top / "nowhere").returncode, 2)
        self.assertEqual(self.run_report("--bogus").returncode, 2)
        self.assertEqual(self.run_report("--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
