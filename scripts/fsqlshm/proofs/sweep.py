"""Takes the uninterpreted products out of formulas: products of factors that are always equal become one variable.

Both sides of an equation multiply, and a solver that has to see by itself which of their products are the same takes
seconds. Asked for two factors at a time, it sees it at once.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import z3

from fsqlshm.proofs import solver
from fsqlshm.proofs.terms import PRODUCTS, Term

SAMPLES = 3
SECONDS = 3


def products(formulas: Sequence[Term]) -> Iterator[Term]:
    """The applications in them, inner ones first."""
    # There are ten thousands of terms: none becomes an object of Python but the products.
    context = z3.main_ctx()
    wanted = {function.get_id() for function in PRODUCTS.values()}
    seen: set[int] = set()
    stack = [(formula.as_ast(), False) for formula in formulas]
    while stack:
        term, done = stack.pop()
        if done:
            yield z3.z3._to_expr_ref(term, context)
            continue
        number = z3.Z3_get_ast_id(context.ref(), term)
        if number in seen:
            continue
        seen.add(number)
        count = z3.Z3_get_app_num_args(context.ref(), term)
        if count and z3.Z3_get_ast_id(context.ref(), z3.Z3_get_app_decl(context.ref(), term)) in wanted:
            stack.append((term, True))
        stack += [(z3.Z3_get_app_arg(context.ref(), term, place), False) for place in range(count)]


class Substitution:
    """z3.substitute, but ready for many terms."""

    def __init__(self) -> None:
        self._pairs: list[tuple[Term, Term]] = []
        self._arrays: tuple[Any, Any] | None = None

    def add(self, old: Term, new: Term) -> None:
        self._pairs.append((old, new))
        self._arrays = None

    def __call__(self, term: Term) -> Term:
        if not self._pairs:
            return z3.simplify(term)
        if self._arrays is None:
            kind = z3.Ast * len(self._pairs)
            self._arrays = (kind(*(a.as_ast() for a, _ in self._pairs)), kind(*(b.as_ast() for _, b in self._pairs)))
        context = term.ctx
        made = z3.Z3_substitute(context.ref(), term.as_ast(), len(self._pairs), *self._arrays)
        return z3.simplify(z3.z3._to_expr_ref(made, context))


def variables(formula: Term) -> set[Term]:
    """Of bits, in a formula."""
    seen: set[int] = set()
    found, stack = set(), [formula]
    while stack:
        term = stack.pop()
        if term.get_id() not in seen:
            seen.add(term.get_id())
            if z3.is_bv(term) and z3.is_const(term) and not z3.is_bv_value(term):
                found.add(term)
            stack += term.children()
    return found


class Sweep:
    """`factors`: what each variable stands for, as the product of two terms without products."""

    def __init__(self, formulas: Sequence[Term], inputs: Sequence[Term], premises: Sequence[Term]) -> None:
        self.factors: dict[str, tuple[Term, Term, Term]] = {}
        self._premises = list(premises)
        self._samples = [self._sample(inputs, random.Random(seed)) for seed in range(SAMPLES)]
        self._swaps = Substitution()
        self._known: list[tuple[Term, list[list[int]]]] = []
        # Inner ones come first, and a term is only made once: so what is in a product is known when it comes.
        for product in products(formulas):
            self._swaps.add(product, self._variable_of(product))

    def __call__(self, formula: Term) -> Term:
        return self._swaps(formula)

    def _sample(self, inputs: Sequence[Term], drawn: random.Random) -> Substitution:
        """A number for each input, so that the premises hold: drawn, where that is possible."""
        asked = solver.solver(*self._premises)
        sample = {str(v): z3.BitVecVal(drawn.getrandbits(v.size()), v.size()) for v in inputs}
        used = {str(name) for premise in self._premises for name in variables(premise)}
        if solver.check(asked) != z3.sat:
            used = set()  # no input at all: whatever is seen is as good
        for v in inputs:
            if str(v) in used:
                asked.push()
                asked.add(v == sample[str(v)])
                if solver.check(asked) != z3.sat:
                    asked.pop()
        if used and solver.check(asked) == z3.sat:
            model = asked.model()
            sample |= {str(v): model.eval(v, model_completion=True) for v in inputs if str(v) in used}
        made = Substitution()
        for v in inputs:
            made.add(v, sample[str(v)])
        return made

    def sampled(self, term: Term) -> list[int]:
        """What a term is for each of a few inputs: terms that differ here are not the same."""
        return [sample(term).as_long() for sample in self._samples]

    def _variable_of(self, product: Term) -> Term:
        one, other = (self(product.arg(place)) for place in (0, 1))
        seen = [list(pair) for pair in zip(self.sampled(one), self.sampled(other))]
        for variable, theirs in self._known:
            a, b, known = self.factors[str(variable)]
            if known.decl().name() != product.decl().name():
                continue
            if seen == theirs and self._same(one, a) and self._same(other, b):
                return variable
            if seen == [pair[::-1] for pair in theirs] and self._same(one, b) and self._same(other, a):
                return variable
        made = z3.BitVec(f"product {len(self._known)}", product.size())
        self.factors[str(made)] = (one, other, product)
        self._known.append((made, seen))
        for sample, (a, b) in zip(self._samples, seen):
            value = a * b & ((1 << product.size()) - 1)
            sample.add(made, z3.BitVecVal(value, product.size()))
        return made

    def _same(self, one: Term, other: Term) -> bool:
        if one.eq(other):
            return True
        asked = solver.solver(*self._premises, one != other, seconds=SECONDS)
        return bool(solver.check(asked) == z3.unsat)
