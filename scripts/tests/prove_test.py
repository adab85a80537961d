"""scripts/prove as a command: what it refuses, what it says of an input that refutes, and how it ends."""

import json
import os
import pathlib
import shlex
import signal
import subprocess
import unittest
from typing import Any
from unittest import mock

import support

from fsqlshm.proofs import compiler, document, ir, mutants, prove, show, solver, wire
from fsqlshm.proofs.case import Case, Pair
from fsqlshm.proofs.obligations import OBLIGATIONS, Obligation
from fsqlshm.proofs.terms import Bits
from fsqlshm.results import CouldNotRun, Result

ROOT = support.SCRIPTS.parent
PROVE = ROOT / "scripts" / "prove"
SEED = ROOT / "corpus" / "open_raw" / "header-4096-128"
# A compiler of another core.
CLANG = """#!/bin/sh
for word; do
  shift
  [ "$word" = {file} ] && word={changed}
  set -- "$@" "$word"
done
exec {clang} "$@"
"""
Done = subprocess.CompletedProcess[str]


class CommandTest(support.FolderTest):
    def prove(self, *arguments: object, **environment: str) -> Done:
        words = [str(word) for word in (PROVE, *arguments)]
        return subprocess.run(
            words, capture_output=True, text=True, timeout=200, check=False, env={**os.environ, **environment}
        )

    def refuses(self, why: str, *arguments: object) -> None:
        """In one sentence, and before anything is decided."""
        done = self.prove(*arguments)
        self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
        self.assertRegex(done.stderr, f"\\Aprove: .*{why}.*\\n\\Z")

    def broken(self, text: str = "kBadMagic, kMagicWord, magic") -> dict[str, str]:
        """The environment in which the core has a fault: a mutant."""
        mutant = next(one for one in mutants.read_table() if text in one.after)
        changed, clang = self.top / "changed.cc", self.top / "clang"
        changed.write_text(mutant.text(), encoding="utf-8")
        names = {"file": ROOT / mutant.file, "changed": changed, "clang": compiler.CLANG}
        clang.write_text(CLANG.format(**{name: shlex.quote(str(path)) for name, path in names.items()}), "utf-8")
        clang.chmod(0o755)
        return {"FSQLSHM_CLANG": str(clang)}


class ArgumentsTest(CommandTest):
    def test_bad_arguments(self) -> None:
        for arguments, why in {
            "nonsense": "there is no obligation 'nonsense'",
            "--level 7": "--level",
            "--replay x": "needs one obligation",
            "--shard 2/1": "--shard",
            "create --mutants": "--mutants and obligations exclude",
            "--list --json x": "--list and --json exclude",
            "--list create": "--list and obligations exclude",
            "--list --mutants": "--list and --mutants exclude",
            "create --replay x --json y": "--replay and --json exclude",
            "create --replay x --shard 1/1": "--replay and --shard exclude",
            "--mutants --out x": "--mutants and --out exclude",
            "--shard 9/9": "shard 9/9 is empty",
            "any-word --shard 2/2": "shard 2/2 is empty",
            "--mutants --shard 100/100": "shard 100/100 is empty",
        }.items():
            with self.subTest(arguments):
                self.refuses(why, *arguments.split())

    def test_a_result_that_cannot_be_written_is_refused_first(self) -> None:
        pipe = self.top / "pipe"
        os.mkfifo(pipe)
        self.refuses("not a regular file", "checksum", "--json", pipe)
        self.refuses("cannot write", "checksum", "--json", self.top / "no" / "x")

    def test_what_is_missing_is_said(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
        for option in ("any-word", "--list", "--help"):
            # With -S there are no packages.
            words = ["/usr/bin/python3", "-BSP", "-m", "fsqlshm.proofs.command", option]
            done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=60)
            expected = "prove: No module named 'z3'; scripts/bootstrap installs what is missing\n"
            self.assertEqual((done.returncode, done.stderr), (2, expected))

    def test_list(self) -> None:
        self.assertEqual(len(self.prove("--list").stdout.splitlines()), len(OBLIGATIONS))

    def test_an_empty_share_of_a_campaign_is_no_failure(self) -> None:
        """A campaign may have more shards than there are obligations: others do them."""
        words = [ROOT / "scripts" / "engine", "proofs", "--seconds", "1", "--out", self.top, "--shard", "9/9"]
        self.assertEqual(subprocess.run(list(map(str, words)), timeout=60, check=False).returncode, 0)
        written = support.read(self.top / "proofs-O3.json")
        self.assertEqual((written["status"], written["counts"]["obligations"]), ("clean", 0))


