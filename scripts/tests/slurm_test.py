"""A campaign over a real Slurm, of one node, that this test starts and ends by itself.

Usage: slurm_test.py [BUILD], a build folder with fsqlshm-relacy and fsqlshm-golden; without it the engines
are only pretended ones. Exit status 77 (skipped, for CTest) with a sentence where Slurm is not installed or cannot
start.
"""

import contextlib
import os
import pathlib
import pwd
import shlex
import shutil
import socket
import subprocess
import sys
import time
import unittest
from typing import Any

import support

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "sinfo", "scontrol", "scancel")
SKIPPED = 77
HERE = pathlib.Path(__file__).resolve().parent
ROOT = support.SCRIPTS.parent
BUILD = pathlib.Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else None
# Found without a place in PATH.
ENVIRONMENT = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}


class CannotStart(Exception):
    """Why there is no Slurm to test with."""


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Slurm:
    """One node on the loopback, all of its files in one folder. It has no other user, so none needs
    to be authenticated (auth/none): the project's scripts are tested, not Slurm's security."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        controller, node = free_ports(2)
        user = pwd.getpwuid(os.getuid()).pw_name
        host = socket.gethostname().split(".")[0]
        self.config = folder / "slurm.conf"
        for name in ("state", "spool"):
            (folder / name).mkdir()
        self.config.write_text(
            f"""
