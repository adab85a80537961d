"""One obligation at work: its inputs, all of them or one, the code that it runs, what it assumes and what it claims."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from fsqlshm.proofs import ir, terms, wire
from fsqlshm.proofs.machine import Machine, Outcome
from fsqlshm.proofs.memory import Memory, Object, Pointer, Value
from fsqlshm.proofs.terms import Bits, Truth


Row = Sequence[Bits]


@dataclasses.dataclass(frozen=True)
class Pair:
    """The two sides of a claim, or one pair of several. `demanded` is a text where many numbers would do."""

    name: str
    given: Bits | Truth
    demanded: Bits | Truth | str
    when: Truth = True  # else the claim does not speak of it
    sides: tuple[str, str] = ("the code gives", "the rule demands")

    @property
    def same(self) -> Truth:
        if isinstance(self.given, Bits):
            assert not isinstance(self.demanded, str)
            return self.given.equals(self.demanded)
        return terms.same_truth(self.given, self.demanded)


@dataclasses.dataclass(frozen=True)
class Claim:
    """`row`: where each of the conditions holds, this is its row; another way to say the same, see tags.py.
    `columns`: what it has in it."""

    text: str
    holds: Truth
    pairs: Sequence[Pair] = ()
    row: Row = ()
    rules: Sequence[tuple[Truth, Row]] = ()
    columns: Sequence[str] = ()

    def different(self) -> list[Pair]:
        """What does not hold of a claim that was computed with numbers."""
        pairs = list(self.pairs)
        for when, expected in self.rules:
            if terms.known(when):
                pairs += map(Pair, self.columns, self.row, expected)
        spoken = (pair for pair in pairs if terms.known(pair.when))
        return [pair for pair in spoken if isinstance(pair.demanded, str) or not terms.known(pair.same)]


class Case:
    """`values`: of the inputs, by name, to run with these alone; what has none is 0."""

    def __init__(self, module: ir.Module, values: Mapping[str, int] | None = None) -> None:
        self.values = values
        self.widths: dict[str, int] = {}  # of the inputs
        self.own: set[str] = set()  # those that the obligation asks for by itself, whatever the code is
        self.machine = Machine(module, self._asked)
        self.memory: Memory = {}
        self.assumptions: list[Truth] = []
        self.claims: list[Claim] = []
        self.witnesses: list[Claim] = []
        self.parts: list[list[Truth]] = [[]]
        self._reached: Truth = True

    def bits(self, name: str, width: int) -> Bits:
        """An input."""
        self.own.add(name)
        return self._asked(name, width)

    def _asked(self, name: str, width: int) -> Bits:
        self.widths[name] = width
        if self.values is None:
            return terms.unknown(name, width)
        return terms.of(self.values.get(name, 0), width)

    def header(self) -> wire.Header:
        return wire.Header([self.bits(f"word {index}", 64) for index in range(wire.WORDS)])

    def assume(self, truth: Truth) -> None:
        self.assumptions.append(truth)

    def split(self, truth: Truth) -> None:
        """Everything is decided twice: where it is so and where it is not. A second time only where it was so."""
        first, *others = self.parts
        self.parts = [[*first, truth], [*first, terms.negation(truth)], *others]

    def claim(self, text: str, truth: Truth, *pairs: Pair) -> None:
        """`pairs`: what is looked at, to be shown if it does not hold."""
        self.claims.append(Claim(text, terms.implies(self._reached, truth), pairs))

    def claim_equal(self, text: str, *pairs: Pair, when: Truth = True) -> None:
        """That the two sides of each pair are the same."""
        self.claim(text, terms.implies(when, terms.all_of(pair.same for pair in pairs)), *pairs)

    def claim_row(self, text: str, columns: Sequence[str], row: Row, rules: Sequence[tuple[Truth, Row]]) -> None:
        """That a row is the one of the rule that applies."""
        rules = [(terms.both(self._reached, when), expected) for when, expected in rules]
        same = [
            terms.implies(when, terms.all_of(a.equals(b) for a, b in zip(row, expected))) for when, expected in rules
        ]
        self.claims.append(Claim(text, terms.all_of(same), (), row, rules, columns))

    def witness(self, text: str, truth: Truth) -> None:
        """Something that has to be possible, or the obligation is about nothing."""
        self.witnesses.append(Claim(text, truth))

    # --- The code -----------------------------------------------------------------------------------------------

    def place(self, name: str, size: Bits | int, cells: Mapping[int, Bits] | None = None, **options: Any) -> Pointer:
        """Memory that the code is given."""
        made = Object(name, terms.of(size, 64), self.bits(f"address of {name}", 64), cells=cells or {})
        self.memory[name] = dataclasses.replace(made, **options)
        return Pointer(name, 0)

    def header_object(self, header: wire.Header, size: Bits, **options: Any) -> Pointer:
        """A header in memory, at any address but those around 0; behind its end nothing may be touched."""
        cells = {8 * index: word for index, word in enumerate(header.words)}
        pointer = self.place("header", size, cells, **options)
        base = self.memory["header"].base
        self.assume(terms.both(base.above(4096), base.below(1 << 63)))
        return pointer

    def run(self, name: str, *arguments: Value) -> Outcome | None:
        outcome = self.machine.call(f"@{name}", arguments, dict(self.memory))
        self._reached = terms.all_of(outcome.state.path) if outcome else False
        return outcome

    def read(self, outcome: Outcome | None, name: str, offset: int, size: int, when: Truth = True) -> Bits:
        """What the code left in memory. `when`: claims look at it then, and it is a fault if it is poison or was never
        written."""
        if outcome is None:
            return Bits(8 * size, 0)
        value = outcome.state.memory[name].read(offset, size, self.machine.nothing(name))
        assert isinstance(value, Bits)
        self.machine.fault(
            outcome.state, terms.both(when, value.poison), f"what is left in {name}, at {offset}, is poison"
        )
        return Bits(value.width, value.term)

    def returned(self, outcome: Outcome | None, width: int) -> Bits:
        if outcome is None or not isinstance(outcome.value, Bits):
            return Bits(width, 0)
        self.machine.fault(outcome.state, outcome.value.poison, "a result that is poison")
        return Bits(outcome.value.width, outcome.value.term)

    def xxhash(self, header: wire.Header) -> Bits:
        """xxh3_64, as xxHash computes it, of the bytes that the table names."""
        cells = {at: number for at, number in header.checked_bytes()}
        pointer = self.place("checked bytes", 60, cells)
        outcome = self.machine.call("@xxhash_60", [pointer], dict(self.memory))
        return self.returned(outcome, 64)

    def finish(self) -> None:
        """The last claim of every obligation."""
        undefined = terms.any_of(fault.when for fault in self.machine.faults)
        self.claims.append(Claim("the code does nothing undefined", terms.negation(undefined)))
