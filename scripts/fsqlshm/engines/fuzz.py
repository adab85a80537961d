"""The fuzz targets within a time budget, side by side.

First what must be found: the kept inputs of every target, and the faults that are known to be there, each from
nothing if there is time for that, else from the seeds. Then every target gets its share of what is left. What is
not found although there was time makes the run vacuous.

Of a shared object: the targets that can run their inputs on it, and nothing else.
"""

import concurrent.futures
import contextlib
import dataclasses
import math
import pathlib
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterator

from fsqlshm import results
from fsqlshm.engine import Description, Job, worst
from fsqlshm.fuzz import documents, targets
from fsqlshm.fuzz.runs import Run
from fsqlshm.fuzz.targets import CORPUS, Fault, Target
from fsqlshm.processes import Command

BUILDS = {"asan": "engines-fuzz"}
DESCRIPTION = Description(__doc__, builds=BUILDS, object_builds=BUILDS, corpora=True, planted="canary", job_mib=1024)
# The longest that a fault is looked for from nothing. A miss counts after all of it, or, if the fault is of the
# kind that is found in a second, after a moment.
FAULT_SECONDS, PLANTED_SECONDS = 120.0, 60.0
PLANTED_JUDGED_FROM = 10.0
# From the seeds a fault takes seconds.
SEEDED_JUDGED_FROM = 30.0


@dataclasses.dataclass(frozen=True)
class Search:
    """How long a known fault is looked for, where from, and from when on a miss counts."""

    target: Target
    fault: Fault
    seconds: float
    judged_from: float
    seeds: list[pathlib.Path]

    @property
    def name(self) -> str:
        """Of its document: canary, reference-D3."""
        return f"{self.target.name.rpartition('_')[2]}-{self.fault.name}" if self.fault.option else self.target.name


def searches(all_targets: list[Target], seconds: float) -> list[Search]:
    found = []
    for target in all_targets:
        for fault in (fault for fault in target.known_faults if fault.searched):
            if target.seeds_of == target.name:  # there are no seeds, and no need for any
                found.append(Search(target, fault, min(PLANTED_SECONDS, seconds / 4), PLANTED_JUDGED_FROM, []))
            elif seconds / 8 >= FAULT_SECONDS:
                found.append(Search(target, fault, FAULT_SECONDS, FAULT_SECONDS, []))
            else:
                seeds = [CORPUS / target.seeds_of]
                found.append(Search(target, fault, seconds / 8, SEEDED_JUDGED_FROM, seeds))
    return sorted(found, key=lambda search: bool(search.fault.option))


class Slots:
    """Places for processes, some of which a target takes together."""

    def __init__(self, count: int) -> None:
        self.free = count
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, count: int) -> Iterator[None]:
        with self.changed:
            self.changed.wait_for(lambda: self.free >= count)
            self.free -= count
        try:
            yield
        finally:
            with self.changed:
                self.free += count
                self.changed.notify_all()


