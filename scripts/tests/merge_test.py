"""Shards and slices merge to what one run would have said."""

import copy
import pathlib
import subprocess
import unittest
from typing import Any

import support

from fsqlshm import files, merge, results


class MergeTest(support.FolderTest):
    def shard(self, index: int, count: int, documents: list[Any], **changes: Any) -> pathlib.Path:
        folder = self.top / f"shard-{index}"
        folder.mkdir(exist_ok=True)
        for number, document in enumerate(documents):
            document["document"] = f"relacy/{number}.json"
        files.write_json(folder / "summary.json", support.summary(documents, shard=f"{index}/{count}", **changes))
        return folder

    def merge(self, *folders: pathlib.Path) -> tuple[subprocess.CompletedProcess[str], Any]:
        done = subprocess.run(
            [str(support.SCRIPTS / "merge"), "--out", str(self.top / "merged"), *map(str, folders)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        summary = self.top / "merged" / "summary.json"
        return done, support.read(summary) if summary.exists() else None

    def test_counts_add_up_and_findings_are_united(self) -> None:
        one, two = support.finding(title="one"), support.finding(title="two")
        a = self.shard(1, 2, [support.document(findings=[one], counts={"executions": 10, "deaths": 1})])
        b = self.shard(2, 2, [support.document(findings=[one, two], counts={"executions": 32})], duration_seconds=99)
        for folder, names in ((a, ("x", "same")), (b, ("y", "same"))):
            (folder / "fuzz" / "corpus" / "open_raw").mkdir(parents=True)
            for name in names:
                (folder / "fuzz" / "corpus" / "open_raw" / name).write_text(name, encoding="utf-8")
        (b / "fuzz" / "corpus" / "open_raw" / "x").write_text("something else", encoding="utf-8")
        done, summary = self.merge(a, b)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(len(summary["results"]), 1)
        merged = summary["results"][0]
        self.assertEqual(merged["counts"], {"executions": 42, "deaths": 1})
        self.assertEqual([f["title"] for f in merged["findings"]], ["one", "two"])
        self.assertEqual(summary["duration_seconds"], 99)
        self.assertEqual(len(list((self.top / "merged" / "corpus" / "open_raw").iterdir())), 4)
        self.assertTrue((self.top / "merged" / "report.html").is_file())

    def test_a_missing_shard_is_no_success(self) -> None:
        a = self.shard(1, 2, [support.document()])
        done, summary = self.merge(a)
        self.assertEqual(done.returncode, 2)
        self.assertIn("shard 2/2 is missing", str(summary["results"]))

    def test_a_failed_shard_is_no_success(self) -> None:
        a = self.shard(1, 2, [support.document()])
        b = self.shard(2, 2, [support.document(status="could_not_run", reason="the disk is full")])
        done, summary = self.merge(a, b)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(summary["results"][0]["reason"], "shard 2/2: the disk is full")

    def test_what_does_not_belong_together(self) -> None:
        a = self.shard(1, 2, [support.document()])
        others: list[dict[str, Any]] = [{"seed": 8}, {"commit": "other"}, {"minutes": 3}, {"subject": "reference"}]
        for changes in others:
            done, _ = self.merge(a, self.shard(2, 2, [support.document()], **changes))
            self.assertEqual(done.returncode, 2)
            self.assertIn("another campaign", done.stderr)
        done, _ = self.merge(a, self.shard(2, 3, [support.document()]))
        self.assertIn("another campaign", done.stderr)
        done, _ = self.merge(a, a)
        self.assertIn("the same shard", done.stderr)
        done, _ = self.merge(self.top / "nowhere")
        self.assertEqual(done.returncode, 2)

    def test_order_does_not_matter(self) -> None:
        documents = [
            support.document(counts={"executions": n}, findings=[support.finding(title=str(n))]) for n in (1, 2, 3)
        ]
        there = merge.merge_documents(copy.deepcopy(documents))
        back = merge.merge_documents(copy.deepcopy(documents[::-1]))
        self.assertEqual(there["counts"], back["counts"])
        self.assertEqual({f["title"] for f in there["findings"]}, {f["title"] for f in back["findings"]})

    def test_what_does_not_add_up(self) -> None:
        merged = merge.merge_documents(
            [
                support.document(counts={"executions": 100, "coverage": 7, "corpus": 3}, duration_seconds=2),
                support.document(counts={"executions": 500, "coverage": 6, "corpus": 4}, duration_seconds=4),
            ]
        )
        self.assertEqual(merged["counts"], {"executions": 600, "coverage": 7, "corpus": 4})

    def merge_details(self, one: dict[str, Any], two: dict[str, Any]) -> Any:
        documents = [support.document(details=details) for details in (one, two)]
        for document in documents:
            results.check(document)
        return merge.merge_documents(documents)["details"]

    def test_time_goes_on(self) -> None:
        one: dict[str, Any] = {
            "over_time": [
                {"seconds": 1, "executions": 5, "coverage": 7},
                {"seconds": 2, "executions": 9, "coverage": 8},
            ]
        }
        two = {"over_time": [{"seconds": 1, "executions": 4, "coverage": 8}]}
        merged = self.merge_details(one, two)
        self.assertEqual(merged["over_time"][2], {"seconds": 3, "executions": 13, "coverage": 8})

    def test_an_audit_is_the_same_everywhere(self) -> None:
        one = {"audit": {"hardened": {"sites": 3, "matrix": [{"site": "a:1", "executions": 5}]}}}
        two = {"audit": {**copy.deepcopy(one["audit"]), "reference": {"sites": 4, "matrix": []}}}
        self.assertEqual(self.merge_details(one, two), two)

    def test_details(self) -> None:
        """Each way of merging, and what there is only in one of the two."""
        a: dict[str, Any] = {"name": "a", "search": "random", "line": 7}
        bounded, b = {"name": "a", "search": "bounded", "executions": 7}, {"name": "b", "executions": 1}
        run: dict[str, Any] = {
            **a,
            "executions": 5,
            "seconds": 2,
            "status": "vacuous",
            "complete": True,
            "bound_reached": 3,
        }
        again = {**a, "executions": 6, "seconds": 3, "status": "clean", "complete": False, "bound_reached": 2}
        both = {**a, "executions": 11, "seconds": 5, "status": "vacuous", "complete": False, "bound_reached": 2}
        read, also = {"ns": [1.5]}, {"ns": [2.5]}
        one: dict[str, Any] = {
            "scenarios": [{**run, "reached": {"x": 1}}, bounded],
            "recovery_us": {"max": 5, "median": 3},
            "defects_found": {"D1": True, "D2": False},
            "measured": {"benchmarks": {"read": read}, "context": {"cores": 2}},
        }
        two: dict[str, Any] = {
            "scenarios": [{**again, "reached": {"x": 2, "y": 1}}, b],
            "recovery_us": {"max": 9, "median": 4},
            "defects_found": {"D1": False, "D2": True},
            "measured": {"benchmarks": {"read": also, "open": read}, "context": {"cores": 4}},
        }
        merged: dict[str, Any] = {
            "scenarios": [{**both, "reached": {"x": 3, "y": 1}}, bounded, b],
            "recovery_us": {"max": 9, "median": 3},
            "defects_found": {"D1": True, "D2": True},
            "measured": {"benchmarks": {"read": {"ns": [1.5, 2.5]}, "open": read}, "context": {"cores": 2}},
        }
        self.assertEqual(self.merge_details(one, two), merged)


if __name__ == "__main__":
    unittest.main()
