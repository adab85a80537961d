#!/usr/bin/python3
"""The programs from outside: options, exit status, documents, signals, and nothing left behind."""

import fcntl
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from typing import Any

import support

ROLES = ("publisher", "reader", "writer", "checker", "allocator", "forker", "gc", "opener", "inspector")
STRESS, INSPECT = sys.argv[1:3]
del sys.argv[1:3]


def run(*command: str | float | pathlib.Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout, check=False)


class Programs(support.FullDisk):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.addCleanup(self.folder.cleanup)

    def test_help(self) -> None:
        for program in (STRESS, INSPECT):
            done = run(program, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertIn("Exit status", done.stdout)

    def test_bad_options(self) -> None:
        for arguments in (
            ["--nonsense"],
            ["--protocol", "other"],
            ["--shard", "3/2"],
            ["--chaos", "none,kill"],
            ["--chaos", "stop", "--kills", "5"],
            ["--workers", "0"],
            ["--seconds", "-1"],
            ["--seconds", "nan"],
            ["--seconds", "inf"],
            ["--json", ""],
            [f"--{role}s=0" for role in ROLES],
            ["--dir", "/nowhere"],
            ["--seed", "-1"],
            ["--kills", "-1"],
            ["outcomes", "--iterations", "0"],
        ):
            done = run(STRESS, *arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertTrue(done.stderr.startswith("fsqlshm-stress: "), done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def test_documents(self) -> None:
        json_file = self.path / "r.json"
        junit_file = self.path / "r.xml"
        done = run(STRESS, "--seconds", 1, "--seed", 5, "--quiet", "--json", json_file, "--junit", junit_file)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        document = json.loads(json_file.read_text())
        self.assertEqual(document["schema"], "fsqlshm-result/1")
        self.assertEqual(document["status"], "clean")
        self.assertEqual(document["seed"], 5)
        self.assertGreater(document["counts"]["snapshot_reads"], 0)
        self.assertIn('failures="0"', junit_file.read_text())

    def test_a_document_that_cannot_be_written(self) -> None:
        done = run(STRESS, "--seconds", 0.5, "--workers", 1, "--quiet", "--json", self.path / "no/r.json")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("no/r.json", done.stderr)

    def test_reference_is_found_and_can_be_replayed(self) -> None:
        json_file = self.path / "r.json"
        done = run(STRESS, "--protocol", "reference", "--seconds", 30, "--quiet", "--json", json_file)
        self.assertEqual(done.returncode, 1, done.stdout)
        finding = json.loads(json_file.read_text())["findings"][0]
        self.assertIn(f"reproduce: {finding['replay']}\n", done.stdout)
        # The seed that was drawn, and nothing of where this run's results went.
        seed = json.loads(json_file.read_text())["seed"]
        self.assertEqual(finding["replay"], f"{STRESS} --protocol reference --seconds 30 --seed {seed}")

    @unittest.skipIf(os.environ["FSQLSHM_SANITIZER"], "crash_points_test.cc has the same search; a fork is slow here")
    def test_expected_defects_are_clean(self) -> None:
        done = run(STRESS, "crash-points", "--protocol", "reference", "--expect-defects", "--quiet")
        self.assertEqual(done.returncode, 0, done.stdout)
        for defect in ("D2", "D3", "D5", "D6"):
            self.assertIn(f"({defect}", done.stdout)

    def test_a_run_without_an_end_is_meant_to_be_interrupted(self) -> None:
        process = subprocess.Popen(
            [STRESS, "--seconds", "0", "--dir", self.folder.name, "--quiet"], stdout=subprocess.DEVNULL
        )
        while not list(self.path.glob("fsqlshm-stress.*/*.fsqlite-shm")):
            time.sleep(0.01)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=60), 0)

    def test_a_lost_output_is_no_success(self) -> None:
        self.assert_lost_output_is_no_success(STRESS, "recovery", "--deaths", 1, "--quiet")

    def test_the_cost_of_verification(self) -> None:
        json_file = self.path / "r.json"
        done = run(STRESS, "verification", "--rounds", 2, "--run-seconds", 0.2, "--quiet", "--json", json_file)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        document = json.loads(json_file.read_text())
        found = document["details"]["verification"]
        self.assertGreater(document["counts"]["snapshot_reads"], 0)
        self.assertGreater(found["checked_per_second"], 0)
        self.assertGreater(found["bare_per_second"], 0)

    def test_interrupt_ends_with_a_report(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            # On a busy machine it takes its time until something is done that can be reported.
            reads = (self.reads_until(number, seconds) for seconds in (0.3, 3, 30))
            self.assertTrue(any(reads), "no read was reported")

    def reads_until(self, number: signal.Signals, seconds: float) -> int:
        """What a run that is interrupted after so many seconds reports."""
        json_file = self.path / f"{number}.json"
        process = subprocess.Popen(
            [STRESS, "--seconds", "100", "--dir", self.folder.name, "--quiet"]
            + ["--json", str(json_file), "--chaos-rate", "100"],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        while not list(self.path.glob("fsqlshm-stress.*/*.fsqlite-shm")):
            time.sleep(0.01)
        time.sleep(seconds)
        # To the whole group, as a terminal does.
        os.killpg(process.pid, number)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 2, output)
        document = json.loads(json_file.read_text())
        self.assertEqual(document["status"], "could_not_run")
        self.assertIn("of 100 s", document["reason"])
        self.assertTrue(document["details"]["interrupted"])
        self.assertEqual(list(self.path.glob("fsqlshm-stress.*")), [])
        # No process of the group is left; a child that sleeps outlives its worker by some milliseconds.
        with self.assertRaises(ProcessLookupError):
            for _ in range(1000):
                os.killpg(process.pid, 0)
                time.sleep(0.01)
        return int(document["counts"]["snapshot_reads"])

    def test_the_inspector_works_on_a_file_in_use(self) -> None:
        json_file = self.path / "inspected.json"
        process = subprocess.Popen(
            [STRESS, "--seconds", "0", "--dir", self.folder.name, "--quiet", "--publish-rate", "0"]
            + ["--workers", "1", "--chaos", "none"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            files: list[pathlib.Path] = []
            while not files:
                files = list(self.path.glob("fsqlshm-stress.*/*.fsqlite-shm"))
                time.sleep(0.01)
            time.sleep(0.2)
            for _ in range(5):
                done = run(INSPECT, files[0], "--json", json_file)
                # 1 where it meets a writer whose fast-running lease is over; never a broken header.
                self.assertIn(done.returncode, (0, 1), done.stderr)
                self.assertIn("layout checksum: right", done.stdout)
                self.assertNotIn("crash-stale", done.stdout)
                details = json.loads(json_file.read_text())["details"]
                self.assertEqual(details["next_opener"], "joins")
                pids = {user["pid"] for user in details["users"]["opens"]}
                self.assertIn(process.pid, pids)
                self.assertGreaterEqual(len(pids), 2, "the parent and its worker")
        finally:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, output)


class Inspect(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.file = pathlib.Path(self.folder.name) / "x.db.fsqlite-shm"
        self.json = pathlib.Path(self.folder.name) / "x.json"
        self.addCleanup(self.folder.cleanup)
        golden = pathlib.Path(__file__).parent.parent / "corpus/golden/headers.jsonl"
        header = None
        for line in golden.read_text().splitlines():
            case = json.loads(line)
            found = [v for v in case.values() if isinstance(v, str) and len(v) == 432]
            if found and struct.unpack_from("<I", bytes.fromhex(found[0]), 16)[0] == 128:
                header = bytes.fromhex(found[0])
                break
        assert header is not None
        end = struct.unpack_from("<QQ", header, 128)
        self.file.write_bytes(header.ljust(sum(end), b"\0"))

        self.lock_file = pathlib.Path(f"{self.file}-lock")

    def lock(self, byte: int, kind: int = fcntl.F_WRLCK) -> None:
        """A lock on a byte of the lock file, as an open of the file holds it, up to the end of the test."""
        holder = self.lock_file.open("a+b")
        self.addCleanup(holder.close)
        # struct flock: type, whence, start, length, pid; F_OFD_SETLK is 37 on Linux.
        fcntl.fcntl(holder, 37, struct.pack("hhqqi4x", kind, 0, byte, 1, 0))

    def keep_open(self) -> None:
        """Somebody has the file open: OPEN, ESTABLISHED and a NAME are locked, up to the end of the test."""
        (checksum,) = struct.unpack_from("<Q", self.file.read_bytes(), 144)
        file = (self.file.stat().st_ino ^ checksum) & (1 << 61) - 1
        for byte in (0, 1 << 61 | file):
            self.lock(byte, fcntl.F_RDLCK)
        self.lock(1 << 62 | 77 << 40 | 1)

    def poke(self, offset: int, value: int) -> None:
        with self.file.open("r+b") as out:
            out.seek(offset)
            out.write(struct.pack("<Q", value))

    def inspect(self, *arguments: str | float) -> tuple[subprocess.CompletedProcess[str], Any]:
        done = run(INSPECT, self.file, "--json", self.json, *arguments)
        document = json.loads(self.json.read_text()) if done.returncode != 2 else None
        return done, document

    def test_a_new_header_is_healthy(self) -> None:
        before = self.file.read_bytes()
        done, document = self.inspect()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("layout checksum: right", done.stdout)
        self.assertIn("no serialized writer", done.stdout)
        self.assertEqual(document["details"]["open"], "ok")
        self.assertEqual(document["details"]["publication"]["state"], "stable")
        self.assertEqual(len(document["details"]["fields"]), 22)
        self.assertEqual(document["details"]["users"], {"known": True, "opens": [], "first_opener_at_work": False})
        self.assertEqual(document["details"]["next_opener"], "recovers")
        self.assertEqual(self.file.read_bytes(), before)
        self.assertFalse(self.lock_file.exists(), "looking leaves nothing behind")

    def test_a_dead_publisher_and_its_repair(self) -> None:
        self.poke(32, 7)
        self.poke(40, 3)
        before = self.file.read_bytes()
        done, document = self.inspect()
        self.assertEqual(done.returncode, 1)
        self.assertEqual(document["details"]["publication"]["state"], "crash-stale")
        self.assertIn("snapshot_seq_odd", document["details"]["validate"])
        self.assertEqual(self.file.read_bytes(), before)
        commands: list[list[str | int]] = [
            ["--repair"],
            ["--repair", "--commit-seq", 1, "--schema-epoch", 2],
            ["--commit-seq", 1, "--schema-epoch", 2, "--ecs-epoch", 3],
            ["--repair", "--commit-seq", -1, "--schema-epoch", 2, "--ecs-epoch", 3],
        ]
        for incomplete in commands:
            self.assertEqual(self.inspect(*incomplete)[0].returncode, 2, incomplete)
            self.assertEqual(self.file.read_bytes(), before)
        self.keep_open()
        done, document = self.inspect("--repair", "--commit-seq", 10, "--schema-epoch", 11, "--ecs-epoch", 12)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(struct.unpack_from("<QQQQ", self.file.read_bytes(), 32), (8, 10, 11, 12))

    def test_what_nobody_has_open_is_left_to_the_next_opener(self) -> None:
        """It establishes the state; who opens it to mend one word would keep it from that."""
        self.poke(32, 7)
        self.poke_writer((5, 0, 0, 0))
        before = self.file.read_bytes()
        repair: list[str | int] = ["--repair", "--commit-seq", 10, "--schema-epoch", 11, "--ecs-epoch", 12]
        clear: list[str | int] = ["--clear-writer", 5]
        for arguments in (repair, clear):
            done, _ = self.inspect(*arguments)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("nobody has it open", done.stderr)
            self.assertEqual(self.file.read_bytes(), before)
            self.assertFalse(self.lock_file.exists(), "nothing is left behind")
        said = self.inspect()[0].stdout
        self.assertIn("the next opener establishes the state", said)
        self.assertIn("the next opener clears it", said)
        self.assertNotIn("--", said)
        self.keep_open()
        said = self.inspect()[0].stdout
        self.assertIn("with the durable values", said)
        self.assertIn("--clear-writer 5", said)

    def test_repair_lowers_nothing_in_force_unasked(self) -> None:
        self.keep_open()
        for offset, value in ((40, 10), (48, 11), (56, 12)):
            self.poke(offset, value)
        before = self.file.read_bytes()
        for lower in ((9, 11, 12), (10, 10, 12), (10, 11, 11)):
            values = ("--commit-seq", lower[0], "--schema-epoch", lower[1], "--ecs-epoch", lower[2])
            done, _ = self.inspect("--repair", *values)
            self.assertEqual(done.returncode, 2, lower)
            self.assertIn("needs --lower; nothing was changed", done.stderr)
            self.assertEqual(self.file.read_bytes(), before)
            done, _ = self.inspect("--repair", "--lower", *values)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(struct.unpack_from("<QQQ", self.file.read_bytes(), 40), lower)
            self.file.write_bytes(before)

    def test_repair_refuses_while_a_publisher_holds_the_lock(self) -> None:
        self.poke(32, 7)
        before = self.file.read_bytes()
        self.keep_open()
        self.lock(1)
        done, document = self.inspect()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(document["details"]["publication"], {"seq": 7, "locked": True, "state": "in progress"})
        done, _ = self.inspect("--repair", "--commit-seq", 10, "--schema-epoch", 11, "--ecs-epoch", 12)
        self.assertEqual(done.returncode, 2)
        self.assertIn("live publisher", done.stderr)
        self.assertEqual(self.file.read_bytes(), before)

    PID, TOKEN = 1234, 0xABCDEF0123

    def test_who_has_the_file_open(self) -> None:
        names = [(self.PID, self.TOKEN), (self.PID, self.TOKEN + 1), (4321, 0)]
        for pid, token in names:
            self.lock(1 << 62 | pid << 40 | token)
        done, document = self.inspect()
        self.assertEqual(done.returncode, 0, done.stdout)
        users = document["details"]["users"]
        self.assertEqual(sorted((user["pid"], user["token"]) for user in users["opens"]), names)
        self.assertEqual(document["details"]["next_opener"], "joins")
        self.assertIn("process 1234 (token 0xabcdef0123)", done.stdout)
        self.lock(0)
        done, document = self.inspect()
        self.assertTrue(document["details"]["users"]["first_opener_at_work"])
        self.assertEqual(document["details"]["next_opener"], "waits")

    def poke_writer(self, words: tuple[int, ...]) -> None:
        for index, word in enumerate(words):
            self.poke(72 + 8 * index, word)

    def test_writers(self) -> None:
        # (id, pid and generation, birth, lease) and what is said of it
        self.lock(1 << 62 | self.PID << 40 | self.TOKEN)
        live = self.PID | 1 << 32
        birth = self.TOKEN | 1 << 63
        now = int(time.time())
        for words, status, text in (
            ((5, live, birth, 0), 0, "(alive) is the serialized writer, without a lease"),
            ((5, live, birth, now + 100), 0, "(alive) is the serialized writer, lease left"),
            ((5, live, birth, now - 100), 1, "lease ran out"),
            ((5, live, birth + 1, 0), 1, "(dead)"),
            ((5, live + 1, birth, now + 100), 1, "(dead) is the serialized writer, lease left"),
            ((5, live, birth, (now + 100) * 10**3), 1, "if it is in ms; it should be in seconds"),
            ((5, live, birth, (now - 100) * 10**6), 1, "s ago if it is in us; it should be in seconds"),
            ((5, live, birth, (now + 100) * 10**9), 1, "if it is in ns; it should be in seconds"),
            ((5, live, birth, 2**64 - 1), 1, "no time in any unit"),
            ((5, live, birth, 2**63), 1, "no time in any unit"),
            ((1 << 62 | self.PID << 40 | self.TOKEN, 0, 0, 0), 0, "about to become"),
            ((1 << 62 | self.PID << 40 | 1, 0, 0, 0), 1, "(dead) is about to become"),
            ((2 << 62 | self.PID << 40 | 1, 0, 0, 0), 1, "(dead) is clearing"),
            ((1 << 62, 0, 0, 0), 1, f"--clear-writer {1 << 62}"),
            ((5, 0, 0, 0), 1, "writer_unjudgeable"),
            ((3 << 62, 0, 0, 0), 1, "unknown state word"),
            ((0, 0, 0, 9), 1, "writer_leftovers"),
        ):
            self.poke_writer(words)
            done, _ = self.inspect()
            self.assertEqual(done.returncode, status, done.stdout)
            self.assertIn(text, done.stdout)

    def test_clear_writer(self) -> None:
        self.keep_open()
        birth = self.TOKEN | 1 << 63
        for words in (
            (5, 0, 0, 0),  # names nobody
            (5, 0, 0, int(time.time()) * 1000),
            (5, self.PID, birth, 2**64 - 1),
            (1 << 62, 7, 8, 9),
            (2 << 62, 7, 8, 9),
            (3 << 62, 7, 8, 9),
        ):
            self.poke_writer(words)
            before = self.file.read_bytes()
            done, _ = self.inspect("--clear-writer", words[0] + 1)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn(f"the writer is not {words[0] + 1}", done.stderr)
            self.assertEqual(self.file.read_bytes(), before)
            done, document = self.inspect("--clear-writer", words[0])
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertTrue(document["details"]["cleared"])
            self.assertEqual(struct.unpack_from("<QQQQ", self.file.read_bytes(), 72), (0, 0, 0, 0))

    def test_clear_writer_refuses_one_that_lives(self) -> None:
        self.keep_open()
        name = self.PID << 40 | self.TOKEN
        self.lock(1 << 62 | name)
        for words in (
            (5, self.PID, self.TOKEN | 1 << 63, 1),
            (5, self.PID, self.TOKEN | 1 << 63, 2**64 - 1),
            (1 << 62 | name, 0, 0, 0),
            (2 << 62 | name, 0, 0, 0),
        ):
            self.poke_writer(words)
            before = self.file.read_bytes()
            done, _ = self.inspect("--clear-writer", words[0])
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn("the writer lives", done.stderr)
            self.assertEqual(self.file.read_bytes(), before)

    def test_no_signal_when_the_file_is_truncated_under_it(self) -> None:
        whole = self.file.read_bytes()
        self.keep_open()
        truncator = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import os, sys\nwhile True:\n  for n in (0, 100, 216, 1 << 16): os.truncate(sys.argv[1], n)",
            ]
            + [str(self.file)]
        )
        try:
            repair = ("--repair", "--commit-seq", "1", "--schema-epoch", "1", "--ecs-epoch", "1")
            for arguments in (*[(), ("--clear-writer", "5"), repair] * 10,):
                done = run(INSPECT, self.file, *arguments)
                self.assertIn(done.returncode, (0, 1, 2), done.stderr)
        finally:
            truncator.kill()
            truncator.wait()
        self.file.write_bytes(whole)
        self.assertEqual(self.inspect()[0].returncode, 0)

    def test_what_a_first_opener_would_do(self) -> None:
        whole = self.file.read_bytes()
        for offset, value, expected in ((144, 1, "makes anew"), (0, 1, "refuses"), (8, 2, "refuses")):
            self.poke(offset, value)
            done, document = self.inspect()
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertEqual(document["details"]["next_opener"], expected, done.stdout)
            self.file.write_bytes(whole)
        self.file.write_bytes(bytes(len(whole)))
        self.assertEqual(self.inspect()[1]["details"]["next_opener"], "makes anew", "never written")
        self.file.unlink()
        self.assertIn("the next opener would create it", self.inspect()[0].stderr)

    def test_broken_files(self) -> None:
        self.poke(144, 1)
        done, document = self.inspect()
        self.assertEqual(done.returncode, 1)
        self.assertIn("layout checksum: WRONG", done.stdout)
        self.assertEqual(document["details"]["open"], "checksum_mismatch")
        done, _ = self.inspect("--repair", "--commit-seq", 1, "--schema-epoch", 1, "--ecs-epoch", 1)
        self.assertEqual(done.returncode, 2)
        self.file.write_bytes(b"short")
        self.assertEqual(self.inspect()[0].returncode, 2)
        self.file.unlink()
        self.assertEqual(self.inspect()[0].returncode, 2)
        self.file.symlink_to("/etc/passwd")
        done, _ = self.inspect()
        self.assertEqual(done.returncode, 2)
        self.assertIn("symbolic link", done.stderr)

    def test_a_truncated_file_still_shows_its_header(self) -> None:
        os.truncate(self.file, 216)
        done, document = self.inspect()
        self.assertEqual(done.returncode, 1)
        self.assertEqual(document["details"]["open"], "file_truncated")
        self.assertIn("layout checksum: right", done.stdout)


if __name__ == "__main__":
    unittest.main()
