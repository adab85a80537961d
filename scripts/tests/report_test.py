"""The report shows what is in the documents, whatever is in them, and nothing else."""

import copy
import html.parser
import json
import pathlib
import subprocess
import unittest
import unittest.mock
import xml.etree.ElementTree

import support

from fsqlshm.report import main as report
from fsqlshm.report import html as report_html
from fsqlshm.report import lanes as report_lanes
from fsqlshm import results

HOSTILE = "<script>alert(1)</script>&\"'\x00\x1b]|`*\u2028"
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(html.parser.HTMLParser):
    """Sees to it that elements are nested, and collects what a page refers to."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.text, self.links, self.ids, self.problems = [], [], "", [], [], []
        self.feed(text)
        self.close()
        self.problems += [f"{tag} is never closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action", "srcset", "poster"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)
            if name.startswith("on"):
                self.problems.append(f"{name} in {tag}")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes something else")

    def handle_data(self, data):
        self.text += data


TRACE = {
    "replay": "reference/check-claim/bound1/0001", "preemptions": "at most 1",
    "lanes": ["writer 1", "check"], "violation": {"property": "P1 exclusion", "text": "a live owner was evicted"},
    "steps": [
        {"step": 1, "thread": -1, "operation": "note", "note": "set up"},
        {"step": 2, "thread": 0, "operation": "compare_exchange", "field": "serialized_writer_txn_id", "order": "acq_rel",
         "failure_order": "acquire", "file": "reference/writer_indicator.h", "line": 45, "success": True,
         "text": "CAS txn_id: 0 => id 1", "read_step": 0},
        {"step": 3, "thread": 1, "operation": "load", "field": "serialized_writer_txn_id", "order": "acquire",
         "file": "reference/writer_indicator.h", "line": 85, "text": "txn_id -> id 1", "read_step": 2,
         "newest_step": 2, "stale": False},
        {"step": 4, "thread": 1, "operation": "load", "field": "lease", "order": "acquire", "stale": True,
         "read_step": 0, "newest_step": 2, "text": "lease -> 0 STALE: first value, not 2"},
        {"step": 5, "thread": 0, "operation": "die", "note": "*** process 101 dies"},
        {"step": 6, "thread": 1, "operation": "note", "note": "VIOLATION P1 exclusion"},
    ],
}


def everything():
    """A summary with something for every section."""
    return support.summary([
        support.document(engine="golden", subject="vectors"),
        support.document(findings=[support.finding(trace=TRACE, title="a live owner was evicted",
                                                   source={"file": "core/include/fsqlshm/x.h", "line": 45})]),
        support.document(subject="reference", findings=[support.finding(severity="expected", title="D3 was found")]),
        support.document(engine="stress", counts={"kills": 17, "snapshot_reads": 123456}, details={
            "run_seconds": 2.0, "workers": 3, "roles": {"reader": 2}, "chaos": {"kill": True, "rate": 20},
            "crash_points": [{"operation": "acquire", "steps": 3, "outcomes": ["ok", "busy for ever", "ok"], "completed": "ok"}],
            "creation": [{"way": "tmpfile", "calls": [{"call": "open", "outcome": "none"}]}],
            "stop_points": [{"scenario": "a claimer stops", "points": 7, "outcomes": {"busy": 7}}],
            "outcomes": [{"race": "acquire | acquire", "outcomes": [
                {"outcome": "yes, yes", "verdict": "forbidden", "meaning": "two owners", "count": 4242}]}],
            "recovery_us": {"median": 41.5, "max": 997.0},
            "over_time": [{"seconds": s, "snapshot_reads": s * 1000, "kills": s} for s in range(5)]}),
        support.document(engine="bench", subject="operations", details={
            "context": {"compiler": "gcc 12.2.0"},
            "benchmarks": [{"name": f"read/uncontended/{n}", "arg": None, "ns": [v, v + 1], "racy": n == "plain_3"}
                           for n, v in (("hardened", 7.25), ("std_mutex", 66.5), ("plain_3", 3.5))]}),
        support.document(engine="bench", subject="read latency", details={
            "tails": [{"subject": "hardened", "rate": "100k", "where": "thread", "racy": False, "runs": [
                {"reads": 10, "torn": 0, "ns": {"p50": 20, "p99": 31, "max": 999}, "retries": {"total": 3}}]}]}),
        results.could_not_run("fuzz", "the build is missing", 0.5),
    ], history=[{"night": f"2026110{n}030000", "commit": "abc", "seed": n, "seconds": 60, "status": "clean",
                 "findings": {"violation": 0}, "engines": [
                     {"engine": "relacy", "subject": "hardened", "seconds": 3, "counts": {"executions": 1000 * n}}]}
                for n in (1, 2, 3)],
        found_before=[{"engine": "fuzz", "subject": "open_raw", "severity": "violation", "property": "P", "defect": "",
                       "title": "an old one", "first": "1", "last": "2", "replay": "r"}],
        proposed_regressions=[{"target": "open_raw", "file": "f", "command": "cp 'f' corpus/regressions/open_raw/"}])


class ReportTest(unittest.TestCase):
    def page(self, summary):
        text = report.page(summary)
        page = Page(text)
        self.assertEqual(page.problems, [])
        self.assertEqual(len(page.ids), len(set(page.ids)), "an id twice")
        self.assertNotIn("script", page.tags)
        for link in page.links:
            self.assertRegex(link, r"^(#|data:,$)", "refers to something outside")
        for anchor in (link[1:] for link in page.links if link.startswith("#")):
            self.assertIn(anchor, page.ids)
        self.assertNotRegex(text, r"@import|url\((?!#|\"#|'#)", "the style refers to something outside")
        return page

    def test_everything_is_there(self):
        page = self.page(everything())
        for text in ("1 violation found; could not run to the end: fuzz", "a live owner was evicted",
                     "fsqlshm-relacy --replay 'x/y/random/7'", "D3 was found", "the build is missing",
                     "2: busy for ever", "41.5", "4\u202f242", "123\u202f456", "Uncontended read", "an old one",
                     "cp 'f' corpus/regressions/open_raw/", "gcc 12.2.0", "0123456789abcdef", "core/include/fsqlshm/x.h:45"):
            self.assertIn(text, page.text)
        self.assertNotIn("not as expected", page.text)

    def test_the_verdict_is_in_words(self):
        for documents, verdict, icon in (
                ([support.document()], "Nothing found", "✓"),
                ([support.document(findings=[support.finding()])], "1 violation found", "✗"),
                ([support.document(findings=[support.finding(severity="vacuous")])], "1 vacuous check", "✗"),
                ([support.document(findings=[support.finding(severity="expected")])],
                 "Nothing found but the known defects", "✓"),
                ([support.document(status="could_not_run", reason="no")], "Could not run to the end: relacy", "!"),
                ([], "Could not run: no results at all", "!")):
            page = self.page(support.summary(documents))
            self.assertIn(f"{icon} {verdict}", " ".join(page.text.split()))

    def test_hostile_text_is_only_text(self):
        summary = support.summary([support.document(
            engine=HOSTILE, subject=HOSTILE, headline=HOSTILE, counts={HOSTILE: 1},
            findings=[support.finding(property=HOSTILE, title=HOSTILE, detail=HOSTILE, replay=HOSTILE, artefacts=[HOSTILE],
                                      source={"file": HOSTILE, "line": 3}, trace={**TRACE, "lanes": [HOSTILE, HOSTILE]})],
            details={HOSTILE: [{HOSTILE: HOSTILE}], "scenarios": HOSTILE})], commit=HOSTILE)
        self.page(summary)
        xml.etree.ElementTree.fromstring(report.report_formats.junit(summary))
        json.loads(report.report_formats.sarif(summary))
        markdown = report.report_formats.markdown(summary, "x")
        self.assertEqual(len([line for line in markdown.splitlines() if line.startswith("|")]), 3)

    def test_details_of_any_shape(self):
        shapes = (None, 3, "x", [], {}, [1, 2], [{"a": 1}, 2], {"a": {"b": {"c": [{"d": None}]}}}, [[1], [2]])
        keys = ("crash_points", "creation", "stop_points", "outcomes", "recovery_us", "header", "chaos", "roles", "tails",
                "benchmarks", "context", "complexity", "scenarios", "audit", "litmus", "targets", "coverage", "canary",
                "over_time", "progress")
        for shape in shapes:
            self.page(support.summary([support.document(engine=engine, details={k: shape for k in keys})
                                       for engine in ("relacy", "fuzz", "stress", "bench", "unknown")]))

    def test_every_finding_is_there_however_many(self):
        many = [support.finding(title=f"number {n} of many", replay=f"replay {n}.") for n in range(50)]
        page = self.page(support.summary([support.document(findings=many)]))
        for n in range(50):
            self.assertIn(f"number {n} of many", page.text)
            self.assertIn(f"replay {n}.", page.text)

    def test_the_same_document_gives_the_same_page(self):
        self.assertEqual(report.page(everything()), report.page(everything()))

    def test_order_audit(self):
        def row(killed):
            return {"site": "hardened/seqlock.h:52", "order": "release", "weakened_to": "relaxed", "killed": killed,
                    "scenario": "publish1-load2" if killed else "", "property": "I2" if killed else "", "executions": 77, "replay": ""}

        def audit(killed, survived):
            matrix = [row(True)] * killed + [row(False)] * survived
            return {"hardened": {"sites": 3, "weakenings": len(matrix), "killed": killed, "survived": survived,
                                 "unexplained": survived, "matrix": matrix}}

        page = self.page(support.summary([support.document(details={"audit": audit(2, 0)})]))
        self.assertIn("✓ None of 2 weakened orders survived", page.text)
        self.assertIn("✓ 2 of 2", page.text)
        self.assertIn("hardened/seqlock.h:52", page.text)
        page = self.page(support.summary([support.document(details={"audit": audit(2, 1)})]))
        self.assertIn("! 1 of 3 weakened orders survived, 1 of them with no word", page.text)
        self.assertIn("! 2 of 3", page.text)
        page = self.page(support.summary([support.document(details={"left_out": "the order audit: no time"})]))
        self.assertIn("! Left out: the order audit: no time.", page.text)

    def test_lanes(self):
        lanes = report_lanes.from_trace(TRACE)
        self.assertEqual([s.violating for s in lanes.steps], [False] * 4 + [True])
        svg = report_lanes.svg(lanes)
        root = xml.etree.ElementTree.fromstring(svg)
        shapes = [e for e in root.iter() if "class" in e.attrib]
        # One arrow, from the store of step 2 to the load of step 3; the stale read is of no store.
        self.assertEqual(sum(e.attrib["class"].startswith("reads") for e in shapes), 1)
        self.assertEqual(sum(e.attrib["class"] == "bad" for e in shapes), 1)
        self.assertEqual(sum(e.attrib["class"] == "dead" for e in shapes), 1)
        for text in ("CAS txn_id: 0 =&gt; id 1", "acq_rel/acquire reference/writer_indicator.h:45", "stale",
                     "P1 exclusion: a live owner was evicted", "before: set up"):
            self.assertIn(text, svg)
        self.assertNotIn("STALE", svg)

    def test_a_stale_read_has_an_arrow_from_the_store_that_it_read(self):
        steps = [dict(TRACE["steps"][1]), dict(TRACE["steps"][1], step=3),
                 {"step": 4, "thread": 1, "operation": "load", "read_step": 2, "newest_step": 3, "stale": True}]
        svg = report_lanes.svg(report_lanes.from_trace({"lanes": ["a", "b"], "steps": steps}))
        self.assertIn('class="reads stale"', svg)

    def test_numbers(self):
        for value, text in ((0, "0"), (999, "999"), (123456, "123\u202f456"), (2500000, "2.5 M"), (1.234567, "1.23"),
                            (5.1e9, "5.1 G"), (True, "True")):
            self.assertEqual(report_html.number(value), text)


class FormatsTest(unittest.TestCase):
    def test_junit(self):
        root = xml.etree.ElementTree.fromstring(report.report_formats.junit(everything()))
        self.assertEqual(sum(int(s.get("failures")) for s in root), 1)
        self.assertEqual(sum(int(s.get("errors")) for s in root), 1)
        self.assertEqual(sum(int(s.get("tests")) for s in root), len(root.findall("./testsuite/testcase")))
        failure = root.find(".//failure")
        self.assertIn("reproduce: fsqlshm-relacy --replay", failure.text)

    def test_markdown(self):
        summary = everything()
        text = report.report_formats.markdown(summary, results.verdict(summary["results"]))
        self.assertIn("# ✗ 1 violation found", text)
        self.assertIn("```sh\nfsqlshm-relacy --replay 'x/y/random/7'\n```", text)
        self.assertNotIn("D3 was found", text)

    def test_sarif_has_the_findings_with_a_line(self):
        value = json.loads(report.report_formats.sarif(everything()))
        self.assertEqual(value["version"], "2.1.0")
        found = value["runs"][0]["results"]
        self.assertEqual(len(found), 1)
        place = found[0]["locations"][0]["physicalLocation"]
        self.assertEqual((place["artifactLocation"]["uri"], place["region"]["startLine"]),
                         ("core/include/fsqlshm/x.h", 45))
        self.assertEqual(value["runs"][0]["tool"]["driver"]["rules"][found[0]["ruleIndex"]]["id"], found[0]["ruleId"])


def places(value, path=()):
    """Where everything in a document is, as the keys that lead there."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


