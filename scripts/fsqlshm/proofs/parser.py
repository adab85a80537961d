"""Reads the text of LLVM IR into ir.Module."""

import re
from collections.abc import Iterator

from fsqlshm.proofs import ir
from fsqlshm.proofs.ir import Instruction, Int, Operand, Sequence, Struct, Type, Unknown

_TOKEN = re.compile(
    r"""\s*(?:;.*$)?(?P<token>
        c?"[^"]*" | [%@](?:"[^"]*"|[-a-zA-Z$._0-9]+) | ![\w.]* | \#\d+ | -?\d+(?![\w.]) | [a-zA-Z_$][\w.$-]*
        | \.\.\. | [][(){}<>=,*:|+]
    )""",
    re.VERBOSE,
)
# What may stand before an operand or a result. None of it changes what well-defined code computes.
_ATTRIBUTES = {
    *("noundef", "nonnull", "noalias", "nocapture", "readonly", "readnone", "writeonly", "writable", "immarg"),
    *("zeroext", "signext", "returned", "dead_on_unwind", "nofree", "nest", "dso_local", "hidden", "fastcc", "ccc"),
    *("local_unnamed_addr", "unnamed_addr", "internal", "private", "linkonce_odr", "weak_odr", "comdat", "inlinehint"),
    *("personality", "mustprogress", "constant"),
}
_WITH_ARGUMENT = {"sret", "dereferenceable", "dereferenceable_or_null", "range", "initializes", "align"}
_LOCAL = re.compile(r'^(?:define internal .*?|)(@(?:"[^"]*"|[-\w$.]+))(?:\(| = (?:private|internal))', re.MULTILINE)
_FLAGS = {"nuw", "nsw", "exact", "disjoint", "nneg", "inbounds", "nusw"}
_BINARY = {"add", "sub", "mul", "udiv", "sdiv", "urem", "srem", "shl", "lshr", "ashr", "and", "or", "xor"}
_CASTS = {"trunc", "zext", "sext", "ptrtoint", "inttoptr", "bitcast"}


def tokens(text: str) -> list[str]:
    found, place = [], 0
    end = len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if not match:
            if text[place:].lstrip().startswith(";"):
                break
            raise Unknown(f"cannot read {text[place:place + 40].strip()!r} in: {text.strip()[:160]}")
        found.append(match["token"])
        place = match.end()
    return found


