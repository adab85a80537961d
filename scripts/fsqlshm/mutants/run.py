"""A run over many mutants: which, in what order, and the document of what became of them."""

import concurrent.futures
import hashlib
import shlex
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from fsqlshm.mutants import matrix
from fsqlshm.mutants.judge import EQUIVALENT, Fate, Workshop, fate, judge
from fsqlshm.mutants.ledger import BROKEN, CODE, KILLED, SAME, SURVIVED, Ledger
from fsqlshm.mutants.mutant import Mutant
from fsqlshm.results import Result

PROPERTY = "mutants"
# So many are built together.
TOGETHER = 240


def drawn(mutants: Iterable[Mutant]) -> list[Mutant]:
    """In an order that has nothing to do with where they are, and that edits do not change: a part is a sample."""
    return sorted(mutants, key=lambda mutant: hashlib.sha256(mutant.id.encode()).digest())


def share(mutants: Sequence[Mutant], shard: str) -> list[Mutant]:
    """Part I of N: by the id, so that an edit moves no mutant to another part."""
    index, count = map(int, shard.split("/"))
    numbers = (int.from_bytes(hashlib.sha256(b"shard" + one.id.encode()).digest()[:8], "big") for one in mutants)
    return [mutant for mutant, number in zip(mutants, numbers) if number % count == index - 1]


class Run:
    """`explained`: why no engine kills a mutant, by its id. `first_kill`: of which mutants the first kill is enough.
    `is_final`: whether one that survives has met every engine there is."""

    def __init__(
        self,
        workshop: Workshop,
        ledger: Ledger,
        explained: Mapping[str, str],
        first_kill: Callable[[Mutant], bool],
        say: Callable[[str], None],
        is_final: bool = True,
    ) -> None:
        self.workshop, self.ledger, self.explained = workshop, ledger, explained
        self.first_kill, self.say, self.is_final = first_kill, say, is_final
        self.fates: list[Fate] = []

    def fate_of(self, mutant: Mutant) -> Fate:
        return fate(mutant, self.ledger, self.workshop.engines, self.explained.get(mutant.id, ""))

    def judge(self, mutants: Sequence[Mutant], go_on: Callable[[], bool]) -> None:
        """Until there is no time left; `mutants` as they were drawn. Those that are built alone come last."""
        try:
            for first in range(0, len(mutants), TOGETHER):
                batch = mutants[first : first + TOGETHER]
                if not go_on():
                    return
                alone = [] if all(self.fate_of(one).status for one in batch) else self.workshop.take(batch)
                together = [one for one in batch if one not in alone]
                with concurrent.futures.ThreadPoolExecutor(self.workshop.jobs) as pool:
                    for _ in pool.map(lambda one: self._judge(one, go_on), together):
                        pass
                for one in sorted(alone, key=lambda one: (one.file, one.line)):
                    self._judge(one, go_on)
        finally:
            self.workshop.restore()

    def _judge(self, mutant: Mutant, go_on: Callable[[], bool]) -> None:
        start = time.monotonic()
        judge(mutant, self.workshop, self.ledger, self.first_kill(mutant), go_on)
        one = self.fate_of(mutant)
        if self.is_final and one.status == SURVIVED and CODE not in one.verdicts and go_on():
            self.ledger.add(mutant.id, CODE, self.workshop.code(mutant))
            one = self.fate_of(mutant)
        if one.status:
            self.fates.append(one)
            by = f" by {', '.join(one.killers)}" if one.killers else ""
            self.say(f"{one.status}{by}, {time.monotonic() - start:.0f} s: {mutant.id}")

    def finish(self, result: Result, wanted: int) -> None:
        """Writes what became of them into the document."""
        rows = [matrix.row(one) for one in sorted(self.fates, key=lambda one: one.mutant.id)]
        result.details = {"engines": list(self.workshop.engines), "matrix": rows}
        statuses = {
            "killed": KILLED,
            "survived": SURVIVED,
            "equivalent": EQUIVALENT,
            "same_code": SAME,
            "broken": BROKEN,
        }
        counts = {name: sum(row["status"] == status for row in rows) for name, status in statuses.items()}
        result.counts = {"mutants": len(rows) - counts["broken"], **counts}
        result.headline = f"{counts['killed']} of {counts['killed'] + counts['survived']} mutants killed"
        for one in self.fates:
            self._find(result, one)
        if len(rows) < wanted and not result.reason:
            result.reason = f"{len(rows)} of {wanted} mutants were judged to their end"

    def _find(self, result: Result, one: Fate) -> None:
        members = {
            "detail": one.mutant.diff(),
            "replay": f"scripts/mutants --mutant {shlex.quote(one.mutant.id)}",
            "source": {"file": one.mutant.file, "line": one.mutant.line},
        }
        if one.status == SURVIVED:
            result.find("vacuous", PROPERTY, f"no engine kills {one.mutant.id}", **members)
        if one.explained and one.killers:
            title = f"{one.mutant.id} is killed, though it is listed as one that nobody can kill"
            result.find("vacuous", PROPERTY, title, **members)