class SearchTest(CommandTest):
    def test_a_clean_run(self) -> None:
        result = self.top / "result.json"
        done = self.prove("checksum", "state-word", "--json", result)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        written = support.read(result)
        self.assertEqual([row["status"] for row in written["details"]["proofs"]], ["proved", "proved"])
        self.assertEqual(written["counts"]["obligations"], 2)

    def test_what_is_refuted_is_shown_kept_and_replayed(self) -> None:
        out, result, broken = self.top / "with spaces; and 'quotes'", self.top / "result.json", self.broken()
        done = self.prove("open-by-copy", "--level", "2", "--out", out, "--json", result, **broken)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        [finding] = support.read(result)["findings"]
        self.assertIn(finding["detail"], done.stdout)
        magic = int.from_bytes(wire.MAGIC, "little")
        both = r"does not hold: bad_magic: {0} is what was {0}\\n  {0}: the code gives {1}, the rule demands {2}\\n"
        pattern = both.format("found", f"{magic:#x}", "(0x[0-9a-f]+)") + both.format("expected", r"\\1", f"{magic:#x}")
        self.assertRegex(finding["detail"], pattern.replace("\\\\", "\\"))
        # The command shows the same again, and with the core as it is, that there is nothing.
        words = shlex.split(finding["replay"])
        self.assertEqual(
            (words[0], words[-1]), ("scripts/prove", str(out / "found" / "O2-open-by-copy" / "input.json"))
        )
        again = self.prove(*words[1:], **broken)
        self.assertEqual((again.returncode, again.stdout), (1, finding["detail"] + "\n"))
        self.assertEqual(support.read(pathlib.Path(words[-1]))["level"], 2)
        mended = self.prove(*words[1:])
        self.assertEqual(mended.returncode, 0, mended.stdout + mended.stderr)
        self.assertIn("claims hold", mended.stdout)

    def test_what_cannot_be_kept_is_still_found(self) -> None:
        out, result = self.top / "out", self.top / "result.json"
        out.touch()  # no folder
        done = self.prove("open-by-copy", "--out", out, "--json", result, **self.broken())
        self.assertEqual(done.returncode, 1, done.stderr)
        [finding] = support.read(result)["findings"]
        self.assertEqual((finding["title"], finding["artefacts"]), ("bad_magic: found is what was found", []))
        self.assertIn(f"the input could not be kept: {out}", finding["detail"])
        self.assertIn(finding["detail"], done.stdout)
        self.assertEqual(finding["replay"], "scripts/prove open-by-copy --level 3")

    def test_what_cannot_be_written_is_still_found(self) -> None:
        """The place of the result is lost while the core is compiled."""
        folder, broken = self.top / "folder", self.broken()
        folder.mkdir()
        clang = pathlib.Path(broken["FSQLSHM_CLANG"])
        clang.write_text(clang.read_text("utf-8").replace("for word", f"rm -rf {folder}\nfor word", 1), "utf-8")
        done = self.prove("open-by-copy", "--out", self.top, "--json", folder / "json", **broken)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("violation: bad_magic: found is what was found", done.stdout)
        self.assertRegex(done.stderr, "cannot write the result: .*No such file or directory")