class Reader:
    """One line, token by token."""

    def __init__(self, text: str, parser: "Parser") -> None:
        self.text, self.parser = text.strip(), parser
        self.tokens = tokens(text)
        self.place = 0

    def unknown(self, what: str) -> Unknown:
        return Unknown(f"{what} in: {self.text[:160]}")

    @property
    def next(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self) -> str:
        token = self.next
        self.place += 1
        return token

    def accept(self, *wanted: str) -> bool:
        if self.next in wanted and self.next:
            self.place += 1
            return True
        return False

    def expect(self, wanted: str) -> None:
        if not self.accept(wanted):
            raise self.unknown(f"{self.next!r} where {wanted!r} was expected")

    def number(self) -> int:
        if not re.fullmatch(r"-?\d+", self.next):
            raise self.unknown(f"{self.next!r} where a number was expected")
        return int(self.take())

    def skip_brackets(self) -> None:
        """From an opening bracket to the one that closes it."""
        depth = 0
        while True:
            token = self.take()
            depth += (token in "([{<") - (token in ")]}>") if token else 0
            if depth <= 0 or not token:
                return

    def attributes(self) -> None:
        while True:
            if self.next in _WITH_ARGUMENT:
                self.take()
                if self.next == "(":
                    self.skip_brackets()
                elif re.fullmatch(r"\d+", self.next):
                    self.take()
            elif not self.accept(*_ATTRIBUTES):
                return

    def flags(self) -> frozenset[str]:
        found = set()
        while self.next in _FLAGS:
            found.add(self.take())
            if self.next == "(":  # inrange(...)
                self.skip_brackets()
        return frozenset(found)

    # --- Types and operands ---------------------------------------------------------------------------------

    def type(self) -> Type:
        token = self.take()
        if re.fullmatch(r"i\d+", token):
            return Int(width=int(token[1:]))
        if token == "ptr":
            return ir.POINTER
        if token in ("void", "label", "metadata", "token"):
            return Type(token)
        if token.startswith("%"):
            return self.parser.named_type(token)
        if token == "[":
            return self._sequence("]", "array")
        if token == "<" and self.next != "{":
            return self._sequence(">", "vector")
        if token in ("{", "<"):
            packed = token == "<"
            if packed:
                self.expect("{")
            fields = []
            while not self.accept("}"):
                fields.append(self.type())
                self.accept(",")
            if packed:
                self.expect(">")
            return Struct(fields=tuple(fields), packed=packed)
        raise self.unknown(f"the type {token!r}")

    def _sequence(self, end: str, name: str) -> Type:
        count = self.number()
        self.expect("x")
        element = self.type()
        self.expect(end)
        return Sequence(name, count, element)

    def operand(self) -> Operand:
        kind = self.type()
        self.attributes()
        return self.value(kind)

    def value(self, kind: Type) -> Operand:
        token = self.take()
        if token.startswith("%"):
            return Operand(kind, "register", token)
        if token.startswith("@"):
            return Operand(kind, "global", self.parser.symbol(token))
        if re.fullmatch(r"-?\d+", token):
            return Operand(kind, "integer", int(token))
        if token in ("true", "false"):
            return Operand(kind, "integer", int(token == "true"))
        if token in ("null", "undef", "poison"):
            return Operand(kind, token)
        if token == "zeroinitializer":
            return Operand(kind, "zero")
        if token in ("[", "<", "{"):
            if token == "<":
                self.accept("{")
            items = []
            while self.next not in ("]", ">", "}"):
                items.append(self.operand())
                self.accept(",")
            while self.accept("]", ">", "}"):
                pass
            return Operand(kind, "list", tuple(items))
        if token.startswith('c"'):
            return Operand(kind, "bytes", _unescaped(token[2:-1]))
        if token == "getelementptr":
            self.flags()
            self.expect("(")
            source = self.type()
            self.expect(",")
            parts = [self.operand()]
            while self.accept(","):
                parts.append(self.operand())
            self.expect(")")
            return Operand(kind, "address", (source, tuple(parts)))
        if token == "splat":
            self.expect("(")
            one = self.operand()
            self.expect(")")
            assert isinstance(kind, Sequence)
            return Operand(kind, "list", (one,) * kind.count)
        raise self.unknown(f"the value {token!r}")

    def label(self) -> str:
        self.expect("label")
        return self.take()


def _unescaped(text: str) -> bytes:
    parts = re.split(r"\\([0-9A-Fa-f]{2})", text)
    return b"".join(bytes.fromhex(p) if i % 2 else p.encode() for i, p in enumerate(parts))


# --- Instructions ---------------------------------------------------------------------------------------------


def _binary(reader: Reader, op: str, result: str) -> Instruction:
    flags = reader.flags()
    first = reader.operand()
    reader.expect(",")
    operands = (first, reader.value(first.type))
    return Instruction(op, result, first.type, operands, flags)


def _cast(reader: Reader, op: str, result: str) -> Instruction:
    flags = reader.flags()
    operand = reader.operand()
    reader.expect("to")
    return Instruction(op, result, reader.type(), (operand,), flags)


def _icmp(reader: Reader, op: str, result: str) -> Instruction:
    flags = reader.flags()
    predicate = reader.take()
    first = reader.operand()
    reader.expect(",")
    kind = first.type
    made: Type = Sequence("vector", kind.count, Int(width=1)) if isinstance(kind, Sequence) else Int(width=1)
    return Instruction(op, result, made, (first, reader.value(kind)), flags, detail=predicate)


def _list(reader: Reader, op: str, result: str) -> Instruction:
    """Operands one after the other: select, insertelement, extractelement, shufflevector, freeze, resume."""
    operands = [reader.operand()]
    while reader.accept(","):
        operands.append(reader.operand())
    kind = operands[1 if op == "select" else 0].type
    if op == "extractelement":
        assert isinstance(kind, Sequence)
        kind = kind.element
    elif op == "shufflevector":
        mask, lanes = operands[2].type, kind
        assert isinstance(lanes, Sequence) and isinstance(mask, Sequence)
        kind = Sequence("vector", mask.count, lanes.element)
    return Instruction(op, result, kind, tuple(operands))


