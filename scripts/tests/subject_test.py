"""scripts/subject: the Rust original becomes a subject, and what is missing is said. Arguments: fsqlshm-golden and,
where it is built, fsqlshm-step."""

import os
import pathlib
import subprocess
import sys
import unittest

import support

SKIPPED = 77
GOLDEN, *STEP = sys.argv[1:]
VECTORS = support.SCRIPTS.parent / "corpus" / "golden"


def subject(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    words = [support.SCRIPTS / "subject", *arguments]
    return subprocess.run(
        list(map(str, words)), env=os.environ | environment, capture_output=True, text=True, timeout=200, check=False
    )


class TheOriginal(support.FolderTest):
    def setUp(self) -> None:
        super().setUp()
        source = support.original(self.top)
        assert source is not None  # main saw to that
        self.source = source
        self.output = self.top / "new" / "rust.so"

    def test_matches_every_vector_through_the_c_interface(self) -> None:
        built = subject("rust", self.source, "--output", self.output)
        self.assertEqual(built.returncode, 0, built.stderr)
        document = self.top / "golden.json"
        words = [GOLDEN, VECTORS, "--subject", self.output, "--json", document]
        replayed = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=100, check=False)
        self.assertEqual(replayed.returncode, 0, replayed.stdout + replayed.stderr)
        result = support.read(document)
        counts = [result["counts"][f"rust.so_{name}"] for name in ("headers", "opens", "traces", "steps")]
        self.assertEqual(counts, [160, 400, 120, 2138])
        who = result["details"]["subject"]
        self.assertIn("rustc", who["implementation"])
        self.assertEqual(who["known_defects"], ["D1", "D2", "D3", "D4", "D5", "D6"])
        # Traces name lines of the source that was given, and nothing of how it was built.
        files = self.files_of("fsqlshm_header_release_serialized_writer")
        self.assertIn(str(self.source.resolve()), files)
        self.assertTrue(any(name.endswith("/rust/adapter.rs") for name in files), files)
        self.assertTrue(b"fsqlshm-subject." not in self.output.read_bytes())

    @unittest.skipUnless(STEP, "fsqlshm-step is not built")
    def test_its_machine_code_shows_the_known_defects(self) -> None:
        self.assertEqual(subject("rust", self.source, "--output", self.output).returncode, 0)
        document = self.top / "step.json"
        words = [*STEP, "--subject", self.output, "--quiet", "--json", document]
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=100, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        findings = support.read(document)["findings"]
        self.assertEqual({one["defect"] for one in findings}, {"D1", "D2", "D3", "D4", "D5", "D6"})
        for one in findings:
            self.assertEqual(one["severity"], "expected")
            self.assertTrue(one["source"]["file"].endswith("shm.rs"), one["source"])
            self.assertGreater(one["source"]["line"], 0)

    def files_of(self, function: str) -> set[str]:
        """The source files of the instructions of a function, inlined ones included."""
        symbols = subprocess.run(["nm", "-S", self.output], capture_output=True, text=True, check=True).stdout
        begin, size = next(line.split()[:2] for line in symbols.splitlines() if line.endswith(f" T {function}"))
        addresses = [hex(int(begin, 16) + offset) for offset in range(int(size, 16))]
        words = ["addr2line", "-i", "-e", str(self.output), *addresses]
        lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        return {line.rpartition(":")[0] for line in lines.splitlines()}

    def test_what_does_not_compile_could_not_be_built(self) -> None:
        broken = self.top / "broken.rs"
        broken.write_text("pub struct Nothing;\n", encoding="utf-8")
        built = subject("rust", broken, "--output", self.output)
        self.assertEqual(built.returncode, 2)
        self.assertIn("SharedMemoryLayout", built.stderr)
        self.assertFalse(self.output.exists())

    def test_a_change_of_the_source_is_seen(self) -> None:
        changed = self.top / "changed.rs"
        text = self.source.read_text(encoding="utf-8")
        self.assertEqual(text.count("AtomicU64::new(1),"), 1)
        changed.write_text(text.replace("AtomicU64::new(1),", "AtomicU64::new(2),"), encoding="utf-8")
        self.assertEqual(subject("rust", changed, "--output", self.output).returncode, 0)
        words = [GOLDEN, VECTORS, "--subject", self.output]
        replayed = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=100, check=False)
        self.assertEqual(replayed.returncode, 1, replayed.stdout)


class WhatIsMissing(support.FolderTest):
    def assert_refused(self, why: str, *arguments: object, **environment: str) -> None:
        done = subject(*arguments, **environment)
        self.assertEqual(done.returncode, 2)
        self.assertIn(why, done.stderr)

    def test_is_said(self) -> None:
        source = self.top / "shm.rs"
        self.assert_refused(f"{source} is no file", "rust", source)
        source.touch()
        self.assert_refused("/nowhere/rustc is not there: install rustc-web", "rust", source, RUSTC="/nowhere/rustc")
        self.assert_refused("invalid choice", "cobol", source)
        self.assert_refused("required", "rust")


def main() -> int:
    from fsqlshm import subject as command
    from fsqlshm.results import CouldNotRun

    with support.temporary() as folder:
        try:
            command.rust_compiler()
            command.xxhash_crate()
            missing = "" if support.original(pathlib.Path(folder)) else "neither $FSQLSHM_SHM_RS nor a seed with shm.rs"
        except CouldNotRun as reason:
            missing = str(reason)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(WhatIsMissing)
    if not missing:
        suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(TheOriginal))
    if not unittest.TextTestRunner().run(suite).wasSuccessful():
        return 1
    if missing:
        print(f"SKIPPED: the Rust original cannot be built: {missing}", file=sys.stderr)
        return SKIPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
