"""Decides an obligation: proved, refuted by an input that was computed with numbers, or undecided.

A model of the solver is not believed by itself, because products are uninterpreted in it. The obligation is run again
with the numbers of the model: as they are, and with the checksum made right. If neither shows what the solver said,
the solver is told what the products really are, and asked again.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import z3

from fsqlshm.proofs import ir, solver, terms, wire
from fsqlshm.proofs.case import Case
from fsqlshm.proofs.obligations import Obligation
from fsqlshm.proofs.sweep import Sweep, products
from fsqlshm.proofs.tags import Tags
from fsqlshm.proofs.terms import Term, Truth, known

QUERY_SECONDS = 60
MOST_MODELS = 20
PROVED, REFUTED, UNDECIDED, VACUOUS = "proved", "refuted", "undecided", "vacuous"


@dataclasses.dataclass
class Example:
    """An input that shows something: a claim that does not hold, or a witness."""

    text: str
    values: Mapping[str, int]
    header: bytes


@dataclasses.dataclass
class Decision:
    obligation: Obligation
    status: str = PROVED
    claims: int = 0
    example: Example | None = None  # of what was refuted
    witnesses: list[Example] = dataclasses.field(default_factory=list)
    missing: list[str] = dataclasses.field(default_factory=list)  # witnesses that there are none of
    undecided: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0


def check_the_solver() -> str:
    """Its version."""
    return str(z3.get_version_string())


def header_of(obligation: Obligation, module: ir.Module, values: Mapping[str, int]) -> bytes:
    """The header that shows an input."""
    if obligation.shown:
        words = [word.term for word in obligation.shown(Case(module, values)).words]
    else:
        words = [values.get(name, 0) for name in obligation.words]
    return b"".join(int(word).to_bytes(8, "little") for word in words)


def sealed(obligation: Obligation, module: ir.Module, values: Mapping[str, int]) -> dict[str, int]:
    """With the checksum made right, as xxHash computes it."""
    if not obligation.words:
        return dict(values)
    case = Case(module, values)
    header = wire.Header([case.bits(name, 64) for name in obligation.words])
    place = wire.FIELDS["layout_checksum"].offset // 8
    return dict(values) | {obligation.words[place]: int(case.xxhash(header).term)}


def run_with(obligation: Obligation, module: ir.Module, values: Mapping[str, int]) -> Case:
    """The obligation with these numbers."""
    case = Case(module, values)
    obligation.state(case)
    case.finish()
    return case


class Prover:
    """Of one part of an obligation: where these truths are so."""

    def __init__(
        self, obligation: Obligation, module: ir.Module, case: Case, part: Sequence[Truth], deadline: float
    ) -> None:
        self.obligation, self.module, self.case, self.deadline = obligation, module, case, deadline
        premises = [terms.term_of(truth) for truth in (*case.assumptions, *part)]
        formulas = [terms.term_of(claim.holds) for claim in (*case.claims, *case.witnesses)]
        inputs = [z3.BitVec(name, width) for name, width in case.widths.items()]
        plain = [premise for premise in premises if not list(products([premise]))]
        self.sweep = Sweep([*premises, *formulas], inputs, plain)
        self.premises = [self.sweep(premise) for premise in premises]
        self.tags = Tags(self.premises, self.sweep)
        self.facts: list[Term] = []

    def _answer(self, formula: Term) -> tuple[z3.CheckSatResult, z3.Solver]:
        seconds = min(QUERY_SECONDS, self.deadline - time.monotonic())
        asked = solver.solver(*self.premises, *self.facts, formula, seconds=seconds)
        return solver.check(asked), asked

    def search(self, formula: Term, shows: Callable[[Case], bool]) -> Mapping[str, int] | None | bool:
        """An input for which the formula is so, and that was seen to show it; none if there is none; False if that is
        open."""
        for _ in range(MOST_MODELS):
            answer, asked = self._answer(formula)
            if answer != z3.sat:
                return None if answer == z3.unsat else False
            model = asked.model()
            for values in self._candidates(model):
                if shows(run_with(self.obligation, self.module, values)):
                    return values
            self._learn(model)
        return False

    def _candidates(self, model: z3.ModelRef) -> Iterator[Mapping[str, int]]:
        names = {str(variable) for variable in model.decls()} & set(self.case.widths)
        values = {name: int(model[z3.BitVec(name, self.case.widths[name])].as_long()) for name in sorted(names)}
        yield values
        if self.obligation.words:
            yield sealed(self.obligation, self.module, values)

    def _learn(self, model: z3.ModelRef) -> None:
        """What the products of these factors really are."""
        for name, (one, other, product) in self.sweep.factors.items():
            a, b = (model.eval(factor, model_completion=True) for factor in (one, other))
            value = z3.BitVecVal(a.as_long() * b.as_long(), product.size())
            self.facts.append(z3.Implies(z3.And(one == a, other == b), z3.BitVec(name, product.size()) == value))

    def _search_for(self, index: int, formula: Term) -> Mapping[str, int] | None | bool:
        """An input for which a claim does not hold."""

        def shows(case: Case) -> bool:
            return all(map(known, case.assumptions)) and not known(case.claims[index].holds)

        return self.search(self.sweep(formula), shows)

    def refute(self, index: int) -> Mapping[str, int] | None | bool:
        claim = self.case.claims[index]
        found = self._search_for(index, self._other_choices([index])) if claim.row else False
        return self._search_for(index, terms.term_of(terms.negation(claim.holds))) if found is False else found

    def _other_choices(self, indices: Sequence[int]) -> Term:
        """That a row is not the one that a rule says, by the numbers of what is chosen; see tags.py."""
        different = []
        for claim in (self.case.claims[index] for index in indices):
            mine = self.tags.of(claim.row)
            different += [z3.And(terms.term_of(when), self.tags.of(row) != mine) for when, row in claim.rules]
        return z3.Or(different)

    def rows_hold(self, indices: Sequence[int]) -> bool:
        """Whether all these claims about rows are seen to hold at once."""
        return not indices or self._answer(self.sweep(self._other_choices(indices)))[0] == z3.unsat

    def witness(self, index: int) -> Mapping[str, int] | None | bool:
        def shows(case: Case) -> bool:
            return all(map(known, case.assumptions)) and known(case.witnesses[index].holds)

        return self.search(self.sweep(terms.term_of(self.case.witnesses[index].holds)), shows)


def decide(obligation: Obligation, module: ir.Module, seconds: float = 600, witnesses: bool = True) -> Decision:
    """Ends with the first claim that is refuted."""
    start = time.monotonic()
    case = Case(module)
    obligation.state(case)
    case.finish()
    decision = Decision(obligation, claims=len(case.claims))
    provers = [Prover(obligation, module, case, part, start + seconds) for part in case.parts]
    _decide_claims(case, provers, decision)
    if decision.status == PROVED and witnesses:
        _find_witnesses(case, provers, decision)
    decision.seconds = time.monotonic() - start
    return decision


def _example(prover: Prover, text: str, values: Mapping[str, int]) -> Example:
    return Example(text, values, header_of(prover.obligation, prover.module, values))


def _decide_claims(case: Case, provers: Sequence[Prover], decision: Decision) -> None:
    plain = [index for index, claim in enumerate(case.claims) if not claim.row]
    rows = [index for index, claim in enumerate(case.claims) if claim.row]
    for prover in provers:
        if _refuted(prover, plain, decision) or (not prover.rows_hold(rows) and _refuted(prover, rows, decision)):
            return


def _refuted(prover: Prover, indices: Sequence[int], decision: Decision) -> bool:
    """Whether one of these claims is; notes what is undecided."""
    for index in indices:
        values, text = prover.refute(index), prover.case.claims[index].text
        if isinstance(values, Mapping):
            decision.status = REFUTED
            decision.example = _example(prover, text, values)
            return True
        if values is False:
            decision.status = UNDECIDED
            decision.undecided.append(text)
    return False


def _find_witnesses(case: Case, provers: Sequence[Prover], decision: Decision) -> None:
    for index, claim in enumerate(case.witnesses):
        for prover in provers:
            values = prover.witness(index)
            if isinstance(values, Mapping):
                decision.witnesses.append(_example(prover, claim.text, values))
                break
        else:
            decision.missing.append(claim.text)
            decision.status = VACUOUS