class InterruptTest(CommandTest):
    def test_a_signal_ends_it_with_what_was_decided(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            result = self.top / f"{number}.json"
            words = [str(PROVE), "any-word", "validate", "--json", str(result)]
            process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            assert process.stderr is not None
            self.assertIn("any-word: proved", process.stderr.readline())
            process.send_signal(number)
            _, errors = process.communicate(timeout=200)
            self.assertEqual((process.returncode, errors), (2, "prove: interrupted after 1 of 2 obligations\n"))
            written = support.read(result)
            self.assertEqual(written["reason"], "interrupted after 1 of 2 obligations")
            self.assertEqual([row["status"] for row in written["details"]["proofs"]], ["proved"])

    def test_z3_is_interrupted_while_it_is_at_work(self) -> None:
        """By both signals, though Python hears of neither before z3 returns; and z3 can be asked again."""
        import z3

        stopped: list[int] = []
        a, b = (z3.BitVec(name, 128) for name in "ab")
        # The factors of a product of two primes of 64 bits, which z3 does not find in the time that it has.
        hard = [
            a * b == (2**64 - 59) * (2**64 - 83),
            *(z3.UGT(x, 1) for x in (a, b)),
            *(z3.ULT(x, 2**64) for x in (a, b)),
        ]
        for number in (signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.getsignal(number))
            signal.signal(number, lambda got, _: stopped.append(got))
            sender = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -{int(number)} {os.getpid()}"])
            asked = solver.solver(*hard, seconds=20)
            with self.assertRaises(solver.Interrupted), solver.interruptible(lambda: bool(stopped)):
                solver.check(asked)
            sender.wait()
            self.assertNotEqual(asked.reason_unknown(), "timeout")
            self.assertEqual(stopped, [number])
            stopped.clear()
            self.assertEqual(solver.check(solver.solver(a == 5)), z3.sat)

    def test_trials_are_interrupted(self) -> None:
        result, rows = Result("proofs", "mutants"), mutants.read_table()[:3]
        trial = mutants.Trial(rows[0], None, 0.0)
        with mock.patch.object(mutants, "attempt", return_value=trial) as attempt:
            document.trials(result, rows, 3, lambda _: None, stopped=lambda: bool(attempt.called))
        self.assertEqual(result.reason, "interrupted after 1 of 3 mutants")
        self.assertEqual(result.counts["mutants"], 1)


class ReplayTest(CommandTest):
    units = compiler.compile_units(3)

    def setUp(self) -> None:
        super().setUp()
        self.module = compiler.linked(self.units)
        self.path = self.top / "input.json"

    def kept(self, name: str) -> Any:
        """What is kept of an input that an obligation is about."""
        obligation, version_and_page_size = OBLIGATIONS[name], 1 | 4096 << 32
        values = {"address of header": 1 << 32, "word 1": version_and_page_size}
        case = prove.run_with(obligation, self.module, values)
        show.keep(obligation, case, 3, prove.Example("", values, bytes(wire.SIZE)), self.top)
        return support.read(self.path)

    def replayed(self, name: str, written: Any) -> tuple[bool, str]:
        self.path.write_text(json.dumps(written), encoding="utf-8")
        return show.replayed(OBLIGATIONS[name], self.module, show.Kept.read(OBLIGATIONS[name], self.path))

    def test_a_header_is_replayed(self) -> None:
        done = self.prove("open-by-copy", "--replay", SEED)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"12  00 10 00 00 +page_size +4096\n")
        self.assertIn("claims hold", done.stdout)

    def test_a_header_is_216_bytes(self) -> None:
        longer = self.top / "longer"
        longer.write_bytes(SEED.read_bytes() + b"x" * 1000)
        kept = show.Kept.read(OBLIGATIONS["open-by-copy"], longer)
        self.assertEqual(kept.values["size"], 1216)
        self.assertTrue(show.replayed(OBLIGATIONS["open-by-copy"], self.module, kept)[0])

    def test_what_is_no_file_is_refused(self) -> None:
        pipe = self.top / "pipe"
        os.mkfifo(pipe)
        (self.top / "link.json").symlink_to(pipe)
        for path in (pipe, self.top / "link.json", self.top):
            self.refuses("not a regular file", "open-by-copy", "--replay", path)
        self.refuses("No such file", "open-by-copy", "--replay", self.top / "nothing")

    def test_what_is_replayed_goes_by_its_name(self) -> None:
        header = self.top / "header"
        header.write_bytes(b"{" * wire.SIZE)
        kept = show.Kept.read(OBLIGATIONS["open-by-copy"], header)
        self.assertEqual(kept.values["word 0"], int.from_bytes(b"{" * 8, "little"))

    def test_every_obligation_knows_its_inputs(self) -> None:
        for name in OBLIGATIONS:
            self.assertTrue(self.replayed(name, self.kept(name))[0], name)

    def test_damaged_inputs_are_refused(self) -> None:
        written = self.kept("any-word")
        for value in (-1, 1.5, 1.0, 1 << 64, None, "1", True, [1]):
            with self.subTest(value), self.assertRaisesRegex(CouldNotRun, "writer is "):
                self.replayed("any-word", written | {"values": written["values"] | {"writer": value}})
        for whole in (None, "abc", [1], {}, written | {"level": 4}, written | {"more": 1}, written | {"values": [1]}):
            with self.subTest(whole), self.assertRaisesRegex(CouldNotRun, "is no input of an obligation"):
                self.replayed("any-word", whole)
        without = {name: value for name, value in written["values"].items() if name != "writer"}
        for values, why in ((without, "writer is missing"), (written["values"] | {"x": 1}, "x is no input of it")):
            with self.assertRaisesRegex(CouldNotRun, why):
                self.replayed("any-word", written | {"values": values})
        with self.assertRaisesRegex(CouldNotRun, "an input of any-word, not of checksum"):
            self.replayed("checksum", written)
        self.path.write_text("{", encoding="utf-8")
        self.refuses("cannot read", "any-word", "--replay", self.path)
        self.path.write_text("null", encoding="utf-8")
        self.refuses("it is null, expected object", "any-word", "--replay", self.path)

    def test_what_it_is_not_about_is_refused(self) -> None:
        written = self.kept("open-by-copy")
        written["values"]["address of header"] = 7
        with self.assertRaisesRegex(CouldNotRun, "open-by-copy is not about this input"):
            self.replayed("open-by-copy", written)
        self.refuses("open-by-copy is not about this input", "open-by-copy", "--replay", self.path)


