"""What can be wrong with a line: operators over clang's syntax tree, which yield edits of the source.

An operator sees a node of the tree and says what could stand there by mistake. None makes a loop endless by itself, and
none touches what the compiler judges anyway (static_assert, concepts, types).
"""

import re
from collections.abc import Callable, Iterator

from clang.cindex import Cursor, CursorKind

from fsqlshm.mutants.mutant import Edit

Edits = tuple[Edit, ...]

COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
LOGIC = {"&&": "||", "||": "&&"}
ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/", "<<": ">>", ">>": "<<"}
FLAGS = ("|", "&")
# An order that is weaker, so that what it orders is not. One that is stronger is no fault.
WEAKER = {"acquire": "relaxed", "release": "relaxed", "acq_rel": "relaxed", "seq_cst": "relaxed"}
BINARY = (CursorKind.BINARY_OPERATOR, CursorKind.CALL_EXPR)
STATEMENTS = (
    CursorKind.CALL_EXPR,
    CursorKind.BINARY_OPERATOR,
    CursorKind.COMPOUND_ASSIGNMENT_OPERATOR,
    CursorKind.UNARY_OPERATOR,
    CursorKind.CXX_STATIC_CAST_EXPR,
    CursorKind.CONTINUE_STMT,
    CursorKind.BREAK_STMT,
)


class Source:
    """The text of a file, and the places of nodes in it."""

    def __init__(self, path: str, text: bytes) -> None:
        self.path = path
        self.text = text

    def span(self, node: Cursor) -> tuple[int, int]:
        """Without what a macro is made of: a node that begins or ends in one ends with the macro's name."""
        start, end = node.extent.start.offset, node.extent.end.offset
        if end <= start or re.match(rb"\w", self.text[end : end + 1]) and re.match(rb"\w", self.text[end - 1 : end]):
            word = re.compile(rb"\w+").match(self.text, max(start, end))
            end = word.end() if word else end
        return start, end

    def of(self, node: Cursor) -> str:
        start, end = self.span(node)
        return self.text[start:end].decode()


def _operands(source: Source, node: Cursor) -> tuple[Cursor, str, int, Cursor] | None:
    """Left side, operator, where it is, right side; None of a node that has no two sides."""
    if node.kind == CursorKind.BINARY_OPERATOR:
        sides = list(node.get_children())
    elif node.spelling.startswith("operator"):
        sides = list(node.get_arguments())
    else:
        return None
    if len(sides) != 2 or any(side is None for side in sides):
        return None
    (left_start, left_end), (right_start, _) = source.span(sides[0]), source.span(sides[1])
    between = source.text[left_end:right_start]
    found = re.fullmatch(rb"[\s)]*([-+*/%<>=!&|^]+)[\s(]*", between)
    if not found or left_start >= right_start:
        return None
    return sides[0], found[1].decode(), left_end + found.start(1), sides[1]


def _replaced_operator(table: dict[str, str]) -> Callable[[Source, Cursor], Iterator[Edits]]:
    def operator(source: Source, node: Cursor) -> Iterator[Edits]:
        if node.kind in BINARY and (sides := _operands(source, node)):
            _, sign, place, _ = sides
            if sign in table:
                yield (Edit(place, place + len(sign), table[sign]),)

    return operator


def _condition(source: Source, node: Cursor) -> Iterator[Edits]:
    """&& for ||, and a condition that is taken for its contrary."""
    yield from _replaced_operator(LOGIC)(source, node)
    if node.kind == CursorKind.UNARY_OPERATOR and source.of(node).startswith("!"):
        start, _ = source.span(node)
        yield (Edit(start, start + 1, ""),)
    if node.kind == CursorKind.CXX_BOOL_LITERAL_EXPR:
        start, end = source.span(node)
        yield (Edit(start, end, "false" if source.of(node) == "true" else "true"),)


def _constant(source: Source, node: Cursor) -> Iterator[Edits]:
    """One more than a number, and nothing in the place of 1."""
    if node.kind != CursorKind.INTEGER_LITERAL:
        return
    found = re.fullmatch(r"(0[xX][0-9a-fA-F']+|[0-9']+)([uUlLzZ]*)", source.of(node))
    if not found:
        return
    start, end = source.span(node)
    octal = len(found[1]) > 1 and found[1].isdigit() and found[1][0] == "0"
    value = int(found[1].replace("'", ""), 8 if octal else 0)
    for other in (value + 1, *([0] if value == 1 else [])):
        shown = f"0{other:o}" if octal else str(other)
        yield (Edit(start, end, shown + found[2]),)


def _field(source: Source, node: Cursor) -> Iterator[Edits]:
    """Another word of the header, another error, another member of the same type."""
    referenced = node.referenced
    if referenced is None:
        return
    if node.kind == CursorKind.DECL_REF_EXPR and referenced.kind == CursorKind.ENUM_CONSTANT_DECL:
        if "memory_order" in source.of(node):
            return
        kin = [one.spelling for one in referenced.semantic_parent.get_children()]
    elif node.kind == CursorKind.MEMBER_REF_EXPR and referenced.kind == CursorKind.FIELD_DECL:
        if not referenced.location.file or "/core/" not in referenced.location.file.name:
            return
        fields = referenced.semantic_parent.get_children()
        kin = [one.spelling for one in fields if one.kind == referenced.kind and one.type == referenced.type]
    else:
        return
    start, end = source.span(node)
    if len(kin) > 1 and source.text[start:end].decode().endswith(node.spelling):
        other = kin[(kin.index(node.spelling) + 1) % len(kin)]
        yield (Edit(end - len(node.spelling), end, other),)


