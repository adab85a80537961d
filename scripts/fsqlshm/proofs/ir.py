"""LLVM IR as clang 19 prints it: types, values, instructions. Only what the core's code is made of.

What is not known here stops the translation with a sentence (Unknown), never with a guess.
"""

import dataclasses

from fsqlshm.results import CouldNotRun


class Unknown(CouldNotRun):
    """The translator does not know something that the code has."""


@dataclasses.dataclass(frozen=True)
class Type:
    """The base of all; void and label are no more than it."""

    name: str = "void"


@dataclasses.dataclass(frozen=True)
class Int(Type):
    name: str = "int"
    width: int = 0


@dataclasses.dataclass(frozen=True)
class Ptr(Type):
    name: str = "ptr"


@dataclasses.dataclass(frozen=True)
class Sequence(Type):
    """An array or a vector."""

    name: str = "array"
    count: int = 0
    element: Type = Type()


@dataclasses.dataclass(frozen=True)
class Struct(Type):
    name: str = "struct"
    fields: tuple[Type, ...] = ()
    packed: bool = False


VOID, POINTER = Type(), Ptr()


def size_of(kind: Type) -> int:
    """Bytes that a value takes in an array."""
    if isinstance(kind, Int):
        size = (kind.width + 7) // 8
        return -(-size // alignment_of(kind)) * alignment_of(kind)
    if isinstance(kind, Ptr):
        return 8
    if isinstance(kind, Sequence):
        if kind.name == "vector" and isinstance(kind.element, Int) and kind.element.width % 8:
            raise Unknown(f"a vector of i{kind.element.width} in memory")  # it is packed there
        return kind.count * size_of(kind.element)
    if isinstance(kind, Struct):
        end = offset_in(kind, len(kind.fields))
        return -(-end // alignment_of(kind)) * alignment_of(kind)
    raise Unknown(f"a value of type {kind.name} in memory")


def alignment_of(kind: Type) -> int:
    if isinstance(kind, Int):
        size = (kind.width + 7) // 8
        return min(16, 1 << (size - 1).bit_length())
    if isinstance(kind, Sequence):
        return alignment_of(kind.element)
    if isinstance(kind, Struct):
        return 1 if kind.packed else max([alignment_of(field) for field in kind.fields], default=1)
    return 8


def offset_in(struct: Struct, index: int) -> int:
    """Of a member; with the number of all members, the end of the last one."""
    offset = 0
    for position, field in enumerate(struct.fields):
        alignment = 1 if struct.packed else alignment_of(field)
        offset = -(-offset // alignment) * alignment
        if position == index:
            return offset
        offset += size_of(field)
    return offset


@dataclasses.dataclass(frozen=True)
class Operand:
    """A register (its name), a constant, or another thing that an instruction is given."""

    type: Type
    kind: str  # register, global, integer, null, undef, poison, zero, list, bytes, address
    value: object = None


@dataclasses.dataclass(frozen=True)
class Instruction:
    op: str
    result: str = ""
    type: Type = VOID  # of the result; of what is loaded or allocated
    operands: tuple[Operand, ...] = ()
    flags: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()  # where it may go; of a phi, where each operand comes from
    detail: str = ""  # a predicate, a callee, an order
    align: int = 1
    indices: tuple[int, ...] = ()
    source: Type = VOID  # what an address counts in
    text: str = ""


@dataclasses.dataclass
class Block:
    label: str
    instructions: list[Instruction] = dataclasses.field(default_factory=list)

    @property
    def successors(self) -> tuple[str, ...]:
        return self.instructions[-1].labels


@dataclasses.dataclass
class Function:
    name: str
    parameters: list[tuple[Type, str]]
    result: Type
    blocks: dict[str, Block] = dataclasses.field(default_factory=dict)

    @property
    def entry(self) -> Block:
        return next(iter(self.blocks.values()))


@dataclasses.dataclass
class Module:
    functions: dict[str, Function] = dataclasses.field(default_factory=dict)
    constants: dict[str, Operand] = dataclasses.field(default_factory=dict)  # globals that nobody writes
    code: str = ""  # the text that it was read from

    def add(self, other: "Module") -> None:
        """Links: of what both define, which the language says is the same, the first stays."""
        self.functions = other.functions | self.functions
        self.constants = other.constants | self.constants
