"""What the translator makes of each instruction, against the reference of LLVM IR: for all numbers of four bits, the
result, whether it is poison, and whether it is undefined; computed with numbers and with terms."""

import itertools
import unittest
from collections.abc import Callable

import z3

from fsqlshm.proofs import ir, parser, sweep, terms
from fsqlshm.proofs.machine import Machine
from fsqlshm.proofs.terms import Bits, Truth

WIDTH = 4
END = 1 << WIDTH
NUMBERS = range(END)
POISON, UNDEFINED = "poison", "undefined"
Answer = int | str
Rule = Callable[[int, int], Answer]


def signed(number: int) -> int:
    return number - END if number >= END // 2 else number


def poison_if(broken: bool, result: int) -> Answer:
    return POISON if broken else result % END


def fits(number: int, flags: str, signs: bool) -> bool:
    """Whether a result keeps the promise that is made of it."""
    wanted = "nsw" if signs else "nuw"
    low, high = (-END // 2, END // 2) if signs else (0, END)
    return wanted not in flags or low <= number < high


def wraps(compute: Callable[[int, int], int], flags: str) -> Rule:
    def rule(a: int, b: int) -> Answer:
        broken = not fits(compute(a, b), flags, False) or not fits(compute(signed(a), signed(b)), flags, True)
        return poison_if(broken, compute(a, b))

    return rule


def shl(flags: str) -> Rule:
    def rule(a: int, b: int) -> Answer:
        if b >= WIDTH:
            return POISON
        return poison_if(not fits(a << b, flags, False) or not fits(signed(a) << b, flags, True), a << b)

    return rule


def shr(flags: str, signs: bool) -> Rule:
    def rule(a: int, b: int) -> Answer:
        if b >= WIDTH:
            return POISON
        return poison_if("exact" in flags and a % (1 << b) != 0, (signed(a) if signs else a) >> b)

    return rule


def division(signs: bool, remainder: bool, flags: str = "") -> Rule:
    def rule(a: int, b: int) -> Answer:
        x, y = (signed(a), signed(b)) if signs else (a, b)
        if y == 0 or (signs and x == -END // 2 and y == -1):
            return UNDEFINED
        quotient = abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        rest = x - quotient * y
        return rest % END if remainder else poison_if("exact" in flags and rest != 0, quotient)

    return rule


def rules() -> dict[str, Rule]:
    """Instructions of %a and %b, and what they are."""
    found: dict[str, Rule] = {}
    for flags in ("", "nuw ", "nsw ", "nuw nsw "):
        found[f"add {flags}i4 %a, %b"] = wraps(lambda a, b: a + b, flags)
        found[f"sub {flags}i4 %a, %b"] = wraps(lambda a, b: a - b, flags)
        found[f"mul {flags}i4 %a, %b"] = wraps(lambda a, b: a * b, flags)
        found[f"shl {flags}i4 %a, %b"] = shl(flags)
    for flags in ("", "exact "):
        found[f"lshr {flags}i4 %a, %b"] = shr(flags, False)
        found[f"ashr {flags}i4 %a, %b"] = shr(flags, True)
        found[f"udiv {flags}i4 %a, %b"] = division(False, False, flags)
        found[f"sdiv {flags}i4 %a, %b"] = division(True, False, flags)
    found |= {
        "urem i4 %a, %b": division(False, True),
        "srem i4 %a, %b": division(True, True),
        "and i4 %a, %b": lambda a, b: a & b,
        "or i4 %a, %b": lambda a, b: a | b,
        "or disjoint i4 %a, %b": lambda a, b: poison_if(a & b != 0, a | b),
        "xor i4 %a, %b": lambda a, b: a ^ b,
        "call i4 @llvm.umin.i4(i4 %a, i4 %b)": min,
        "call i4 @llvm.umax.i4(i4 %a, i4 %b)": max,
        "call i4 @llvm.smin.i4(i4 %a, i4 %b)": lambda a, b: min(signed(a), signed(b)) % END,
        "call i4 @llvm.smax.i4(i4 %a, i4 %b)": lambda a, b: max(signed(a), signed(b)) % END,
        "call i4 @llvm.fshl.i4(i4 %a, i4 %b, i4 1)": lambda a, b: (a << 1 | b >> 3) % END,
        "call i4 @llvm.fshr.i4(i4 %a, i4 %b, i4 5)": lambda a, b: (a << 3 | b >> 1) % END,
        "call i4 @llvm.ctpop.i4(i4 %a)": lambda a, b: a.bit_count(),
    }
    return found


# Of %a, to another type and back.
CONVERSIONS: dict[str, Callable[[int], Answer]] = {
    "%t = trunc i4 %a to i2\n  %r = zext i2 %t to i4": lambda a: a % 4,
    "%t = trunc nuw i4 %a to i2\n  %r = zext i2 %t to i4": lambda a: poison_if(a >= 4, a),
    "%t = trunc nsw i4 %a to i2\n  %r = sext i2 %t to i4": lambda a: poison_if(not -2 <= signed(a) < 2, a),
    "%t = zext nneg i4 %a to i8\n  %r = trunc i8 %t to i4": lambda a: poison_if(a >= 8, a),
    "%t = sext i4 %a to i8\n  %r = trunc nsw i8 %t to i4": lambda a: a,
}
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "ult": lambda a, b: a < b,
    "ule": lambda a, b: a <= b,
    "ugt": lambda a, b: a > b,
    "uge": lambda a, b: a >= b,
    "slt": lambda a, b: signed(a) < signed(b),
    "sle": lambda a, b: signed(a) <= signed(b),
    "sgt": lambda a, b: signed(a) > signed(b),
    "sge": lambda a, b: signed(a) >= signed(b),
}


def module_of(text: str) -> ir.Module:
    return parser.parse(f"define i4 @f(i4 %a, i4 %b) {{\nentry:\n  {text}\n  ret i4 %r\n}}\n", "test")


class Run:
    """A function of two numbers of four bits, by numbers or by terms."""

    def __init__(self, module: ir.Module, a: Bits, b: Bits) -> None:
        machine = Machine(module, terms.unknown)
        outcome = machine.call("@f", [a, b], {})
        assert outcome is not None and isinstance(outcome.value, Bits)
        self.value = outcome.value
        self.undefined = terms.any_of(fault.when for fault in machine.faults)

    def answer(self, a: int, b: int) -> Answer:
        if put(self.undefined, a, b):
            return UNDEFINED
        return POISON if put(self.value.poison, a, b) else int(put(self.value.term, a, b))


class InstructionsTest(unittest.TestCase):
    def check(self, text: str, rule: Rule) -> None:
        module = module_of(text)
        for_all = Run(module, terms.unknown("a", WIDTH), terms.unknown("b", WIDTH))
        for a, b in itertools.product(NUMBERS, NUMBERS):
            of_these = Run(module, terms.of(a, WIDTH), terms.of(b, WIDTH))
            self.assertEqual([run.answer(a, b) for run in (of_these, for_all)], [rule(a, b)] * 2, (text, a, b))

    def test_arithmetic(self) -> None:
        for text, rule in rules().items():
            self.check(f"%r = {text}", rule)

    def test_conversions(self) -> None:
        for text, conversion in CONVERSIONS.items():
            self.check(text, lambda a, b: conversion(a))

    def test_comparisons(self) -> None:
        for predicate, compare in COMPARISONS.items():
            text = f"%c = icmp {predicate} i4 %a, %b\n  %r = zext i1 %c to i4"
            self.check(text, lambda a, b: int(compare(a, b)))

    # %s is poison from 16 on.
    SUM = "%s = add nuw i4 %a, %b\n  "

    def test_poison_goes_on(self) -> None:
        for text in (
            "%r = and i4 %s, 0",
            "%c = icmp eq i4 %s, 0\n  %r = select i1 %c, i4 0, i4 0",
            "%c = icmp eq i4 %s, 0\n  %r = select i1 %c, i4 0, i4 undef",
            "%q = call i4 @llvm.umax.i4(i4 %s, i4 0)\n  %r = and i4 %q, 0",
        ):
            self.check(self.SUM + text, lambda a, b: POISON if a + b >= END or (a + b and "undef" in text) else 0)

    def test_what_is_not_chosen_may_be_poison(self) -> None:
        text = "%c = icmp ult i4 %a, 4\n  %r = select i1 %c, i4 3, i4 %s"
        self.check(self.SUM + text, lambda a, b: 3 if a < 4 else poison_if(a + b >= END, a + b))

    def test_poison_decides_nothing(self) -> None:
        def rule(a: int, b: int) -> Answer:
            return UNDEFINED if a + b >= END else 5

        decided = "\nx:\n  br label %z\ny:\n  br label %z\nz:\n  %r = phi i4 [ 5, %x ], [ 5, %y ]"
        self.check(self.SUM + "%c = icmp eq i4 %s, 3\n  br i1 %c, label %x, label %y" + decided, rule)
        self.check(self.SUM + "switch i4 %s, label %x [\n    i4 3, label %y\n  ]" + decided, rule)
        self.check(self.SUM + "%c = icmp ule i4 %s, 15\n  call void @llvm.assume(i1 %c)\n  %r = or i4 5, 5", rule)
        self.check(self.SUM + "%t = or i4 %s, 1\n  %q = udiv i4 5, %t\n  %r = or i4 5, 5", rule)

    def test_freeze(self) -> None:
        """What was poison is any number, everywhere the same."""
        same = self.SUM + "%f = freeze i4 %s\n  %r = sub i4 %f, %f"
        self.check(same, lambda a, b: 0)
        frozen = Run(module_of(self.SUM + "%r = freeze i4 %s"), terms.of(15, WIDTH), terms.of(1, WIDTH)).value
        self.assertEqual((len(sweep.variables(frozen.term)), frozen.poison), (1, False))
        self.check(self.SUM + "%r = freeze i4 %a", lambda a, b: a)


def put(term: Truth, a: int, b: int) -> Truth:
    if isinstance(term, bool | int):
        return term
    given = sweep.Substitution()
    for name, number in (("a", a), ("b", b)):
        given.add(z3.BitVec(name, WIDTH), z3.BitVecVal(number, WIDTH))
    made = given(term)
    return made.as_long() if z3.is_bv(made) else z3.is_true(made)


if __name__ == "__main__":
    unittest.main()