def _aggregate(reader: Reader, op: str, result: str) -> Instruction:
    operands, indices = [reader.operand()], []
    while reader.accept(","):
        if re.fullmatch(r"\d+", reader.next):
            indices.append(reader.number())
        else:
            operands.append(reader.operand())
    kind = operands[0].type
    for index in indices if op == "extractvalue" else []:
        assert isinstance(kind, Struct | Sequence)
        kind = kind.fields[index] if isinstance(kind, Struct) else kind.element
    return Instruction(op, result, kind, tuple(operands), indices=tuple(indices))


def _phi(reader: Reader, op: str, result: str) -> Instruction:
    kind, operands, labels = reader.type(), [], []
    while reader.accept("["):
        operands.append(reader.value(kind))
        reader.expect(",")
        labels.append(reader.take())
        reader.expect("]")
        reader.accept(",")
    return Instruction(op, result, kind, tuple(operands), labels=tuple(labels))


def _alignment(reader: Reader, otherwise: int) -> int:
    while reader.accept(","):
        if reader.accept("align"):
            return reader.number()
        reader.place = len(reader.tokens)
    return otherwise


def _alloca(reader: Reader, op: str, result: str) -> Instruction:
    kind = reader.type()
    return Instruction(op, result, kind, align=_alignment(reader, ir.alignment_of(kind)))


def _memory(reader: Reader, op: str, result: str) -> Instruction:
    """load and store."""
    atomic = reader.accept("atomic")
    if reader.accept("volatile"):
        raise reader.unknown("a volatile access")
    if op == "load":
        kind = reader.type()
        reader.expect(",")
        operands: tuple[Operand, ...] = (reader.operand(),)
    else:
        value = reader.operand()
        reader.expect(",")
        kind, operands = value.type, (value, reader.operand())
    order = reader.take() if atomic else ""
    if order == "syncscope":
        raise reader.unknown("a scope of synchronization")
    return Instruction(op, result, kind, operands, detail=order, align=_alignment(reader, ir.alignment_of(kind)))


def _address(reader: Reader, op: str, result: str) -> Instruction:
    flags = reader.flags()
    source = reader.type()
    operands = []
    while reader.accept(","):
        operands.append(reader.operand())
    return Instruction(op, result, ir.POINTER, tuple(operands), flags, source=source)


def _call(reader: Reader, op: str, result: str) -> Instruction:
    reader.attributes()
    kind = reader.type()
    if reader.next == "(":  # of a function with variable arguments
        reader.skip_brackets()
    callee = reader.take()
    if not callee.startswith("@"):
        raise reader.unknown("a call of a function that is not named")
    reader.expect("(")
    operands = []
    while not reader.accept(")"):
        if reader.accept("metadata"):
            while reader.next not in (",", ")"):
                reader.take()
        else:
            operands.append(reader.operand())
        reader.accept(",")
    labels: tuple[str, ...] = ()
    while reader.next and reader.next not in ("to", "["):
        reader.take()  # attributes of the call
    if reader.next == "[":
        raise reader.unknown("a bundle of operands")
    if op == "invoke":
        reader.expect("to")
        labels = (reader.label(),)  # nothing unwinds here
    return Instruction(op, result, kind, tuple(operands), labels=labels, detail=reader.parser.symbol(callee))


def _br(reader: Reader, op: str, result: str) -> Instruction:
    if reader.next == "label":
        return Instruction(op, labels=(reader.label(),))
    condition = reader.operand()
    reader.expect(",")
    yes = reader.label()
    reader.expect(",")
    return Instruction(op, result, operands=(condition,), labels=(yes, reader.label()))


def _switch(reader: Reader, op: str, result: str) -> Instruction:
    """The first label is the default; the others belong to the operands after the first."""
    operands = [reader.operand()]
    reader.expect(",")
    labels = [reader.label()]
    reader.expect("[")
    while not reader.accept("]"):
        operands.append(reader.operand())
        reader.expect(",")
        labels.append(reader.label())
    return Instruction(op, result, operands=tuple(operands), labels=tuple(labels))


def _ret(reader: Reader, op: str, result: str) -> Instruction:
    if reader.next == "void":
        return Instruction(op)
    return Instruction(op, result, operands=(reader.operand(),))


def _nothing(reader: Reader, op: str, result: str) -> Instruction:
    """What is never reached, because nothing unwinds; and unreachable itself."""
    reader.place = len(reader.tokens)
    return Instruction(op, result)