ClusterName=fsqlshm
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SchedulerType=sched/builtin
SelectType=select/linear
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=600
MaxArraySize=100
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=one Default=YES OverSubscribe=FORCE:4 MaxTime=10 State=UP
""",
            encoding="utf-8",
        )
        self.environment = {**ENVIRONMENT, "SLURM_CONF": str(self.config)}

    def command(self, *words: Any, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(w) for w in words], env=self.environment, capture_output=True, text=True, check=False, timeout=timeout
        )

    def start(self) -> None:
        for words in (["slurmctld", "-D", "-c"], ["slurmd", "-D", "-N", "one"]):
            log = open(self.folder / f"{words[0]}.out", "wb")
            with log:
                self.processes[words[0]] = subprocess.Popen(
                    [*words, "-f", str(self.config)],
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for name, process in self.processes.items():
                if process.poll() is not None:
                    raise CannotStart(f"{name} ended at once: {self.last_words(name)}")
            done = self.command("sinfo", "-h", "-o", "%T")
            if done.returncode == 0 and done.stdout.strip() == "idle":
                return
            time.sleep(0.3)
        raise CannotStart(f"no idle node after 30 s: {self.last_words('slurmd')}; {self.last_words('slurmctld')}")

    def last_words(self, name: str) -> str:
        text = ""
        for path in (self.folder / f"{name}.out", self.folder / f"{name}.log"):
            with contextlib.suppress(OSError):
                text += path.read_text(encoding="utf-8", errors="replace")
        return " | ".join(text.strip().splitlines()[-4:])

    def stop(self) -> None:
        with contextlib.suppress(subprocess.SubprocessError, OSError):
            self.command("scancel", "--user", pwd.getpwuid(os.getuid()).pw_name)
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in reversed(self.processes.values()):
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def job(self, number: str) -> tuple[str, str]:
        """State and exit status of a job, as the controller remembers it."""
        done = self.command("scontrol", "show", "job", "-o", number)
        words = dict(w.split("=", 1) for w in shlex.split(done.stdout.replace("'", "")) if "=" in w)
        return words.get("JobState", ""), words.get("ExitCode", "")

    def wait_for(self, number: str, seconds: float = 120) -> tuple[str, str]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            state, code = self.job(number)
            if state in ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"):
                return state, code
            time.sleep(0.3)
        raise AssertionError(f"job {number} did not end in {seconds} s: {self.command('squeue').stdout}")


slurm: Slurm  # main starts it


class SlurmTest(support.FolderTest):
    def setUp(self) -> None:
        super().setUp()
        self.names = ["golden", "proofs", "relacy", "rc11", "step", "fuzz", "stress", "world", "bench"]

    def campaign(self, text: str) -> pathlib.Path:
        """A program that takes a campaign's arguments, with pretended engines."""
        return self.program(support.make_engines(self.top / "engines", self.names, text=text))

    def program(self, engines: pathlib.Path) -> pathlib.Path:
        program = self.top / "campaign"
        program.write_text(
            f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -B {shlex.quote(str(HERE / 'drive.py'))} campaign "
            f'{shlex.quote(str(engines))} "$@"\n',
            encoding="utf-8",
        )
        program.chmod(0o755)
        slurm.environment["FSQLSHM_CAMPAIGN"] = str(program)
        return program

    def submit(self, *arguments: Any) -> str:
        done = slurm.command(support.SCRIPTS / "slurm" / "submit", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return str(done.stdout).strip()

    def by_hand(self, program: pathlib.Path, shards: int, *arguments: str) -> Any:
        for index in range(1, shards + 1):
            subprocess.run(
                [
                    str(program),
                    "--shard",
                    f"{index}/{shards}",
                    "--out",
                    str(self.top / f"hand-{index}"),
                    "--seed",
                    "3",
                    "--minutes",
                    "0.5",
                    *arguments,
                ],
                capture_output=True,
                check=False,
                timeout=100,
            )
        subprocess.run(
            [
                str(support.SCRIPTS / "merge"),
                "--out",
                str(self.top / "hand"),
                *[str(self.top / f"hand-{i}") for i in range(1, shards + 1)],
            ],
            capture_output=True,
            check=False,
            timeout=100,
        )
        return support.read(self.top / "hand" / "summary.json")

    def test_two_shards_are_what_two_runs_by_hand_are(self) -> None:
        program = self.campaign(support.ENGINE)
        number = self.submit("--shards", "2", "--out", self.top / "slurm", "--seed", "3", "--", "--minutes", "0.5")
        state, code = slurm.wait_for(number)
        log = (self.top / "slurm" / "merge.log").read_text(encoding="utf-8")
        self.assertEqual((state, code), ("FAILED", "1:0"), log)  # they find something, and say so
        merged, hand = support.read(self.top / "slurm" / "summary.json"), self.by_hand(program, 2)
        self.assertEqual(merged["shard"], "2 of 2")
        for member in ("counts", "status", "engine", "subject"):
            self.assertEqual([d[member] for d in merged["results"]], [d[member] for d in hand["results"]], member)
        titles = [sorted(f["title"] for d in s["results"] for f in d["findings"]) for s in (merged, hand)]
        self.assertEqual(titles[0], titles[1])
        self.assertTrue(titles[0])
        counts = {(d["engine"], d["subject"]): d["counts"].get("executions") for d in merged["results"]}
        self.assertEqual(counts[("relacy", "late")], 1000)
        self.assertTrue((self.top / "slurm" / "report.html").is_file())

    @unittest.skipUnless(BUILD, "no programs to run")
    def test_two_shards_of_real_engines(self) -> None:
        """With budgets of iterations: what a budget of time does cannot be repeated."""
        assert BUILD is not None
        relacy = [BUILD / "relacy" / "fsqlshm-relacy", "--quiet", "--shard", "{shard}"]
        iterations = ["--iterations", "5001", "--first-iteration", "{first}"]
        real = support.make_real_engines(
            self.top / "engines",
            {
                "golden": [
                    [
                        BUILD / "core" / "tools" / "fsqlshm-golden",
                        ROOT / "corpus" / "golden",
                        "--json",
                        "{out}/golden.json",
                    ]
                ],
                "relacy": [
                    [*relacy, *iterations, "--json", "{out}/hardened.json"],
                    [
                        *relacy,
                        "--protocol",
                        "reference",
                        "--iterations",
                        "31",
                        "--first-iteration",
                        "{first}",
                        "--json",
                        "{out}/reference.json",
                    ],
                    [*relacy, "--search", "bounded", "--context-bound", "2", "--json", "{out}/bounded.json"],
                ],
            },
        )
        program = self.program(real)
        engines = ["--engines", "golden,relacy"]
        number = self.submit(
            "--shards", "2", "--out", self.top / "slurm", "--seed", "3", "--", "--minutes", "0.5", *engines
        )
        slurm.wait_for(number)
        merged, hand = support.read(self.top / "slurm" / "summary.json"), self.by_hand(program, 2, *engines)
        self.assertEqual(merged["shard"], "2 of 2")
        for member in ("counts", "status", "engine", "subject"):
            self.assertEqual([d[member] for d in merged["results"]], [d[member] for d in hand["results"]], member)
        found = [
            sorted((f["severity"], f["title"]) for d in s["results"] for f in d["findings"]) for s in (merged, hand)
        ]
        self.assertEqual(found[0], found[1])
        self.assertTrue(found[0])
        # Together the shards did all of it, but for what a violation that had to be found cut short.
        hardened = next(d for d in merged["results"] if d["document"].endswith("hardened.json"))
        clean = [s for s in hardened["details"]["scenarios"] if s["status"] == "clean"]
        self.assertGreater(len(clean), 20)
        self.assertEqual({s["executions"] for s in clean}, {5001})
        self.assertNotIn("could_not_run", [d["status"] for d in merged["results"]])

    def test_a_shard_that_dies_is_missed(self) -> None:
        self.names = ["golden"]
        program = self.campaign(support.ENGINE.replace("n % 3 == 0", "False"))
        program.write_text(
            program.read_text(encoding="utf-8").replace("exec", 'case "$*" in *"--shard 2/2"*) exit 9;; esac; exec'),
            encoding="utf-8",
        )
        number = self.submit(
            "--shards", "2", "--out", self.top / "slurm", "--", "--minutes", "0.5", "--engines", "golden"
        )
        self.assertEqual(slurm.wait_for(number), ("FAILED", "2:0"))
        self.assertIn("shard 2/2 is missing", (self.top / "slurm" / "summary.md").read_text(encoding="utf-8"))

    def test_bad_arguments(self) -> None:
        bad: list[list[Any]] = [
            [],
            ["--shards", "0", "--out", self.top / "x"],
            ["--shards", "2"],
            ["--bogus"],
            ["--shards"],
        ]
        for arguments in bad:
            done = slurm.command(support.SCRIPTS / "slurm" / "submit", *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1)


def main() -> int:
    global slurm
    missing = [p for p in PROGRAMS if not shutil.which(p, path=ENVIRONMENT["PATH"])]
    if missing:
        print(
            f"SKIPPED: no Slurm to test with: {', '.join(missing)} not installed (Debian: slurm-wlm)", file=sys.stderr
        )
        return SKIPPED
    with support.temporary() as folder:
        slurm = Slurm(pathlib.Path(folder))
        try:
            try:
                slurm.start()
            except CannotStart as error:
                print(f"SKIPPED: Slurm cannot start here: {error}", file=sys.stderr)
                return SKIPPED
            program = unittest.main(exit=False)
            return 0 if program.result.wasSuccessful() else 1
        finally:
            slurm.stop()


if __name__ == "__main__":
    sys.exit(main())
