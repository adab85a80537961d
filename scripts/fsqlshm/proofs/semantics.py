"""What the instructions compute that touch neither memory nor the flow of control."""

from collections.abc import Callable

from fsqlshm.proofs import terms
from fsqlshm.proofs.ir import Instruction, Int, Unknown
from fsqlshm.proofs.memory import UNDEFINED, Pointer, Value
from fsqlshm.proofs.terms import Bits, Truth


def number(value: Value) -> Bits:
    if not isinstance(value, Bits):
        raise Unknown(f"an address or a list where a number was expected: {value}")
    return value


def by_lane(compute: Callable[..., Value], *values: Value) -> Value:
    """Of vectors, element by element."""
    if isinstance(values[0], tuple):
        vectors = [value for value in values if isinstance(value, tuple)]
        return tuple(by_lane(compute, *lanes) for lanes in zip(*vectors))
    return compute(*values)


# --- Arithmetic -------------------------------------------------------------------------------------------------


def overflows(op: str, a: Bits, b: Bits, sign: bool) -> Truth:
    """Whether the result does not fit: in twice the width it is another one."""
    if op == "mul" and a.width == 128:
        if None in (terms.half(a), terms.half(b)):
            raise Unknown("a product of 128 bits that may not overflow, of numbers that are wider than 64")
        # Of two such halves the product fits; as a signed number it surely does if one of them has no highest bit.
        return sign and terms.both(*(terms.extracted(n, 63, 1).equals(1) for n in (a, b)))
    x, y = (terms.extended(n, 2 * a.width, sign) for n in (a, b))
    if op == "shl":
        y = terms.extended(b, 2 * a.width)
    exact = terms.binary(op, x, y)
    return exact.differs(terms.extended(terms.extracted(exact, 0, a.width), 2 * a.width, sign))


def arithmetic(instruction: Instruction, a: Bits, b: Bits) -> Bits:
    """With poison where the instruction promises what is not so."""
    op, flags = instruction.op, instruction.flags
    result = terms.binary(op, a, b)
    broken = [result.poison]
    broken += [overflows(op, a, b, flag == "nsw") for flag in ("nuw", "nsw") if flag in flags]
    if op in ("shl", "lshr", "ashr"):
        broken.append(terms.negation(b.below(a.width)))
    if "disjoint" in flags:
        broken.append((a & b).differs(0))
    if "exact" in flags:
        broken.append(terms.binary("shl" if "shr" in op else "mul", result, b).differs(a))
    return Bits(result.width, result.term, terms.any_of(broken))


def difference(a: Pointer, b: Pointer) -> Bits | None:
    """Of two addresses in one object."""
    return terms.of(a.offset - b.offset, 64) if a.object == b.object else None


# --- Comparisons ------------------------------------------------------------------------------------------------


def compared(predicate: str, a: Value, b: Value) -> Bits:
    if isinstance(a, Bits) and isinstance(b, Bits):
        bit = terms.as_bit(terms.compare(predicate, a, b))
        return Bits(1, bit.term, terms.either(a.poison, b.poison))
    a, b = (_address_of(value) for value in (a, b))
    if UNDEFINED in (a.object, b.object):
        raise Unknown(f"a comparison of an address that is undefined: {a} and {b}")
    if a.object == b.object:
        return terms.as_bit(terms.compare(predicate, terms.of(a.offset, 64), terms.of(b.offset, 64)))
    if predicate not in ("eq", "ne"):
        raise Unknown(f"the order of addresses in two objects: {a} and {b}")
    # Objects lie apart from each other and from address 0; only an end may be another's beginning.
    if a.object and b.object and (a.offset != 0 and b.offset == 0 or a.offset == 0 and b.offset != 0):
        raise Unknown(f"whether an address at the end of an object is that of the next: {a} and {b}")
    return Bits(1, int(predicate == "ne"))


def _address_of(value: Value) -> Pointer:
    if isinstance(value, Bits) and isinstance(value.term, int):
        return Pointer("", value.term)
    if not isinstance(value, Pointer):
        raise Unknown(f"a comparison of an address with {value}")
    return value


# --- Conversions ------------------------------------------------------------------------------------------------


def converted(instruction: Instruction, value: Value) -> Value:
    op, kind, flags = instruction.op, instruction.type, instruction.flags
    if op == "inttoptr" or isinstance(value, Pointer) and op in ("ptrtoint", "bitcast"):
        if isinstance(kind, Int) and kind.width != 64:
            raise Unknown(f"a part of an address: {instruction.text}")
        return _address_of(value)
    given = number(value)
    if not isinstance(kind, Int):
        raise Unknown(f"a conversion: {instruction.text}")
    if op == "trunc":
        made = terms.extracted(given, 0, kind.width)
        broken = [made.poison]
        for flag, sign in (("nuw", False), ("nsw", True)):
            if flag in flags:
                broken.append(terms.extended(made, given.width, sign).differs(given))
        return Bits(kind.width, made.term, terms.any_of(broken))
    if op in ("zext", "sext"):
        made = terms.extended(given, kind.width, op == "sext")
        negative = "nneg" in flags and terms.extracted(given, given.width - 1, 1).equals(1)
        return Bits(kind.width, made.term, terms.either(made.poison, negative))
    if op == "bitcast" and kind.width == given.width:
        return given
    raise Unknown(f"a conversion: {instruction.text}")


# --- Functions of the compiler ------------------------------------------------------------------------------------


def _funnel(left: bool) -> Callable[..., Bits]:
    def shift(high: Bits, low: Bits, count: Bits) -> Bits:
        if not isinstance(count.term, int):
            raise Unknown("a funnel shift by a number that is not known")
        kept = count.term % high.width
        both = terms.joined([low, high])
        made = terms.extracted(both, high.width - kept if left else kept, high.width)
        return Bits(made.width, made.term, terms.either(made.poison, count.poison))

    return shift


def _extreme(predicate: str) -> Callable[[Bits, Bits], Bits]:
    def choose(a: Bits, b: Bits) -> Bits:
        made = terms.chosen(terms.compare(predicate, a, b), a, b)
        return Bits(made.width, made.term, terms.either(a.poison, b.poison))

    return choose


def _ones(value: Bits) -> Bits:
    total = terms.of(0, value.width)
    for place in range(value.width):
        total = total + terms.extended(terms.extracted(value, place, 1), value.width)
    return Bits(value.width, total.term, value.poison)


INTRINSICS: dict[str, Callable[..., Bits]] = {
    "fshl": _funnel(True),
    "fshr": _funnel(False),
    "umax": _extreme("ugt"),
    "umin": _extreme("ult"),
    "smax": _extreme("sgt"),
    "smin": _extreme("slt"),
    "ctpop": _ones,
    "bswap": lambda value: terms.joined(terms.extracted(value, place, 8) for place in range(value.width - 8, -1, -8)),
}
