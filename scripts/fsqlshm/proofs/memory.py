"""Memory: objects of cells. An address is an object and a number, so no address ever depends on the data."""

import dataclasses
from collections.abc import Callable, Mapping

from fsqlshm.proofs import terms
from fsqlshm.proofs.ir import Unknown
from fsqlshm.proofs.terms import Bits, Truth


@dataclasses.dataclass(frozen=True, slots=True)
class Pointer:
    """`offset` bytes behind the start of an object; of no object ("") it is a plain number, 0 for null. UNDEFINED is
    an object that is not there: only to touch or to compare it is wrong."""

    object: str
    offset: int


UNDEFINED = "undefined"
Value = Bits | Pointer | tuple["Value", ...]
Scalar = Bits | Pointer


def bytes_of(value: Scalar) -> int:
    return 8 if isinstance(value, Pointer) else (value.width + 7) // 8


def in_bytes(value: Scalar) -> Scalar:
    """A number as memory keeps it: of whole bytes."""
    return terms.extended(value, 8 * bytes_of(value)) if isinstance(value, Bits) and value.width % 8 else value


def part(value: Scalar, skipped: int, size: int) -> Scalar | None:
    """`size` bytes of it, those after the first `skipped`. A piece of an address is nothing."""
    if isinstance(value, Pointer):
        return value if size == 8 and not skipped else None
    return terms.extracted(value, 8 * skipped, 8 * size)


@dataclasses.dataclass(frozen=True)
class Object:
    """What is written makes a new one, so that the executions of two branches can share the old one.

    `shared`: other processes change it at any time. `constant`: writing to it is a fault.
    """

    name: str
    size: Bits
    base: Bits
    align: int = 1
    cells: Mapping[int, Scalar] = dataclasses.field(default_factory=dict)
    shared: bool = False
    constant: bool = False

    def _overlapping(self, offset: int, size: int) -> list[tuple[int, Scalar]]:
        exact = self.cells.get(offset)
        if exact is not None and bytes_of(exact) == size:
            return [(offset, exact)]
        return sorted(
            ((at, value) for at, value in self.cells.items() if at < offset + size and offset < at + bytes_of(value)),
            key=lambda cell: cell[0],
        )

    def pieces(self, offset: int, size: int) -> list[tuple[int, Scalar]]:
        """What is known of a range, in order; what was never written is left out."""
        found = []
        for at, value in self._overlapping(offset, size):
            begin, end = max(at, offset), min(at + bytes_of(value), offset + size)
            piece = part(value, begin - at, end - begin)
            if piece is not None:
                found.append((begin, piece))
        return found

    def read(self, offset: int, size: int, nothing: Callable[[int, int], Bits]) -> Scalar:
        """`nothing` gives the bits of bytes that were never written: anything."""
        pieces = self.pieces(offset, size)
        if len(pieces) == 1 and pieces[0][0] == offset and bytes_of(pieces[0][1]) == size:
            return pieces[0][1]
        parts, place = [], offset
        for at, value in [*pieces, (offset + size, Bits(8, 0))]:
            if at > place:
                parts.append(nothing(place, at - place))
            if at < offset + size:
                if isinstance(value, Pointer):
                    raise Unknown(f"an address that is read as a part of something else, in {self.name}")
                parts.append(value)
            place = at + bytes_of(value)
        return terms.joined(parts)

    def without(self, offset: int, size: int) -> dict[int, Scalar]:
        """The cells outside of a range."""
        cells = dict(self.cells)
        for at, value in self._overlapping(offset, size):
            del cells[at]
            for begin, end in ((at, offset), (offset + size, at + bytes_of(value))):
                piece = part(value, begin - at, end - begin) if begin < end else None
                if piece is not None:
                    cells[begin] = piece
        return cells

    def written(self, offset: int, values: Mapping[int, Scalar], size: int) -> "Object":
        """With these values in the range, and nothing else in it."""
        return dataclasses.replace(
            self, cells=self.without(offset, size) | {at: in_bytes(v) for at, v in values.items()}
        )

    @property
    def pointers(self) -> tuple[tuple[int, Pointer], ...]:
        found = [(at, value) for at, value in self.cells.items() if isinstance(value, Pointer)]
        return tuple(sorted(found, key=lambda cell: cell[0])) if found else ()

    def merged(self, condition: Truth, other: "Object", nothing: Callable[[int, int], Bits]) -> "Object":
        """This one if the condition holds, else the other."""
        if self.cells is other.cells:
            return self
        edges = set()
        for cells in (self.cells, other.cells):
            for at, value in cells.items():
                edges |= {at, at + bytes_of(value)}
        merged: dict[int, Scalar] = {}
        ordered = sorted(edges)
        for begin, end in zip(ordered, ordered[1:]):
            mine, yours = ([v for _, v in one.pieces(begin, end - begin)] for one in (self, other))
            if not mine and not yours:
                continue
            one, two = (found[0] if found else nothing(begin, end - begin) for found in (mine, yours))
            if isinstance(one, Bits) and isinstance(two, Bits):
                merged[begin] = terms.chosen(condition, one, two)
            elif one == two:
                merged[begin] = one
            # Else an address in one and not in the other: whoever reads it stops.
        return dataclasses.replace(self, cells=merged)


Memory = dict[str, Object]
