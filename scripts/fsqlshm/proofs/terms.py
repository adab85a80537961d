"""Bit vectors and truths, each a plain number as long as it is known, else a term of z3.

So the same code computes with all inputs at once, and with one. With one a product is a product; with all of
them a wide product is an uninterpreted function: what is proven then holds whatever it computes, and what is
refuted is only believed after it was computed with numbers (see prove.py).
"""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import z3

Term = Any  # of z3, which has no types
Truth = Any  # bool or a term

# A product whose factors are both unknown, or of which one is as large as those of a hash, is uninterpreted.
_SMALL_FACTOR = 1 << 16
PRODUCTS = {
    width: z3.Function(f"product{width}", z3.BitVecSort(64), z3.BitVecSort(64), z3.BitVecSort(width))
    for width in (64, 128)
}


# --- Truths -----------------------------------------------------------------------------------------------------


def term_of(truth: Truth) -> Term:
    return z3.BoolVal(truth) if isinstance(truth, bool) else truth


def negation(truth: Truth) -> Truth:
    if isinstance(truth, bool):
        return not truth
    return truth.arg(0) if z3.is_not(truth) else z3.Not(truth)


def all_of(truths: Iterable[Truth]) -> Truth:
    unknown = []
    for truth in truths:
        if isinstance(truth, bool):
            if not truth:
                return False
        else:
            unknown.append(truth)
    if len(unknown) <= 1:
        return unknown[0] if unknown else True
    return z3.And(unknown)


def any_of(truths: Iterable[Truth]) -> Truth:
    return negation(all_of(negation(truth) for truth in truths))


def both(*truths: Truth) -> Truth:
    return all_of(truths)


def either(*truths: Truth) -> Truth:
    return any_of(truths)


def implies(premise: Truth, conclusion: Truth) -> Truth:
    return either(negation(premise), conclusion)


def known(truth: Truth) -> bool:
    """Whether it is seen to be so, without a solver."""
    return truth if isinstance(truth, bool) else bool(z3.is_true(z3.simplify(truth)))


def same_truth(one: Truth, other: Truth) -> Truth:
    if isinstance(one, bool):
        return other if one else negation(other)
    if isinstance(other, bool):
        return one if other else negation(one)
    return one == other


# --- Bit vectors ------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Bits:
    """A number of `width` bits. `poison`: when it is one that nobody may look at (LLVM's poison values)."""

    width: int
    term: Term  # int or a term
    poison: Truth = False

    @property
    def known(self) -> bool:
        return isinstance(self.term, int)

    @property
    def z3(self) -> Term:
        return z3.BitVecVal(self.term, self.width) if isinstance(self.term, int) else self.term

    def __add__(self, other: "Bits | int") -> "Bits":
        return binary("add", self, of(other, self.width))

    def __sub__(self, other: "Bits | int") -> "Bits":
        return binary("sub", self, of(other, self.width))

    def __mul__(self, other: "Bits | int") -> "Bits":
        return binary("mul", self, of(other, self.width))

    def __and__(self, other: "Bits | int") -> "Bits":
        return binary("and", self, of(other, self.width))

    def __or__(self, other: "Bits | int") -> "Bits":
        return binary("or", self, of(other, self.width))

    def __lshift__(self, count: int) -> "Bits":
        return binary("shl", self, of(count, self.width))

    def __rshift__(self, count: int) -> "Bits":
        return binary("lshr", self, of(count, self.width))

    def equals(self, other: "Bits | int") -> Truth:
        return compare("eq", self, of(other, self.width))

    def differs(self, other: "Bits | int") -> Truth:
        return compare("ne", self, of(other, self.width))

    def below(self, other: "Bits | int") -> Truth:
        """Unsigned, as all numbers of a header are."""
        return compare("ult", self, of(other, self.width))

    def above(self, other: "Bits | int") -> Truth:
        return compare("ugt", self, of(other, self.width))


def of(value: "Bits | int", width: int) -> Bits:
    return value if isinstance(value, Bits) else Bits(width, value & ((1 << width) - 1))


def unknown(name: str, width: int) -> Bits:
    return Bits(width, z3.BitVec(name, width))


def signed(value: int, width: int) -> int:
    return value - (1 << width) if value >> (width - 1) else value


def _shift(count_of: Callable[[int, int], int]) -> Callable[[int, int, int], int]:
    return lambda a, b, width: count_of(a, b) if b < width else 0


_KNOWN: dict[str, Callable[[int, int, int], int]] = {
    "add": lambda a, b, width: a + b,
    "sub": lambda a, b, width: a - b,
    "mul": lambda a, b, width: a * b,
    "and": lambda a, b, width: a & b,
    "or": lambda a, b, width: a | b,
    "xor": lambda a, b, width: a ^ b,
    "shl": _shift(lambda a, b: a << b),
    "lshr": _shift(lambda a, b: a >> b),
    "ashr": lambda a, b, width: signed(a, width) >> min(b, width - 1),
    "udiv": lambda a, b, width: a // b if b else 0,
    "urem": lambda a, b, width: a % b if b else 0,
    "sdiv": lambda a, b, width: _truncated(signed(a, width), signed(b, width)) if b else 0,
    "srem": lambda a, b, width: signed(a, width)
    - signed(b, width) * _truncated(signed(a, width), signed(b, width) or 1),
}
_TERMS: dict[str, Callable[[Term, Term], Term]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b,
    "lshr": z3.LShR,
    "ashr": lambda a, b: a >> b,
    "udiv": z3.UDiv,
    "urem": z3.URem,
    "sdiv": lambda a, b: a / b,
    "srem": z3.SRem,
}
_COMPARED: dict[str, tuple[Callable[[int, int], bool], Callable[[Term, Term], Term]]] = {
    "eq": (lambda a, b: a == b, lambda a, b: a == b),
    "ne": (lambda a, b: a != b, lambda a, b: a != b),
    "ult": (lambda a, b: a < b, z3.ULT),
    "ule": (lambda a, b: a <= b, z3.ULE),
    "ugt": (lambda a, b: a > b, z3.UGT),
    "uge": (lambda a, b: a >= b, z3.UGE),
    "slt": (lambda a, b: a < b, lambda a, b: a < b),
    "sle": (lambda a, b: a <= b, lambda a, b: a <= b),
    "sgt": (lambda a, b: a > b, lambda a, b: a > b),
    "sge": (lambda a, b: a >= b, lambda a, b: a >= b),
}


