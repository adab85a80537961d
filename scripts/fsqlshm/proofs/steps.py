"""What one instruction does to a state; two states, if an address depends on what it decides."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fsqlshm.proofs import ir, semantics, terms
from fsqlshm.proofs.ir import Instruction, Int, Ptr, Unknown
from fsqlshm.proofs.memory import Object, Pointer, Scalar, Value, bytes_of, in_bytes
from fsqlshm.proofs.terms import Bits

if TYPE_CHECKING:
    from fsqlshm.proofs.machine import Machine, State


def step(machine: "Machine", instruction: Instruction, state: "State") -> list["State"]:
    """The states after it; none, if it has no way on."""
    op = instruction.op
    if op == "phi":
        return [state]
    if op == "unknown":
        raise Unknown(instruction.detail)
    if op not in _STEPS:
        raise Unknown(f"the instruction {instruction.text}")
    return _STEPS[op](machine, instruction, state)


def _gives(state: "State", instruction: Instruction, value: Value) -> list["State"]:
    if instruction.result:
        state.registers[instruction.result] = value
    return [state]


# --- Numbers ----------------------------------------------------------------------------------------------------


def _binary(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    a, b = (machine.value(operand, state) for operand in one.operands)
    if one.op == "sub" and isinstance(a, Pointer) and isinstance(b, Pointer):
        apart = semantics.difference(a, b)
        if apart is not None:
            return _gives(state, one, apart)
    a, b = (machine.as_number(value, state) for value in (a, b))

    def compute(x: Value, y: Value) -> Bits:
        x, y = semantics.number(x), semantics.number(y)
        if one.op in ("udiv", "urem", "sdiv", "srem"):
            machine.fault(state, terms.either(y.equals(0), y.poison), "a division by zero, or by poison", one)
        if one.op in ("sdiv", "srem"):
            lowest, minus_one = x.equals(1 << (x.width - 1)), y.equals(-1)
            machine.fault(state, terms.both(lowest, minus_one), "a quotient that does not fit", one)
        return semantics.arithmetic(one, x, y)

    return _gives(state, one, semantics.by_lane(compute, a, b))


def _compare(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    a, b = (machine.value(operand, state) for operand in one.operands)
    return _gives(state, one, semantics.by_lane(lambda x, y: semantics.compared(one.detail, x, y), a, b))


def _convert(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    value = machine.value(one.operands[0], state)
    if isinstance(one.type, ir.Sequence):
        by_element = dataclasses.replace(one, type=one.type.element)
        return _gives(state, one, semantics.by_lane(lambda x: semantics.converted(by_element, x), value))
    return _gives(state, one, semantics.converted(one, value))


def _freeze(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    def frozen(value: Value) -> Value:
        if not isinstance(value, Bits) or value.poison is False:
            return value
        anything = machine.anything(value.width)
        made = terms.chosen(value.poison, anything, Bits(value.width, value.term))
        return Bits(value.width, made.term)

    return _gives(state, one, semantics.by_lane(frozen, machine.value(one.operands[0], state)))


def _select(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    given, yes, no = (machine.value(operand, state) for operand in one.operands)
    if isinstance(given, tuple):
        return _gives(state, one, semantics.by_lane(_selected, given, yes, no))
    if isinstance(yes, Bits) and isinstance(no, Bits):
        return _gives(state, one, _selected(given, yes, no))
    machine.fault(state, semantics.number(given).poison, "an address or a list that is chosen by poison", one)
    condition = terms.as_truth(semantics.number(given))
    if isinstance(condition, bool):
        return _gives(state, one, yes if condition else no)
    if yes == no:
        return _gives(state, one, yes)
    other = state.split(terms.negation(condition))
    return _gives(state.split(condition), one, yes) + _gives(other, one, no)


def _selected(given: Value, yes: Value, no: Value) -> Value:
    bit = semantics.number(given)
    made = terms.chosen(terms.as_truth(bit), semantics.number(yes), semantics.number(no))
    return Bits(made.width, made.term, terms.either(made.poison, bit.poison))


# --- Lists ------------------------------------------------------------------------------------------------------


def _lane(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    """insertelement and extractelement."""
    values = [machine.value(operand, state) for operand in one.operands]
    index = semantics.number(values[-1]).term
    if not isinstance(index, int) or not isinstance(values[0], tuple):
        raise Unknown(f"an element of a vector that depends on data: {one.text}")
    if one.op == "extractelement":
        return _gives(state, one, values[0][index])
    return _gives(state, one, (*values[0][:index], values[1], *values[0][index + 1 :]))


def _shuffle(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    first, second, mask = (machine.value(operand, state) for operand in one.operands)
    assert isinstance(first, tuple) and isinstance(second, tuple) and isinstance(mask, tuple)
    lanes, chosen = first + second, [semantics.number(index) for index in mask]
    if any(index.poison is not False for index in chosen):
        raise Unknown(f"an element that is poison: {one.text}")
    return _gives(state, one, tuple(lanes[index.term] for index in chosen))


def _member(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    """insertvalue and extractvalue."""
    values = [machine.value(operand, state) for operand in one.operands]

    def inserted(whole: Value, indices: Sequence[int]) -> Value:
        if not indices:
            return values[1]
        assert isinstance(whole, tuple)
        at = indices[0]
        return (*whole[:at], inserted(whole[at], indices[1:]), *whole[at + 1 :])

    if one.op == "insertvalue":
        return _gives(state, one, inserted(values[0], one.indices))
    value = values[0]
    for index in one.indices:
        assert isinstance(value, tuple)
        value = value[index]
    return _gives(state, one, value)


# --- Memory -----------------------------------------------------------------------------------------------------


def _alloca(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    name = f"{machine.depth}.{one.result}"
    size = terms.of(ir.size_of(one.type), 64)
    state.memory[name] = Object(name, size, machine.fresh(f"address of {name}", 64), one.align)
    return _gives(state, one, Pointer(name, 0))


def _address(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    base, *indices = (machine.value(operand, state) for operand in one.operands)
    return _gives(state, one, machine.moved(base, one.source, indices))


def _place(
    machine: "Machine", one: Instruction, state: "State", address: Value, size: int, align: int
) -> tuple[Object, int] | None:
    """What an access of `size` bytes touches; none if that is nothing at all."""
    if isinstance(address, Bits) and address.term == 0:
        address = Pointer("", 0)
    if not isinstance(address, Pointer):
        raise Unknown(f"an address that is made of data: {one.text}")
    held = state.memory.get(address.object)
    if held is None or address.offset < 0:
        machine.fault(state, True, "an access to no object, or to one that is gone", one)
        return None
    end = terms.of(address.offset + size, 64)
    machine.fault(state, held.size.below(end), f"an access behind the end of {held.name}", one)
    if held.align % align != 0 or address.offset % align != 0:
        off = (held.base + address.offset) & (align - 1)
        machine.fault(state, off.differs(0), f"an access to {held.name} that is not aligned", one)
    return held, address.offset


def _load(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    size = ir.size_of(one.type)
    place = _place(machine, one, state, machine.value(one.operands[0], state), size, one.align)
    if place is None:
        return []
    held, offset = place
    if held.shared:
        return _gives(state, one, _load_shared(machine, one, state, held, offset))
    nothing = machine.nothing(held.name)

    def read(kind: ir.Type, at: int) -> Value:
        if isinstance(kind, ir.Sequence):
            step_by = ir.size_of(kind.element)
            return tuple(read(kind.element, at + i * step_by) for i in range(kind.count))
        if not isinstance(kind, Int | Ptr):
            raise Unknown(f"a load of {kind.name}: {one.text}")
        value = held.read(at, ir.size_of(kind), nothing)
        if isinstance(value, Bits) and isinstance(kind, Int):
            return terms.extracted(value, 0, kind.width)
        if isinstance(value, Bits):
            if value.term != 0:
                raise Unknown(f"an address that is made of data: {one.text}")
            return Pointer("", 0)
        return value

    return _gives(state, one, read(one.type, offset))


def _load_shared(machine: "Machine", one: Instruction, state: "State", held: Object, offset: int) -> Value:
    """Every load finds something else."""
    if not isinstance(one.type, Int):
        raise Unknown(f"a load of shared memory that is no number: {one.text}")
    machine.fault(state, not one.detail, "a load of shared memory that is not atomic", one)
    key = f"{held.name}+{offset}"
    earlier = state.loads.get(key, 0)
    state.loads[key] = earlier + 1
    value = machine.fresh(f"{key} load {earlier + 1}", one.type.width)
    machine.shared_load(state, offset, ir.size_of(one.type), one.detail, value)
    return value


def _store(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    value = machine.value(one.operands[0], state)
    size = ir.size_of(one.type)
    place = _place(machine, one, state, machine.value(one.operands[1], state), size, one.align)
    if place is None:
        return []
    held, offset = place
    machine.fault(state, held.shared or held.constant, f"a store to {held.name}, which is only read", one)
    scalars: dict[int, Scalar] = {}

    def flatten(one_value: Value, at: int) -> int:
        if isinstance(one_value, tuple):
            for element in one_value:
                at = flatten(element, at)
            return at
        scalars[at] = in_bytes(one_value)
        return at + bytes_of(scalars[at])

    if isinstance(one.type, ir.Struct):
        raise Unknown(f"a store of a structure: {one.text}")
    flatten(value, offset)
    state.memory[held.name] = held.written(offset, scalars, size)
    return [state]


# --- Calls ------------------------------------------------------------------------------------------------------


def _call(machine: "Machine", one: Instruction, state: "State") -> list["State"]:
    name = one.detail
    arguments = [machine.value(operand, state) for operand in one.operands]
    if name in machine.module.functions:
        following = []
        for outcome in machine.run(name, arguments, state):
            after = outcome.state
            after.registers = dict(state.registers)
            following += _gives(after, one, outcome.value) if outcome.value is not None else [after]
        return following
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](machine, one, state, arguments)
    match = re.fullmatch(r"@llvm\.([a-z.]+?)(?:\.[pvi]\d+\w*)*", name)
    short = match[1] if match else name
    if short in semantics.INTRINSICS:
        compute = semantics.INTRINSICS[short]
        return _gives(
            state, one, semantics.by_lane(lambda *values: compute(*map(semantics.number, values)), *arguments)
        )
    if short in _FUNCTIONS:
        return _FUNCTIONS[short](machine, one, state, arguments)
    raise Unknown(f"a call of {name[1:]}, which is not known: {one.text}")


def _known_size(one: Instruction, value: Value) -> int:
    size = semantics.number(value).term
    if not isinstance(size, int):
        raise Unknown(f"a number of bytes that depends on data: {one.text}")
    return size


def _copy(machine: "Machine", one: Instruction, state: "State", arguments: list[Value]) -> list["State"]:
    """memcpy and memmove."""
    size = _known_size(one, arguments[2])
    if semantics.number(arguments[3]).term != 0:
        raise Unknown(f"a volatile access: {one.text}")
    if size == 0:
        return [state]
    left, right = (_place(machine, one, state, address, size, 1) for address in arguments[:2])
    if left is None or right is None:
        return []
    (target, to), (source, origin) = left, right
    machine.fault(state, target.shared or target.constant, f"a copy to {target.name}, which is only read", one)
    machine.fault(state, source.shared, f"a copy of {source.name}, which others change: it is not atomic", one)
    overlap = target.name == source.name and 0 < abs(to - origin) < size and "memcpy" in one.detail
    machine.fault(state, overlap, f"a copy of a part of {source.name} over itself", one)
    pieces = {at - origin + to: value for at, value in source.pieces(origin, size)}
    state.memory[target.name] = target.written(to, pieces, size)
    return [state]


def _fill(machine: "Machine", one: Instruction, state: "State", arguments: list[Value]) -> list["State"]:
    size = _known_size(one, arguments[2])
    if size == 0:
        return [state]
    place = _place(machine, one, state, arguments[0], size, 1)
    if place is None:
        return []
    held, offset = place
    byte = semantics.number(arguments[1])
    machine.fault(state, held.shared or held.constant, f"a store to {held.name}, which is only read", one)
    words = {at: min(8, offset + size - at) for at in range(offset, offset + size, 8)}
    state.memory[held.name] = held.written(
        offset, {at: terms.joined([byte] * length) for at, length in words.items()}, size
    )
    return [state]


def _lifetime(machine: "Machine", one: Instruction, state: "State", arguments: list[Value]) -> list["State"]:
    """Before and after its life an object holds nothing."""
    address = arguments[1]
    assert isinstance(address, Pointer)
    held = state.memory[address.object]
    state.memory[held.name] = dataclasses.replace(held, cells={})
    return [state]


def _new(machine: "Machine", one: Instruction, state: "State", arguments: list[Value]) -> list["State"]:
    """operator new, which does not fail here."""
    name = f"heap {state.heap}"
    state.heap += 1
    size = terms.of(_known_size(one, arguments[0]), 64)
    state.memory[name] = Object(name, size, machine.fresh(f"address of {name}", 64), 16)
    return _gives(state, one, Pointer(name, 0))


def _delete(machine: "Machine", one: Instruction, state: "State", arguments: list[Value]) -> list["State"]:
    address = arguments[0]
    name = address.object if isinstance(address, Pointer) and address.offset == 0 else "a place inside"
    if name.startswith("heap ") and name in state.memory:
        del state.memory[name]
    elif name:
        machine.fault(state, True, "a deletion of what is no object of the heap", one)
    return [state]


def _assume(machine: "Machine", one: Instruction, state: "State", arguments: list[Value]) -> list["State"]:
    bit = semantics.number(arguments[0])
    machine.fault(
        state, terms.either(bit.poison, terms.negation(terms.as_truth(bit))), "what the compiler assumes is not so", one
    )
    return [state]


def _ignored(_machine: "Machine", _one: Instruction, state: "State", _arguments: list[Value]) -> list["State"]:
    return [state]


_FUNCTIONS: dict[str, Callable[..., list["State"]]] = {
    "memcpy": _copy,
    "memmove": _copy,
    "memset": _fill,
    "assume": _assume,
    "lifetime.start": _lifetime,
    "lifetime.end": _lifetime,
    "experimental.noalias.scope.decl": _ignored,
    "@_Znwm": _new,
    "@_ZdlPvm": _delete,
    "@_ZdlPv": _delete,
}
_STEPS: dict[str, Callable[["Machine", Instruction, "State"], list["State"]]] = {
    **dict.fromkeys(("add", "sub", "mul", "udiv", "sdiv", "urem", "srem"), _binary),
    **dict.fromkeys(("shl", "lshr", "ashr", "and", "or", "xor"), _binary),
    **dict.fromkeys(("trunc", "zext", "sext", "ptrtoint", "inttoptr", "bitcast"), _convert),
    **dict.fromkeys(("insertelement", "extractelement"), _lane),
    **dict.fromkeys(("insertvalue", "extractvalue"), _member),
    **dict.fromkeys(("call", "invoke"), _call),
    "icmp": _compare,
    "select": _select,
    "freeze": _freeze,
    "shufflevector": _shuffle,
    "alloca": _alloca,
    "getelementptr": _address,
    "load": _load,
    "store": _store,
}
