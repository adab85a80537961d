"""What a process may use: processors and memory, of the machine and of the control groups around it."""

import os
import unittest
from unittest import mock

import support

from fsqlshm import limits
from fsqlshm.engines import fuzz

GIB = 1 << 30


class Groups(support.FolderTest):
    """A control group in a slice."""

    def setUp(self) -> None:
        super().setUp()
        self.proc, self.cgroups = self.top / "proc", self.top / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        self.own = self.cgroups / "a.slice" / "b.service"
        self.own.mkdir(parents=True)
        (self.proc / "self" / "cgroup").write_text("0::/a.slice/b.service\n")
        (self.proc / "meminfo").write_text("MemTotal: 999 kB\nMemAvailable:    8388608 kB\n")

    def processors(self, of_the_machine: int = 16) -> int:
        with mock.patch.object(os, "sched_getaffinity", lambda _: set(range(of_the_machine))):
            return limits.processors(self.proc, self.cgroups)

    def memory(self) -> int:
        return limits.memory(self.proc, self.cgroups)

    def test_without_limits_all_is_there(self) -> None:
        for name, text in (("cpu.max", "max 100000"), ("memory.max", "max"), ("memory.current", "7")):
            (self.own / name).write_text(text)
        self.assertEqual((self.processors(), self.memory()), (16, 8 * GIB))

    def test_the_least_limit_holds_whichever_group_has_it(self) -> None:
        (self.own / "cpu.max").write_text("350000 100000\n")
        self.assertEqual(self.processors(), 4)
        self.assertEqual(self.processors(2), 2)
        (self.own.parent / "cpu.max").write_text("50000 100000\n")
        self.assertEqual(self.processors(), 1)
        for group, most, used in ((self.own, 6 * GIB, GIB), (self.own.parent, 3 * GIB, 2 * GIB)):
            (group / "memory.max").write_text(f"{most}\n")
            (group / "memory.current").write_text(f"{used}\n")
        self.assertEqual(self.memory(), GIB)
        (self.own / "memory.current").write_text(f"{7 * GIB}\n")  # a limit that was lowered
        self.assertEqual(self.memory(), 0)

    def test_files_that_are_only_cached_are_not_in_use(self) -> None:
        (self.own / "memory.max").write_text(f"{4 * GIB}\n")
        (self.own / "memory.current").write_text(f"{4 * GIB}\n")
        (self.own / "memory.stat").write_text(f"anon {GIB}\nactive_file 0\ninactive_file {3 * GIB}\n")
        self.assertEqual(self.memory(), 3 * GIB)

    def test_of_groups_of_another_kind_nothing_is_known(self) -> None:
        (self.proc / "self" / "cgroup").write_text("4:memory:/a\n1:name=systemd:/a\n")
        (self.own / "cpu.max").write_text("100000 100000")
        self.assertEqual((self.processors(), self.memory()), (16, 8 * GIB))

    def test_what_lies_outside_is_not_read(self) -> None:
        (self.proc / "self" / "cgroup").write_text("0::/../outside\n")
        (self.top / "cpu.max").write_text("100000 100000")
        self.assertEqual(self.processors(), 16)


class Jobs(unittest.TestCase):
    def jobs(self, asked: int | None, each: int) -> tuple[int, list[str]]:
        said: list[str] = []
        with mock.patch.object(limits, "processors", lambda: 8), mock.patch.object(limits, "memory", lambda: 2 * GIB):
            return limits.jobs(asked, each, said.append), said

    def test_one_for_each_processor_or_what_is_asked_for(self) -> None:
        self.assertEqual(self.jobs(None, 0), (8, []))
        self.assertEqual(self.jobs(None, 256), (8, []))
        self.assertEqual(self.jobs(3, 256), (3, []))
        self.assertEqual(self.jobs(100, 0), (100, []))

    def test_fewer_with_a_sentence_where_memory_ends(self) -> None:
        self.assertEqual(self.jobs(None, 600), (3, ["3 of 8 jobs: one takes up to 600 MiB, and 2048 MiB are left"]))
        self.assertEqual(self.jobs(2, 4096)[0], 1)


class FuzzTargets(unittest.TestCase):
    """How targets share processes: what each has done is its weight's part of all that was there."""

    def share(self, jobs: int, weights: dict[str, float]) -> dict[str, tuple[int, float]]:
        engine = fuzz.Engine.__new__(fuzz.Engine)
        engine.job = mock.Mock(jobs=jobs, left=lambda: 60.0)
        engine.slots = fuzz.Slots(jobs)
        given: dict[str, tuple[int, float]] = {}
        with mock.patch.object(
            engine, "attack_in", lambda target, processes, seconds: given.update({target.name: (processes, seconds)})
        ):
            for target, weight in weights.items():
                engine.attack(getattr(mock.sentinel, target), weight / sum(weights.values()), 60.0)
        return given

    def test_any_number_of_jobs(self) -> None:
        weights = {"heavy": 5.0, "middle": 2.0, "light": 1.0}
        for jobs in (1, 2, 3, 8, 64):
            given = self.share(jobs, weights)
            for target, (processes, seconds) in given.items():
                self.assertAlmostEqual(processes * seconds, 60 * jobs * weights[target] / 8, msg=f"{target}, {jobs}")
                self.assertLessEqual(seconds, 60)
                self.assertLessEqual(processes, jobs)
        self.assertEqual(self.share(1, weights)["heavy"], (1, 37.5))

    def test_places_are_taken_together(self) -> None:
        slots = fuzz.Slots(3)
        with slots.taken(2):
            self.assertEqual(slots.free, 1)
            with slots.taken(1):
                self.assertEqual(slots.free, 0)
        self.assertEqual(slots.free, 3)


if __name__ == "__main__":
    unittest.main()