class SidesTest(unittest.TestCase):
    def test_each_claim_that_does_not_hold_is_shown_with_its_sides(self) -> None:
        def state(case: Case) -> None:
            five, row = case.bits("five", 8), [case.bits("code", 64), case.bits("other", 64)]
            case.claim_equal("right", Pair("x", five, Bits(8, 5)))
            case.claim_equal("wrong", Pair("x", five, Bits(8, 6)), Pair("y", five, Bits(8, 5)), Pair("z", True, False))
            case.claim_equal("of nothing", Pair("x", five, Bits(8, 7)), when=False)
            case.claim("many would do", False, Pair("x", five, "at least 6"), Pair("y", five, Bits(8, 9), when=False))
            rules = [(False, row[::-1]), (True, [Bits(64, 1), row[1]])]
            case.claim_row("row", ("code", "other"), row, rules)

        obligation = Obligation("sides", "", state)
        case = prove.run_with(obligation, ir.Module(), {"five": 5, "other": 3})
        expected = """
does not hold: wrong
  x: the code gives 0x5, the rule demands 0x6
  z: the code gives true, the rule demands false
does not hold: many would do
  x: the code gives 0x5, the rule demands at least 6
does not hold: row
  code: the code gives 0x0 (too_small), the rule demands 0x1 (bad_magic)
"""
        self.assertEqual(show.failures(case), expected.strip().splitlines())


if __name__ == "__main__":
    unittest.main()
