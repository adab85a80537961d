"""scripts/release: one version, and an archive that is the same wherever it is made."""

import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import unittest

import support
from fsqlshm import ROOT


class ReleaseTest(support.FolderTest):
    def git(self, *words: object) -> None:
        identity = ["-c", "user.name=a test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", "-C", self.clone, *identity, *map(str, words)], check=True, capture_output=True)

    def setUp(self) -> None:
        """A clone with the files as they are here, committed or not."""
        super().setUp()
        self.clone = self.top / "clone"
        subprocess.run(["git", "clone", "--quiet", "--shared", ROOT, self.clone], check=True)
        done = subprocess.run(["git", "diff", "HEAD", "--binary"], cwd=ROOT, capture_output=True, check=True)
        if done.stdout:
            subprocess.run(["git", "-C", self.clone, "apply", "--index", "-"], input=done.stdout, check=True)
            self.git("commit", "-qam", "as it is")

    def release(self, *words: object, folder: str = "out") -> subprocess.CompletedProcess[str]:
        command = [self.clone / "scripts" / "release", "--source", "--out", self.top / folder, *words]
        # Whatever a machine's settings are.
        odd = {"LC_ALL": "C", "TZ": "Asia/Tokyo"} if folder != "out" else {}
        return subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=os.environ | odd,
            umask=0o077 if odd else 0o022,
        )

    def change(self, name: str, before: str, after: str) -> None:
        path = self.clone / name
        text = path.read_text(encoding="utf-8")
        self.assertIn(before, text)
        path.write_text(text.replace(before, after, 1), encoding="utf-8")

    def archive(self, folder: str = "out") -> pathlib.Path:
        (path,) = (self.top / folder).glob("fsqlshm-*.tar.gz")
        return path

    def test_the_archive_is_the_same_wherever_it_is_made(self) -> None:
        done = self.release()
        self.assertEqual(done.returncode, 0, done.stderr)
        (self.clone / "README.md").touch()
        self.assertEqual(self.release(folder="again").returncode, 0)
        self.assertEqual(self.archive().read_bytes(), self.archive("again").read_bytes())
        sums = (self.top / "out" / "SHA256SUMS").read_text(encoding="utf-8")
        self.assertEqual(sums, (self.top / "again" / "SHA256SUMS").read_text(encoding="utf-8"))
        tracked = subprocess.run(["git", "ls-files"], cwd=self.clone, capture_output=True, text=True, check=True)
        with tarfile.open(self.archive()) as archive:
            files = [member for member in archive.getmembers() if not member.isdir()]
        self.assertEqual({m.name.split("/", 1)[1] for m in files}, set(tracked.stdout.splitlines()))
        self.assertEqual({m.name.split("/")[0] + ".tar.gz" for m in files}, {self.archive().name})
        # What another commit says is in it.
        self.change("README.md", "fsqlshm", "FSQLSHM")
        self.git("commit", "-qam", "another")
        self.assertEqual(self.release(folder="other").returncode, 0)
        self.assertNotEqual(self.archive().read_bytes(), self.archive("other").read_bytes())

    def test_what_is_no_release_is_refused(self) -> None:
        self.change("README.md", "fsqlshm", "FSQLSHM")
        self.assertRefused("not committed: README.md\n")
        (self.clone / "forgotten").touch()
        self.assertRefused("not committed: README.md, and more\n")
        (self.clone / "forgotten").unlink()
        self.git("checkout", "README.md")
        self.git("tag", "v" + self.version(), "HEAD~1")
        self.assertRefused("another commit")
        self.git("tag", "-d", "v" + self.version())
        self.change("CMakeLists.txt", f"VERSION {self.version()}", "VERSION 99.1")
        self.git("commit", "-qam", "a version that no change has")
        self.assertRefused("CMakeLists.txt says 99.1, CHANGELOG.md begins with")

    def test_an_archive_that_cannot_be_written_is_no_difference(self) -> None:
        (self.top / "out" / f"fsqlshm-{self.version()}.tar.gz").mkdir(parents=True)
        self.assertEqual(self.release().returncode, 2)

    def test_packages_that_cannot_be_configured_are_not_built(self) -> None:
        for name, status in (("scripts/bootstrap", 0), ("bin/cmake", 1), ("bin/cpack", 0)):
            path = self.clone / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\nexit {status}\n", encoding="utf-8")
            path.chmod(0o755)
        self.git("add", ".")
        self.git("commit", "-qm", "no tools")
        command = [str(self.clone / "scripts" / "release"), "--out", str(self.top / "out")]
        path_variable = {"PATH": f"{self.clone / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, env=os.environ | path_variable
        )
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("the packages could not be built", done.stderr)

    def test_an_unpacked_archive_is_no_checkout(self) -> None:
        shutil.rmtree(self.clone / ".git")
        self.assertRefused("is no checkout that git works in")
        subprocess.run(["git", "init", "--quiet", self.top], check=True)
        self.assertRefused("is no checkout that git works in")

    def version(self) -> str:
        match = re.search(r"^project\(fsqlshm VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.M)
        assert match is not None
        return match[1]

    def assertRefused(self, why: str) -> None:
        done = self.release()
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn(why, done.stderr)
        self.assertEqual(list(self.top.glob("out/*.gz")), [])


if __name__ == "__main__":
    unittest.main()
