"""What lint looks at: no commit of a push may be left out."""

import os
import subprocess
import unittest
from unittest import mock

import support

from fsqlshm import ROOT, files, host, tidy


class ChangedFiles(support.FolderTest):
    """A clone, at first at its upstream, of a repository with the files "one", "two" and "three", a commit each."""

    def setUp(self) -> None:
        super().setUp()
        self.enterContext(mock.patch.dict(os.environ))
        os.environ.pop("FSQLSHM_LINT_BASE", None)
        self.git("init", "-q", "upstream", at=".")
        self.first, self.second, self.third = (self.commit(name, at="upstream") for name in ("one", "two", "three"))
        self.git("clone", "-q", "upstream", "clone", at=".")
        self.enterContext(mock.patch.object(host, "ROOT", self.top / "clone"))

    def git(self, *words: str, at: str = "clone") -> str:
        who = ["-c", "user.name=test", "-c", "user.email=test"]
        command = ["git", *who, *words]
        return subprocess.run(command, cwd=self.top / at, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def commit(self, name: str, at: str = "clone") -> str:
        (self.top / at / name).write_text(name, encoding="utf-8")
        self.git("add", name, at=at)
        self.git("commit", "-q", "-m", name, at=at)
        return self.git("rev-parse", "HEAD", at=at)

    def since(self, base: str) -> set[str]:
        os.environ["FSQLSHM_LINT_BASE"] = base
        return tidy.changed_files()

    def test_a_push_of_several_commits_is_seen_whole(self) -> None:
        self.assertEqual(self.since(self.first), {"two", "three"})
        self.assertEqual(self.since(self.second), {"three"})

    def test_what_others_committed_since_is_no_change_of_a_pull_request(self) -> None:
        self.git("checkout", "-q", "-b", "topic", self.first)
        self.commit("four")
        self.commit("five")
        self.assertEqual(self.since(self.third), {"four", "five"})

    def test_a_commit_that_is_not_here_makes_everything_count(self) -> None:
        self.assertEqual(self.since("0" * 40), {"one", "two", "three"})
        self.assertEqual(self.since("1" * 40), {"one", "two", "three"})

    def test_without_a_name_it_is_where_the_branch_left_its_upstream(self) -> None:
        self.commit("four")
        self.commit("five")
        (self.top / "clone" / "six").touch()
        self.assertEqual(tidy.changed_files(), {"four", "five", "six"})

    def test_without_a_name_and_commits_of_its_own_it_is_the_last_commit(self) -> None:
        self.assertEqual(tidy.changed_files(), {"three"})
        self.assertEqual(self.since(""), {"three"})


class Sources(support.FolderTest):
    def test_a_peer_whose_library_is_not_installed_is_left_out(self) -> None:
        there = [
            "bench/main.cc",
            "bench/subjects/lmdb.cc",
            "bench/subjects/sqlite.cc",
            "core/a_test.cc",
            "core/by_hand.cc",
        ]
        built = [{"file": str(ROOT / file)} for file in ("bench/main.cc", "bench/subjects/sqlite.cc")]
        files.write_json(self.top / "compile_commands.json", built)
        with mock.patch.object(tidy, "BUILD", self.top), mock.patch.object(tidy, "git", return_value="\n".join(there)):
            self.assertEqual(tidy.sources(), ["bench/main.cc", "bench/subjects/sqlite.cc", "core/by_hand.cc"])


if __name__ == "__main__":
    unittest.main()