def _order(source: Source, node: Cursor) -> Iterator[Edits]:
    if node.kind not in (CursorKind.DECL_REF_EXPR, CursorKind.MEMBER_REF_EXPR):
        return
    start, end = source.span(node)
    found = re.fullmatch(r"std::memory_order::(\w+)", source.of(node))
    if found and found[1] in WEAKER:
        yield (Edit(end - len(found[1]), end, WEAKER[found[1]]),)


def _flag(source: Source, node: Cursor) -> Iterator[Edits]:
    """One flag fewer, or a mask that is forgotten."""
    if node.kind == CursorKind.BINARY_OPERATOR and (sides := _operands(source, node)):
        left, sign, _, right = sides
        if sign in FLAGS:
            yield (Edit(source.span(left)[1], source.span(right)[1], ""),)
            if sign == "|":
                yield (Edit(source.span(left)[0], source.span(right)[0], ""),)


def _end_of_statement(source: Source, node: Cursor) -> int | None:
    found = re.compile(rb"[\s)]*;").match(source.text, source.span(node)[1])
    return found.end() if found else None


def _statements(source: Source, block: Cursor) -> list[tuple[int, int]]:
    """Where the expression statements of a block are; the rest of it as (0, 0)."""
    found = []
    for child in block.get_children():
        end = _end_of_statement(source, child)
        is_one = child.kind in STATEMENTS or (child.kind.is_expression() and bool(child.spelling))
        found.append((source.span(child)[0], end) if end and is_one else (0, 0))
    return found


def _dropped(source: Source, node: Cursor) -> Iterator[Edits]:
    """A statement, or an `if` without else, that is not there."""
    if node.kind == CursorKind.COMPOUND_STMT:
        for start, end in _statements(source, node):
            if end:
                yield (Edit(start, end, ";"),)
    if node.kind == CursorKind.IF_STMT:
        body = list(node.get_children())[-1]
        start, end = source.span(node)
        closed = end if body.kind == CursorKind.COMPOUND_STMT else _end_of_statement(source, body)
        # What the head declares is needed only there.
        if closed and not re.search(rb"\belse\b", source.text[source.span(body)[0] : closed + 10]):
            yield (Edit(start, closed, ";"),)


def _moved(source: Source, node: Cursor) -> Iterator[Edits]:
    """Two neighbours in the other order, declarations included where what they declare allows it."""
    if node.kind != CursorKind.COMPOUND_STMT:
        return
    places = []
    for child in node.get_children():
        end = _end_of_statement(source, child)
        if child.kind == CursorKind.DECL_STMT:
            places.append(source.span(child))
        elif end and (child.kind in STATEMENTS or child.kind.is_expression()):
            places.append((source.span(child)[0], end))
        else:
            places.append((0, 0))
    for (start, end), (next_start, next_end) in zip(places, places[1:]):
        if end and next_end and end <= next_start:
            one, other = source.text[start:end].decode(), source.text[next_start:next_end].decode()
            yield (Edit(start, end, other), Edit(next_start, next_end, one))


def _swapped(source: Source, node: Cursor) -> Iterator[Edits]:
    """Two arguments that follow each other and have the same type."""
    if node.kind != CursorKind.CALL_EXPR or node.spelling.startswith("operator"):
        return
    arguments = [one for one in node.get_arguments() if one is not None and source.span(one)[1] > source.span(one)[0]]
    for one, other in zip(arguments, arguments[1:]):
        (start, end), (next_start, next_end) = source.span(one), source.span(other)
        types = [each.type.get_canonical().spelling.removeprefix("const ") for each in (one, other)]
        if types[0] == types[1] != "<dependent type>" and end <= next_start:
            if source.text[start:end] != source.text[next_start:next_end]:
                yield (Edit(start, end, source.of(other)), Edit(next_start, next_end, source.of(one)))


def _returned(source: Source, node: Cursor) -> Iterator[Edits]:
    """A function that is left at its beginning, with success where it says so."""
    if node.kind not in (CursorKind.FUNCTION_DECL, CursorKind.CXX_METHOD, CursorKind.FUNCTION_TEMPLATE):
        return
    body = next((one for one in node.get_children() if one.kind == CursorKind.COMPOUND_STMT), None)
    if body is None:
        return
    place = source.span(body)[0] + 1
    result = node.result_type.get_canonical().spelling
    if result == "void":
        answers = [""]
    elif result == "bool":
        answers = ["false", "true"]
    elif re.search(r"expected<bool,", result):
        answers = ["false", "true"]
    else:
        answers = ["{}"]
    for answer in answers:
        yield (Edit(place, place, f" if (true) return {answer};".replace(" ;", ";")),)


OPERATORS: dict[str, Callable[[Source, Cursor], Iterator[Edits]]] = {
    "comparison": _replaced_operator(COMPARISONS),
    "condition": _condition,
    "arithmetic": _replaced_operator(ARITHMETIC),
    "constant": _constant,
    "field": _field,
    "order": _order,
    "flag": _flag,
    "dropped": _dropped,
    "moved": _moved,
    "swapped": _swapped,
    "returned": _returned,
}