class Engine:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.slots = Slots(job.jobs)
        # Shards differ in their seeds; libFuzzer's are below 2^32.
        self.seed = (job.seed * 1000003 + int(job.shard.split("/")[0])) % (1 << 31) or 1
        self.targets = targets.load_all(targets.BUILD)
        self.codes: list[int] = []
        for target in self.targets:
            target.program  # a missing one is said before anything begins

    def keep(self, name: str, result: results.Result) -> None:
        self.codes.append(result.write(self.job.out / f"fuzz-{name}.json"))
        self.job.say(f"{self.job.passed():.0f} s, {name}: {result.headline}")

    def check_kept_inputs(self, result: results.Result) -> None:
        """Old findings must fail as before, and what was repaired must not: instantly."""
        for target in self.targets:
            command: Command = [target.replay, "--check", CORPUS]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != results.CLEAN:
                title = f"{target.name}: the kept inputs do not do any more what they are kept for"
                replay = f"ctest -R replay_{target.name}"
                result.find("vacuous", "known faults", title, detail=done.stderr, replay=replay)

    def search(self, search: Search) -> results.Result:
        """A run that has to find a fault; a miss is vacuous if it had the time."""
        target, fault = search.target, search.fault
        with tempfile.TemporaryDirectory(prefix="fsqlshm-fuzz-") as scratch:  # for what the engine adds
            corpus: list[pathlib.Path | str] = [scratch, *search.seeds] if search.seeds else []
            options = [fault.option] if fault.option else []
            crashes = self.job.out / "found" / target.name
            run = Run(target, self.seed, corpus, crashes, self.job.stop, options, until_found=True)
            outcome = run.fuzz(search.seconds)
        result = documents.result(target, outcome, self.seed, {"seconds": search.seconds}, fault.name)
        found = any(finding["severity"] == "expected" for finding in result.findings)
        result.details["found_after_seconds"] = outcome.seconds if found else None
        what = fault.name if fault.option else f"{fault.name} fault"
        origin = "the seeds" if search.seeds else "nothing"
        if found:
            result.headline = f"{what} found after {outcome.seconds:.1f} s from {origin}"
        elif search.seconds >= search.judged_from and not self.job.stop.requested and not outcome.error:
            detail = f"{outcome.executions} executions in {outcome.seconds:.0f} s from {origin} did not find it."
            replay = f"scripts/fuzz {target.name} --minutes 2"
            result.find("vacuous", "known faults", f"{what} not found", detail=detail, replay=replay)
        else:
            needed = f"{search.judged_from:.0f} s from {origin} after which a miss counts"
            result.headline = f"{what}: not looked for long enough, {outcome.seconds:.0f} s of the {needed}"
        return result

    def attack(self, target: Target, part: float, seconds: float) -> results.Result:
        """A target's part of all processes for so many seconds: in as few as get it done in that time."""
        processes = max(1, math.ceil(part * self.job.jobs))
        with self.slots.taken(processes):
            # Never asked to do more than is left, however long what came before took.
            share = min(part * self.job.jobs / processes * seconds, max(2.0, self.job.left()))
            return self.attack_in(target, processes, share)

    def attack_in(self, target: Target, processes: int, seconds: float) -> results.Result:
        corpus = self.job.out / "corpus" / target.name
        corpus.mkdir(parents=True, exist_ok=True)
        crashes = self.job.out / "crashes" / target.name
        path = self.job.shared_object
        options = [f"--subject={path}"] if path else []
        run = Run(target, self.seed, [corpus, *target.kept_inputs()], crashes, self.job.stop, options)
        outcome = run.side_by_side(processes, seconds)
        result = documents.result(target, outcome, self.seed, {"seconds": seconds})
        if path:
            result.subject = path.name
            for finding in result.findings:
                if finding["severity"] == "vacuous":
                    finding["replay"] += f" --subject {shlex.quote(str(path))}"
        return result

    def is_attacked(self, target: Target) -> bool:
        return target.attacks and (target.takes_subject or not self.job.shared_object)

    def run(self) -> int:
        with concurrent.futures.ThreadPoolExecutor(self.job.jobs) as pool:
            known = [] if self.job.shared_object else searches(self.targets, self.job.seconds)
            under_way = [(search, pool.submit(self.search, search)) for search in known]
            for number, (search, future) in enumerate(under_way):
                result = future.result()
                if number == 0:
                    self.check_kept_inputs(result)
                self.keep(search.name, result)
        # The targets share what is left, heavy ones first so that all end together.
        attacked = sorted(filter(self.is_attacked, self.targets), key=lambda t: -t.weight)
        weight, seconds = sum(t.weight for t in attacked), max(1.0 * len(attacked), self.job.left())
        with concurrent.futures.ThreadPoolExecutor(len(attacked)) as pool:
            attacks = {pool.submit(self.attack, one, one.weight / weight, seconds): one for one in attacked}
            for done in concurrent.futures.as_completed(attacks):
                self.keep(attacks[done].name, done.result())
        return worst(self.codes)


def main(job: Job) -> int:
    return Engine(job).run()
