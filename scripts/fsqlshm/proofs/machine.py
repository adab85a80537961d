"""Runs functions of LLVM IR on terms: every path that the data can take, merged again where paths meet.

Two paths are merged where they are at the same instruction with the same addresses: numbers then become choices.
So control may depend on data, addresses may not, and a list has as many states as it has lengths. Loops are
turned as often as the code turns them; one that goes on for a number that is not known would not end, so it stops
with a sentence.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import z3

from fsqlshm.proofs import ir, semantics, solver, steps, terms
from fsqlshm.proofs.ir import Function, Instruction, Operand, Struct, Unknown
from fsqlshm.proofs.memory import UNDEFINED, Memory, Object, Pointer, Scalar, Value, in_bytes
from fsqlshm.proofs.terms import Bits, Truth

MOST_STEPS = 200_000  # instructions of one run
Path = tuple[Truth, ...]


@dataclasses.dataclass
class State:
    path: Path
    registers: dict[str, Value]
    memory: Memory
    loads: dict[str, int] = dataclasses.field(default_factory=dict)  # of shared words so far
    heap: int = 0  # objects made so far

    def split(self, condition: Truth) -> "State":
        return State((*self.path, condition), dict(self.registers), dict(self.memory), dict(self.loads), self.heap)


@dataclasses.dataclass(frozen=True)
class Access:
    """Of shared memory."""

    offset: int
    size: int
    guard: Truth
    order: str
    value: Value


@dataclasses.dataclass(frozen=True)
class Fault:
    """What well-defined code does not do, and when it would."""

    when: Truth
    what: str


@dataclasses.dataclass
class Outcome:
    """How a function ended."""

    state: State
    value: Value | None


class Flow:
    """Of a function: the order of its blocks and the registers that are still needed at the start of each."""

    def __init__(self, function: Function) -> None:
        self.order = self._order(function)
        self.live: dict[str, set[str]] = {label: set() for label in function.blocks}
        changed = True
        while changed:
            changed = False
            for label in sorted(self.order, key=lambda one: -self.order[one]):
                live = self._live_at(function.blocks[label], function)
                changed = changed or live != self.live[label]
                self.live[label] = live

    @staticmethod
    def _order(function: Function) -> dict[str, int]:
        """Reverse postorder: but for loops, what comes before another is before it."""
        finished: list[str] = []
        seen = {function.entry.label}
        stack = [(function.entry.label, iter(function.entry.successors))]
        while stack:
            label, successors = stack[-1]
            following = next((one for one in successors if one not in seen), None)
            if following is None:
                finished.append(stack.pop()[0])
            else:
                seen.add(following)
                stack.append((following, iter(function.blocks[following].successors)))
        return {label: place for place, label in enumerate(reversed(finished))}

    def _live_at(self, block: ir.Block, function: Function) -> set[str]:
        live: set[str] = set()
        for successor in block.successors:
            live |= self.live[successor]
            for one in function.blocks[successor].instructions:
                if one.op != "phi":
                    break
                live.discard(one.result)
                pairs = zip(one.operands, one.labels)
                live |= {str(o.value) for o, label in pairs if label == block.label and o.kind == "register"}
        for one in reversed(block.instructions):
            if one.op == "phi":
                continue  # its value comes along an edge: it is there when the block begins
            live.discard(one.result)
            live |= {str(o.value) for o in one.operands if o.kind == "register"}
        return live


class Machine:
    """`fresh` gives the bits of what is not known: shared words, memory that was never written."""

    def __init__(self, module: ir.Module, fresh: Callable[[str, int], Bits]) -> None:
        self.module, self.fresh = module, fresh
        self.accesses: list[Access] = []
        self.faults: list[Fault] = []
        self.steps = 0
        self._flows: dict[str, Flow] = {}
        self.depth = 0
        self._nothings = 0

    # --- Functions ------------------------------------------------------------------------------------------------

    def call(self, name: str, arguments: Sequence[Value], memory: Memory) -> Outcome | None:
        """Runs a function of the module to its end, which has one outcome, whatever it left on the heap; none, if
        no path gets there."""
        outcomes = self.run(name, arguments, State((), {}, memory))
        for outcome in outcomes:
            outcome.state.memory = {name: outcome.state.memory[name] for name in memory}
            outcome.state.registers = {} if outcome.value is None else {"result": outcome.value}
        if not outcomes:
            return None
        state = self._merge([outcome.state for outcome in outcomes], 0)
        return Outcome(state, state.registers.get("result"))

    def run(self, name: str, arguments: Sequence[Value], caller: State) -> list[Outcome]:
        function = self.module.functions[name]
        if len(arguments) != len(function.parameters):
            raise Unknown(f"a call of {name} with {len(arguments)} arguments")
        if name not in self._flows:
            self._flows[name] = Flow(function)
        flow = self._flows[name]
        registers = {register: value for (_, register), value in zip(function.parameters, arguments)}
        begin = State(caller.path, registers, dict(caller.memory), dict(caller.loads), caller.heap)
        self.depth += 1
        pending: dict[str, list[State]] = {function.entry.label: [begin]}
        ended: list[Outcome] = []
        while pending:
            label = min(pending, key=flow.order.__getitem__)
            for state in self._merge_all(pending.pop(label), flow.live[label]):
                for following, left in self._block(function, function.blocks[label], state, ended):
                    pending.setdefault(following, []).append(left)
        stack = f"{self.depth}."
        self.depth -= 1
        for outcome in ended:
            outcome.state.memory = {n: o for n, o in outcome.state.memory.items() if not n.startswith(stack)}
            outcome.state.registers = {} if outcome.value is None else {"result": outcome.value}
        merged = self._merge_all([outcome.state for outcome in ended], {"result"})
        return [Outcome(state, state.registers.get("result")) for state in merged]

    def _block(
        self, function: Function, block: ir.Block, begin: State, ended: list[Outcome]
    ) -> Iterator[tuple[str, State]]:
        """Runs a block; yields where it goes on, with the values that the phis there get."""
        work = [(begin, 0)]
        while work:
            state, place = work.pop()
            instruction = block.instructions[place]
            self.steps += 1
            solver.poll()
            if self.steps > MOST_STEPS:
                raise Unknown(
                    f"a loop that does not end, or a run of more than {MOST_STEPS} instructions, in {function.name}"
                )
            if instruction.op == "ret":
                value = self.value(instruction.operands[0], state) if instruction.operands else None
                ended.append(Outcome(state, value))
            elif instruction.op in ("br", "switch"):
                for label, left in self._branches(instruction, state):
                    yield self._edge(function, block.label, label, left)
            elif instruction.op == "invoke":
                for left in steps.step(self, instruction, state):
                    yield self._edge(function, block.label, instruction.labels[0], left)
            elif instruction.op == "unreachable":
                self.fault(state, True, "what the compiler holds to be unreachable is reached", instruction)
            else:
                work += [(left, place + 1) for left in steps.step(self, instruction, state)]

    def _branches(self, instruction: Instruction, state: State) -> Iterator[tuple[str, State]]:
        labels = instruction.labels
        if not instruction.operands:
            yield labels[0], state
            return
        given = semantics.number(self.value(instruction.operands[0], state))
        self.fault(state, given.poison, "a branch on a value that is poison", instruction)
        if instruction.op == "br":
            cases = [(terms.as_truth(given), labels[0])]
            otherwise = labels[1]
        else:
            values = [semantics.number(self.value(one, state)) for one in instruction.operands[1:]]
            cases = [(given.equals(value), label) for value, label in zip(values, labels[1:])]
            otherwise = labels[0]
        for condition, label in cases:
            known = self._known(condition, state.path)
            if known is True:
                yield label, state
                return
            if known is None:
                yield label, state.split(condition)
                state = state.split(terms.negation(condition))
        yield otherwise, state

    @staticmethod
    def _known(condition: Truth, path: Path) -> bool | None:
        """Whether the path has decided it already."""
        if isinstance(condition, bool):
            return condition
        opposite = terms.negation(condition)
        for one in path:
            if one.eq(condition):
                return True
            if one.eq(opposite):
                return False
        return None

    def _edge(self, function: Function, origin: str, label: str, state: State) -> tuple[str, State]:
        values: dict[str, Value] = {}
        for one in function.blocks[label].instructions:
            if one.op != "phi":
                break
            values[one.result] = self.value(one.operands[one.labels.index(origin)], state)
        state.registers |= values
        return label, state

    # --- Values ---------------------------------------------------------------------------------------------------

    def value(self, operand: Operand, state: State) -> Value:
        kind, held = operand.kind, operand.value
        if kind == "register":
            return state.registers[str(held)]
        if kind == "integer" and isinstance(operand.type, ir.Int) and isinstance(held, int):
            return terms.of(held, operand.type.width)
        if kind == "null":
            return Pointer("", 0)
        if kind in ("zero", "undef", "poison"):
            return self._filled(operand.type, kind)
        if kind == "list" and isinstance(held, tuple):
            return tuple(self.value(item, state) for item in held)
        if kind == "global":
            return Pointer(self._constant(str(held), state), 0)
        if kind == "address" and isinstance(held, tuple):
            source, (base, *indices) = held
            return self.moved(self.value(base, state), source, [self.value(one, state) for one in indices])
        raise Unknown(f"the value {operand}")

    def _filled(self, kind: ir.Type, what: str) -> Value:
        if isinstance(kind, ir.Int):
            return Bits(kind.width, 0) if what == "zero" else self.anything(kind.width)
        if isinstance(kind, ir.Ptr):
            return Pointer("" if what == "zero" else UNDEFINED, 0)
        if isinstance(kind, ir.Sequence):
            return (self._filled(kind.element, what),) * kind.count
        if isinstance(kind, Struct):
            return tuple(self._filled(field, what) for field in kind.fields)
        raise Unknown(f"a value of type {kind.name}")

    def _constant(self, name: str, state: State) -> str:
        """A global that nobody writes, as an object."""
        if name not in self.module.constants:
            raise Unknown(f"the global {name}")
        if name not in state.memory:
            operand = self.module.constants[name]
            size = ir.size_of(operand.type)
            base, align = self.fresh(f"address of {name}", 64), ir.alignment_of(operand.type)
            cells: dict[int, Scalar] = dict(self._cells(operand, 0, state))
            state.memory[name] = Object(name, terms.of(size, 64), base, align, cells, constant=True)
        return name

    def _cells(self, operand: Operand, at: int, state: State) -> Iterator[tuple[int, Scalar]]:
        """A constant as it lies in memory, from an offset on."""
        kind, held = operand.type, operand.value
        if isinstance(held, bytes):
            yield from ((at + place, Bits(8, byte)) for place, byte in enumerate(held))
        elif operand.kind == "zero":
            yield from ((at + place, Bits(8, 0)) for place in range(ir.size_of(kind)))
        elif isinstance(kind, ir.Sequence) and isinstance(held, tuple):
            for place, item in enumerate(held):
                yield from self._cells(item, at + place * ir.size_of(kind.element), state)
        elif isinstance(kind, Struct) and isinstance(held, tuple):
            for place, item in enumerate(held):
                yield from self._cells(item, at + ir.offset_in(kind, place), state)
        else:
            value = self.value(operand, state)
            if isinstance(value, tuple):
                raise Unknown(f"the constant {operand}")
            yield at, in_bytes(value)

    def moved(self, base: Value, source: ir.Type, indices: Sequence[Value]) -> Pointer:
        """getelementptr."""
        if not isinstance(base, Pointer):
            raise Unknown(f"an address that is made of data: {base}")
        offset, kind, first = base.offset, source, True
        for index in indices:
            held = semantics.number(index)
            if not isinstance(held.term, int):
                raise Unknown("an address that depends on data")
            count = terms.signed(held.term, held.width)
            if first:
                offset += count * ir.size_of(kind)
                first = False
            elif isinstance(kind, Struct):
                offset += ir.offset_in(kind, count)
                kind = kind.fields[count]
            elif isinstance(kind, ir.Sequence):
                kind = kind.element
                offset += count * ir.size_of(kind)
        return Pointer(base.object, offset)

    def as_number(self, value: Value, state: State) -> Value:
        """An address as the number that it is."""
        if not isinstance(value, Pointer):
            return value
        if value.object and value.object not in state.memory:
            raise Unknown(f"the number of an address that is undefined, or of an object that is gone: {value}")
        return (state.memory[value.object].base if value.object else terms.of(0, 64)) + value.offset

    def fault(self, state: State, when: Truth, what: str, instruction: Instruction | None = None) -> None:
        if when is False:
            return
        place = f": {instruction.text}" if instruction else ""
        self.faults.append(Fault(terms.all_of([*state.path, when]), what + place))

    def shared_load(self, state: State, offset: int, size: int, order: str, value: Value) -> None:
        self.accesses.append(Access(offset, size, terms.all_of(state.path), order, value))

    def anything(self, width: int) -> Bits:
        """What is undefined: any number, and poison, so that nothing may be decided by it."""
        return self._undefined("anything", "", width)

    def nothing(self, name: str) -> Callable[[int, int], Bits]:
        """What bytes of an object hold that were never written: the same."""
        return lambda offset, size: self._undefined("never written", f": {name}+{offset}", 8 * size)

    def _undefined(self, what: str, where: str, width: int) -> Bits:
        self._nothings += 1
        return Bits(width, self.fresh(f"{what} {self._nothings}{where}", width).term, True)

    # --- Paths that meet ------------------------------------------------------------------------------------------

    def _merge_all(self, states: list[State], live: set[str]) -> list[State]:
        for state in states:
            state.registers = {name: value for name, value in state.registers.items() if name in live}
        if len(states) == 1:
            return states
        groups: dict[object, list[State]] = {}
        for state in states:
            addresses = tuple(sorted((n, v) for n, v in state.registers.items() if isinstance(v, Pointer)))
            changed = ((name, held) for name, held in state.memory.items() if not held.constant)
            objects = tuple(
                sorted((name, held.size.term if held.size.known else -1, held.pointers) for name, held in changed)
            )
            groups.setdefault((addresses, objects), []).append(state)
        return [self._merge(group, 0) for group in groups.values()]

    def _merge(self, states: list[State], depth: int) -> State:
        """Of paths that agree in their first `depth` conditions: those that part last meet first."""
        if len(states) == 1:
            return states[0]
        parts: dict[int, list[State]] = {}
        for state in states:
            key = state.path[depth].get_id() if len(state.path) > depth else -1
            parts.setdefault(key, []).append(state)
        if len(parts) == 1:
            return self._merge(states, depth + 1)
        first, *others = [self._merge(part, depth + 1) if key != -1 else part[0] for key, part in parts.items()]
        for other in others:
            first = self._joined(first, other, depth)
        return first

    def _joined(self, one: State, other: State, depth: int) -> State:
        mine, yours = one.path[depth:], other.path[depth:]
        condition = terms.all_of(mine)
        if len(mine) == len(yours) == 1 and mine[0].eq(terms.negation(yours[0])):
            path = one.path[:depth]
        else:
            path = (*one.path[:depth], z3.Or(terms.term_of(condition), terms.term_of(terms.all_of(yours))))
        registers = {
            name: self._chosen(condition, value, other.registers[name])
            for name, value in one.registers.items()
            if name in other.registers
        }
        memory = {
            name: held.merged(condition, other.memory.get(name, held), self.nothing(name))
            for name, held in (other.memory | one.memory).items()
        }
        loads = {key: max(one.loads.get(key, 0), other.loads.get(key, 0)) for key in one.loads | other.loads}
        return State(path, registers, memory, loads, max(one.heap, other.heap))

    def _chosen(self, condition: Truth, one: Value, other: Value) -> Value:
        if isinstance(one, Bits) and isinstance(other, Bits):
            return terms.chosen(condition, one, other)
        if isinstance(one, tuple) and isinstance(other, tuple):
            return tuple(self._chosen(condition, a, b) for a, b in zip(one, other))
        if one != other:
            raise Unknown(f"an address or a number, as the data have it: {one} or {other}")
        return one
