"""What other programs read is checked by those programs' own linters, where they are installed."""

import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import support

ROOT = support.SCRIPTS.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
UNITS = sorted((support.SCRIPTS / "systemd").glob("*.*"))


def run(*command: str | pathlib.Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT)


class LintTest(unittest.TestCase):
    def test_workflows(self) -> None:
        self.assertTrue(WORKFLOWS)
        if not shutil.which("yamllint"):
            self.skipTest("yamllint is not installed")
        done = run("yamllint", "-s", *WORKFLOWS)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_workflows_only_call_the_scripts(self) -> None:
        """What CI does can be done by hand."""
        for path in WORKFLOWS:
            commands = re.findall(r"^\s+(?:- )?run: (.*)$", path.read_text(encoding="utf-8"), re.M)
            self.assertTrue(commands)
            for command in commands:
                self.assertRegex(
                    command,
                    r"^(scripts/(test|nightly|release|tests/packages_in_debian.sh)\b"
                    r"|apt-get update && apt-get install|git config |cat out/)",
                )
                if command.startswith("scripts/"):
                    self.assertTrue((ROOT / command.split()[0]).is_file())

    def test_units(self) -> None:
        self.assertTrue(UNITS)
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")
        with support.temporary() as folder:  # it wants a user's runtime folder
            done = run("env", f"XDG_RUNTIME_DIR={folder}", "systemd-analyze", "verify", "--user", "--man=no", *UNITS)
        output = done.stdout + done.stderr
        # It cannot verify anything; that is no verdict on the units.
        if "Failed to initialize manager" in output:
            self.skipTest(output.strip())
        self.assertEqual((done.returncode, output), (0, ""))

    def test_shell_scripts(self) -> None:
        if not shutil.which("shellcheck"):
            self.skipTest("shellcheck is not installed")
        scripts = [
            p
            for p in support.SCRIPTS.rglob("*")
            if p.is_file() and p.suffix == "" and re.match(rb"#!.*\b(ba)?sh\b", p.read_bytes()[:60])
        ]
        self.assertIn(support.SCRIPTS / "nightly", scripts)
        done = run("shellcheck", "-x", *scripts)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_every_script_explains_itself(self) -> None:
        for name in ("bootstrap", "campaign", "nightly", "report", "merge", "release", "test", "slurm/submit"):
            done = run(support.SCRIPTS / name, "--help")
            self.assertEqual(done.returncode, 0, name)
            self.assertIn("usage:", done.stdout, name)

    def test_bad_arguments_are_refused_before_anything_is_installed_or_built(self) -> None:
        for words in (
            ["campaign", "--bogus"],
            ["campaign", "--minutes", "0"],
            ["nightly", "--bogus"],
            ["nightly", "--table", "/nowhere"],
            ["report", "--bogus"],
            ["merge"],
            ["release", "--bogus"],
            ["release", "--out"],
            ["test", "bogus"],
            ["slurm/submit", "--bogus"],
        ):
            done = run(support.SCRIPTS / words[0], *words[1:])
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn(f"{words[0].split('/')[-1]}: ", done.stderr)

    def test_python_compiles(self) -> None:
        for path in support.SCRIPTS.rglob("*.py"):
            compile(path.read_text(encoding="utf-8"), str(path), "exec")
        self.assertGreaterEqual(sys.version_info, (3, 11))


if __name__ == "__main__":
    unittest.main()
