"""Equality of choices between many things, decided by which of them is chosen.

That a word is the same after 25 decisions as another after 25 other decisions is hard to see bit by bit. But both
choose among a few dozen things: each gets a number, the same one if it is the same thing, and what is decided is that
both sides choose the same number. Rows of words that are chosen together get one number.
"""

from collections.abc import Sequence

import z3

from fsqlshm.proofs import solver
from fsqlshm.proofs.sweep import Sweep
from fsqlshm.proofs.terms import Bits, Term
from fsqlshm.results import CouldNotRun

Row = tuple[Term, ...]
TAG_BITS = 10
SECONDS = 3


def _is_choice(term: Term) -> bool:
    return bool(term.decl().kind() == z3.Z3_OP_ITE)


def _pushed(term: Term) -> Term:
    """A choice that was made longer, as a choice of what was made longer."""
    if term.decl().kind() == z3.Z3_OP_ZERO_EXT and _is_choice(term.arg(0)):
        inner, longer = term.arg(0), term.size() - term.arg(0).size()
        return z3.If(inner.arg(0), z3.ZeroExt(longer, inner.arg(1)), z3.ZeroExt(longer, inner.arg(2)))
    return term


class Tags:
    """The numbers of rows."""

    def __init__(self, premises: Sequence[Term], sweep: Sweep) -> None:
        self._premises, self._sweep = list(premises), sweep
        self._leaves: list[tuple[Row, list[list[int]]]] = []
        self._numbers: dict[tuple[int, ...], int] = {}
        self._trees: dict[tuple[int, ...], Term] = {}
        self._kept: list[Row] = []  # z3 gives the number of a term that is gone to another

    def of(self, row: Sequence[Bits]) -> Term:
        """Which thing a row is, as a choice of numbers."""
        return self._tree(tuple(bits.z3 for bits in row))

    def _tree(self, row: Row) -> Term:
        row = tuple(map(_pushed, row))
        key = tuple(term.get_id() for term in row)
        if key not in self._trees:
            self._kept.append(row)
            choice = next((term for term in row if _is_choice(term)), None)
            if choice is None:
                self._trees[key] = z3.BitVecVal(self._number(row), TAG_BITS)
            else:
                condition = choice.arg(0)
                here = [_is_choice(term) and term.arg(0).eq(condition) for term in row]
                yes, no = (
                    self._tree(tuple(term.arg(side) if mine else term for term, mine in zip(row, here)))
                    for side in (1, 2)
                )
                self._trees[key] = yes if yes.eq(no) else z3.If(condition, yes, no)
        return self._trees[key]

    def _number(self, row: Row) -> int:
        row = tuple(map(self._sweep, row))
        key = tuple(term.get_id() for term in row)
        if key not in self._numbers:
            self._kept.append(row)
            seen = [self._sweep.sampled(term) for term in row]
            same = (
                number for number, (leaf, theirs) in enumerate(self._leaves) if seen == theirs and self._same(leaf, row)
            )
            self._numbers[key] = next(same, len(self._leaves))
            if self._numbers[key] == len(self._leaves):
                self._leaves.append((row, seen))
            if len(self._leaves) > 1 << TAG_BITS:
                raise CouldNotRun(f"a choice among more than {1 << TAG_BITS} things")
        return self._numbers[key]

    def _same(self, one: Row, other: Row) -> bool:
        """Whether they are always equal."""
        different = [(a, b) for a, b in zip(one, other) if not a.eq(b)]
        if any(z3.is_bv_value(a) and z3.is_bv_value(b) for a, b in different):
            return False
        asked = solver.solver(*self._premises, z3.Or([a != b for a, b in different]), seconds=SECONDS)
        return bool(solver.check(asked) == z3.unsat)