class WrongTypesTest(unittest.TestCase):
    """Whatever stands in the place of something else is refused with a sentence, or shown."""

    WRONG = (None, 3, "x", {}, [{}], float("nan"), 10**400, "\ud800")

    def setUp(self):
        folder = support.temporary()
        self.addCleanup(folder.cleanup)
        self.top = pathlib.Path(folder.name)

    def write(self, summary):
        (self.top / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
        try:
            report.write(self.top)
        except results.BadDocument as error:
            return str(error)
        return None

    def test_everywhere(self):
        finding = support.finding(source={"file": "f", "line": 1}, trace=TRACE, first_seen="night 1")
        night = {**everything()["history"][0], "figures": {"read": 1.5}}
        summary = support.summary(
            [support.document(findings=[finding], reason="r", document="relacy/1.json",
                              details={"audit": {"hardened": {"sites": 1, "weakenings": 1, "killed": 1, "survived": 0, "matrix": [
                                  {"site": "a:1", "killed": True}]}}})],
            history=[night], found_before=everything()["found_before"],
            proposed_regressions=everything()["proposed_regressions"], left_out=["tests"])
        self.assertIsNone(self.write(summary))
        refused = 0
        # Charts are the same for all of these, and take a second; writing files safely takes its time too.
        with unittest.mock.patch.object(report.report_charts, "nights", lambda *_, **__: ""), \
                unittest.mock.patch("os.fsync", lambda _: None):
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
    def setUp(self):
        self.folder = support.temporary()
        self.addCleanup(self.folder.cleanup)
        self.top = pathlib.Path(self.folder.name)

    def run_report(self, *arguments):
        return subprocess.run([str(support.SCRIPTS / "report"), *map(str, arguments)], capture_output=True, text=True,
                              check=False, timeout=60)

    def test_files(self):
        results.write_json(self.top / "summary.json", everything())
        done = self.run_report(self.top)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual({p.name for p in self.top.iterdir()},
                         {"summary.json", "report.html", "junit.xml", "summary.md", "report.sarif"})
        self.assertEqual(self.run_report(self.top, "--out", self.top / "other").returncode, 0)
        self.assertTrue((self.top / "other" / "report.html").is_file())

    def refused(self, text):
        (self.top / "summary.json").write_text(text, encoding="latin-1")
        done = self.run_report(self.top)
        self.assertEqual(done.returncode, 2, text[:60] + done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, r"^report: .*summary\.json")

    def test_what_is_nested_too_deeply_is_refused(self):
        for depth in (100, 100_000):
            self.refused('{"results": ' + "[" * depth + "]" * depth + "}")

    def test_what_is_broken_is_refused(self):
        good = everything()
        broken = ["", "{", "[]", "{}", json.dumps({**good, "schema": "x"}), json.dumps({**good, "status": "clean"}),
                  json.dumps({**good, "results": [{}]}), json.dumps({**good, "results": [{**good["results"][0], "counts": []}]}),
                  json.dumps({**good, "seed": None}), "\xff\xfe"]
        for text in broken:
            self.refused(text)
        self.assertFalse((self.top / "report.html").exists())
        self.assertEqual(self.run_report(self.top / "nowhere").returncode, 2)
        self.assertEqual(self.run_report("--bogus").returncode, 2)
        self.assertEqual(self.run_report("--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