def _truncated(a: int, b: int) -> int:
    """The quotient, rounded towards zero."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def binary(op: str, a: Bits, b: Bits) -> Bits:
    poison = either(a.poison, b.poison)
    if isinstance(a.term, int) and isinstance(b.term, int):
        return Bits(a.width, _KNOWN[op](a.term, b.term, a.width) & ((1 << a.width) - 1), poison)
    if op == "mul":
        return Bits(a.width, _product(a, b), poison)
    return Bits(a.width, _TERMS[op](a.z3, b.z3), poison)


def _product(a: Bits, b: Bits) -> Term:
    small = min([x.term for x in (a, b) if isinstance(x.term, int)], default=_SMALL_FACTOR)
    if small < _SMALL_FACTOR or a.width < 64:
        return a.z3 * b.z3
    if a.width == 64:
        return PRODUCTS[64](a.z3, b.z3)
    factors = [half(x) for x in (a, b)]
    if a.width == 128 and None not in factors:
        return PRODUCTS[128](*factors)
    return a.z3 * b.z3


def half(number: Bits) -> Term | None:
    """The lower half of 128 bits whose upper half is zero, as far as that can be seen."""
    if isinstance(number.term, int):
        return z3.BitVecVal(number.term, 64) if number.term < 1 << 64 else None
    if number.term.decl().kind() == z3.Z3_OP_ZERO_EXT and number.term.arg(0).size() == 64:
        return number.term.arg(0)
    return None


def compare(predicate: str, a: Bits, b: Bits) -> Truth:
    known, term = _COMPARED[predicate]
    if isinstance(a.term, int) and isinstance(b.term, int):
        pair = (a.term, b.term)
        return known(*(signed(x, a.width) for x in pair) if predicate[0] == "s" else pair)
    return term(a.z3, b.z3)


def extended(number: Bits, width: int, sign: bool = False) -> Bits:
    if isinstance(number.term, int):
        value = signed(number.term, number.width) if sign else number.term
        return Bits(width, value & ((1 << width) - 1), number.poison)
    extend = z3.SignExt if sign else z3.ZeroExt
    return Bits(width, extend(width - number.width, number.term), number.poison) if width > number.width else number


def extracted(number: Bits, low: int, width: int) -> Bits:
    if low == 0 and width == number.width:
        return number
    if isinstance(number.term, int):
        return Bits(width, number.term >> low & ((1 << width) - 1), number.poison)
    return Bits(width, z3.Extract(low + width - 1, low, number.term), number.poison)


def joined(parts: Iterable[Bits]) -> Bits:
    """One number; the first part is its low end."""
    low, *rest = list(parts)
    for part in rest:
        poison = either(low.poison, part.poison)
        if isinstance(low.term, int) and isinstance(part.term, int):
            low = Bits(low.width + part.width, part.term << low.width | low.term, poison)
        else:
            low = Bits(low.width + part.width, z3.Concat(part.z3, low.z3), poison)
    return low if low.known else Bits(low.width, z3.simplify(low.term), low.poison)


def chosen(condition: Truth, yes: Bits, no: Bits) -> Bits:
    if isinstance(condition, bool):
        return yes if condition else no
    poison = chosen_truth(condition, yes.poison, no.poison)
    if yes.known and no.known and yes.term == no.term:
        return Bits(yes.width, yes.term, poison)
    if not yes.known and not no.known and yes.term.eq(no.term):
        return Bits(yes.width, yes.term, poison)
    return Bits(yes.width, z3.If(condition, yes.z3, no.z3), poison)


def chosen_truth(condition: Truth, yes: Truth, no: Truth) -> Truth:
    if isinstance(condition, bool):
        return yes if condition else no
    if isinstance(yes, bool) and isinstance(no, bool) and yes == no:
        return yes
    return both(implies(condition, yes), either(condition, no))


def as_bit(truth: Truth) -> Bits:
    if isinstance(truth, bool):
        return Bits(1, int(truth))
    return Bits(1, z3.If(truth, z3.BitVecVal(1, 1), z3.BitVecVal(0, 1)))


def as_truth(bit: Bits) -> Truth:
    if isinstance(bit.term, int):
        return bit.term != 0
    term = bit.term
    if term.decl().kind() == z3.Z3_OP_ITE and z3.is_bv_value(term.arg(1)) and z3.is_bv_value(term.arg(2)):
        if (term.arg(1).as_long(), term.arg(2).as_long()) == (1, 0):
            return term.arg(0)
    return term == z3.BitVecVal(1, bit.width)