_READERS = {
    **dict.fromkeys(_BINARY, _binary),
    **dict.fromkeys(_CASTS, _cast),
    **dict.fromkeys(("select", "insertelement", "extractelement", "shufflevector", "freeze"), _list),
    **dict.fromkeys(("insertvalue", "extractvalue"), _aggregate),
    **dict.fromkeys(("load", "store"), _memory),
    **dict.fromkeys(("call", "invoke"), _call),
    **dict.fromkeys(("unreachable", "resume", "landingpad"), _nothing),
    "icmp": _icmp,
    "phi": _phi,
    "alloca": _alloca,
    "getelementptr": _address,
    "br": _br,
    "switch": _switch,
    "ret": _ret,
}


class Parser:
    """A module. `unit` is put before the names that it has for itself."""

    def __init__(self, text: str, unit: str) -> None:
        self.unit, self.lines = unit, text.splitlines()
        self.local = set(_LOCAL.findall(text))
        self.types: dict[str, Type] = {}
        self.type_lines = {}
        for line in self.lines:
            name, _, rest = line.partition(" = type ")
            if rest and name.startswith("%"):
                self.type_lines[name] = rest

    def symbol(self, name: str) -> str:
        return f"{self.unit}:{name}" if name in self.local else name

    def named_type(self, name: str) -> Type:
        if name not in self.types:
            if name not in self.type_lines:
                raise Unknown(f"the type {name}")
            self.types[name] = Reader(self.type_lines[name], self).type()
        return self.types[name]

    def parse(self) -> ir.Module:
        # Without what names the source, so that the same code has the same text.
        module = ir.Module(code="\n".join(line for line in self.lines if not line.startswith((";", "source_"))))
        for line in self._logical_lines():
            if line.startswith("@"):
                self._constant(line, module)
            elif line.startswith("define"):
                function = self._header(line)
                module.functions[function.name] = function
            elif line.startswith("  "):
                self._instruction(line, function)
            elif re.match(r'[-\w$."]+.*:', line) and not line.startswith(("source_filename", "target")):
                label = "%" + (re.match(r'"[^"]*"|[-\w$.]+', line) or [""])[0]
                function.blocks[label] = ir.Block(label)
        for function in module.functions.values():
            function.blocks = {name: block for name, block in function.blocks.items() if block.instructions}
        return module

    def _logical_lines(self) -> Iterator[str]:
        """Lines that go on in the next one are one."""
        whole = ""
        for line in self.lines:
            if line.startswith("   ") or line == "  ]":
                whole += line
                continue
            if whole:
                yield whole
            whole = line
        yield whole

    def _constant(self, line: str, module: ir.Module) -> None:
        match = re.match(r'(@(?:"[^"]*"|[-\w$.]+)) = .*?\bconstant ', line)
        if match:
            try:
                module.constants[self.symbol(match[1])] = Reader(line[match.end() :], self).operand()
            except Unknown:
                pass  # whoever uses it stops there

    def _header(self, line: str) -> ir.Function:
        reader = Reader(line, self)
        reader.take()
        reader.attributes()
        result = reader.type()
        name = self.symbol(reader.take())
        reader.expect("(")
        parameters = []
        while not reader.accept(")"):
            if reader.accept("..."):
                continue
            kind = reader.type()
            reader.attributes()
            parameters.append((kind, reader.take()))
            reader.accept(",")
        return ir.Function(name, parameters, result, {"%": ir.Block("%")})

    def _instruction(self, line: str, function: ir.Function) -> None:
        reader = Reader(line, self)
        result = ""
        if reader.next.startswith("%"):
            result = reader.take()
            reader.expect("=")
        reader.accept("tail", "musttail", "notail")
        op = reader.take()
        try:
            if op not in _READERS:
                raise reader.unknown(f"the instruction {op!r}")
            made = _READERS[op](reader, op, result)
        except Unknown as problem:
            made = Instruction("unknown", detail=str(problem))  # whoever gets there stops
        block = function.blocks[next(reversed(function.blocks))]
        object.__setattr__(made, "text", reader.text)  # it is frozen for those after us
        block.instructions.append(made)


def parse(text: str, unit: str) -> ir.Module:
    return Parser(text, unit).parse()
