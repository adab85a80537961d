"""What is to be proven, each for every input."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from fsqlshm.proofs import terms, wire
from fsqlshm.proofs.case import Case, Pair
from fsqlshm.proofs.machine import Outcome
from fsqlshm.proofs.terms import Bits, Truth
from fsqlshm.proofs.wire import Complaint, Header

Values = Mapping[str, int]


@dataclasses.dataclass(frozen=True)
class Obligation:
    name: str
    text: str
    state: Callable[[Case], None]
    # The names of its inputs that hold the 27 words of a header, if it is about any header.
    words: Sequence[str] = ()
    # Else the header that shows an input of it.
    shown: Callable[[Case], Header] | None = None


# --- What the code answers ----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Opened:
    """The structure of that name in fuzz/proofs/entry.cc."""

    accepted: Truth
    code: Bits
    found: Bits
    expected: Bits
    fields: Mapping[str, Bits]
    header: Header

    @classmethod
    def of(cls, case: Case, outcome: Outcome | None, out: str) -> "Opened":
        accepted = case.read(outcome, out, 0, 8).equals(1)

        def of_error(offset: int) -> Bits:
            return case.read(outcome, out, offset, 8, terms.negation(accepted))

        def word(offset: int, size: int = 8) -> Bits:
            return case.read(outcome, out, offset, size, accepted)

        names = list(wire.regions(Bits(32, 1)))
        fields = {"page_size": word(32, 4), "max_txn_slots": word(36, 4)}
        fields |= {name: word(40 + 8 * place) for place, name in enumerate([*names, "layout_checksum"])}
        header = Header([word(88 + 8 * index) for index in range(wire.WORDS)])
        return cls(accepted, of_error(8), of_error(16), of_error(24), fields, header)


def _reports(case: Case, one: Complaint, opened: Opened, text: str) -> None:
    code = Pair("code", opened.code, wire.number(wire.ERRORS.index(one.code)))
    case.claim_equal(f"{one.code}: {text}", Pair("accepted", opened.accepted, False), code, when=one.when)
    found, expected = Pair("found", opened.found, one.found), Pair("expected", opened.expected, one.expected)
    case.claim_equal(f"{one.code}: found is what was found", found, when=one.when)
    case.claim_equal(f"{one.code}: expected is what was expected", expected, when=one.when)
    case.witness(one.code, one.when)


def _no_padding(header: Header) -> list[Pair]:
    indices = range(wire.FIELDS["padding"].offset // 8, wire.WORDS)
    return [Pair(f"the padding at {8 * index}", header.words[index], wire.number(0)) for index in indices]


def _split(case: Case, header: Header) -> None:
    """Where magic or version are wrong, nobody asks for the checksum."""
    magic = header["magic"].equals(int.from_bytes(wire.MAGIC, "little"))
    case.split(terms.both(magic, header["version"].equals(wire.VERSION)))


def _judge(case: Case, header: Header, refusals: Sequence[Complaint], opened: Opened) -> None:
    """Claims that an open answered as the table says."""
    refused = terms.any_of(one.when for one in refusals)
    accepts = terms.negation(refused)
    case.claim_equal("accepts exactly what the wire table accepts", Pair("accepted", opened.accepted, accepts))
    for one in wire.only_first(refusals):
        _reports(case, one, opened, "reported if it is the first that applies")
    fields = [Pair(name, value, header[name]) for name, value in opened.fields.items()]
    case.claim_equal("the geometry is what the bytes say", *fields, when=accepts)
    same = [
        Pair(name, opened.header[name], header[name] if field.kind else Bits(8 * field.size, 0))
        for name, field in wire.FIELDS.items()
        if field.size <= 8
    ]
    same += _no_padding(opened.header)
    case.claim_equal("to_bytes gives the bytes back, reserved ones as 0", *same, when=accepts)
    case.witness("accepted", accepts)


# --- open ---------------------------------------------------------------------------------------------------------


def _checksum(case: Case) -> None:
    header = case.header()
    header = Header([wire.number(int.from_bytes(wire.MAGIC, "little")), *header.words[1:]])
    case.assume(header["version"].equals(wire.VERSION))
    case.assume(wire.is_page_size(header["page_size"]))
    expected = case.xxhash(header)
    names = ["page_size", "max_txn_slots", *wire.regions(Bits(32, 1))]
    offsets = [0, 4, *range(8, 48, 8)]
    fields = case.place("fields", 56, {at: header[name] for at, name in zip(offsets, names)}, align=8)
    outcome = case.run("checksum", fields)
    pair = Pair("checksum", case.returned(outcome, 64), expected)
    case.claim_equal("compute_checksum is xxh3_64 of the 60 bytes", pair)
    case.witness("a page size of 65536", header["page_size"].equals(65536))


def _open_by_copy(case: Case) -> None:
    header, size = case.header(), case.bits("size", 64)
    _split(case, header)
    bytes_ = case.header_object(header, size, constant=True)
    checksum = case.xxhash(header)
    outcome = case.run("open_copy", bytes_, size, case.place("out", 304, align=8))
    _judge(case, header, wire.refusals(header, size, checksum), Opened.of(case, outcome, "out"))


def _loaded(case: Case) -> Header:
    """The words as the first load of each finds them."""
    loaded = wire.IMMUTABLE_WORDS + wire.ATOMIC_WORDS
    words = [case.bits(name, 64) if index in loaded else Bits(64, 0) for index, name in enumerate(LOADED)]
    return Header(words)


def _open_in_place(case: Case) -> None:
    header, size = _loaded(case), case.bits("size", 64)
    _split(case, header)
    bytes_ = case.header_object(header, size, shared=True)
    address = case.memory["header"].base
    checksum = case.xxhash(header)
    outcome = case.run("open_in_place", bytes_, size, case.place("out", 304, align=8))
    refusals = wire.refusals(header, size, checksum, address)
    _judge(case, header, refusals, Opened.of(case, outcome, "out"))
    looks = terms.negation(terms.either(refusals[0].when, refusals[1].when))
    for index in wire.IMMUTABLE_WORDS:
        guards = [one.guard for one in case.machine.accesses if one.offset == 8 * index and one.size == 8]
        once = [terms.negation(terms.both(a, b)) for i, a in enumerate(guards) for b in guards[:i]]
        exactly = terms.both(terms.same_truth(looks, terms.any_of(guards)), *once)
        loads = Pair("loads", _count(guards), _count([looks]))
        case.claim(f"the immutable word at {8 * index} is loaded once, and whole", exactly, loads)
    others = [one.guard for one in case.machine.accesses if one.offset % 8 or one.size != 8]
    loads = Pair("loads of parts", _count(others), wire.number(0))
    case.claim("no load takes a part of a word", terms.negation(terms.any_of(others)), loads)


def _count(truths: Sequence[Truth]) -> Bits:
    """How many of them are so."""
    total = wire.number(0)
    for truth in truths:
        total = total + terms.chosen(truth, wire.number(1), wire.number(0))
    return total


def _agree(case: Case) -> None:
    def pair(name: str, one: Bits | Truth, other: Bits | Truth) -> Pair:
        return Pair(name, one, other, sides=("by copy", "in place"))

    header, size = case.header(), case.bits("size", 64)
    _split(case, header)
    bytes_ = case.header_object(header, size, constant=True)
    case.assume((case.memory["header"].base & 7).equals(0))
    outs = [case.place(name, 304, align=8) for name in ("copy", "in place")]
    outcomes = [case.run(name, bytes_, size, out) for name, out in zip(("open_copy", "open_in_place"), outs)]
    copy, place = (Opened.of(case, outcome, out.object) for outcome, out in zip(outcomes, outs))
    case.claim_equal("one accepts what the other accepts", pair("accepted", copy.accepted, place.accepted))
    errors = [pair(name, getattr(copy, name), getattr(place, name)) for name in ("code", "found", "expected")]
    case.claim_equal("they report the same error", *errors, when=terms.negation(copy.accepted))
    fields = [pair(name, value, place.fields[name]) for name, value in copy.fields.items()]
    words = enumerate(zip(copy.header.words, place.header.words))
    fields += [pair(f"the word at {8 * index}", *both) for index, both in words]
    case.claim_equal("they say the same of what they accept", *fields, when=copy.accepted)
    case.witness("accepted", copy.accepted)
    case.witness("refused", terms.negation(copy.accepted))


# --- Creation and validate ----------------------------------------------------------------------------------------


def _create(case: Case) -> None:
    page_size, asked = case.bits("page_size", 32), case.bits("max_txn_slots", 32)
    made, header = _made(case, page_size, asked)
    good = wire.is_page_size(page_size)
    case.split(good)
    pair = Pair("made", made, good)
    case.claim_equal("makes a header of a power of two from 512 to 65536, and of nothing else", pair)
    fields = wire.created(page_size, asked)
    for name, value in fields.items():
        if name != "layout_checksum":
            case.claim_equal(f"{name} is as the table says", Pair(name, header[name], value), when=good)
    case.claim_equal("the padding is 0", *_no_padding(header), when=good)
    refusals = wire.refusals(header, wire.number(wire.SIZE), case.xxhash(header))
    for text, against in {
        "open accepts it": refusals,
        "validate has nothing against it": wire.complaints(header),
    }.items():
        none = terms.negation(terms.any_of(one.when for one in against))
        pairs = [Pair(one.code, one.found, one.expected, one.when) for one in against]
        case.claim(text, terms.implies(good, none), *pairs)
    case.witness("made with all slots", terms.both(good, asked.equals(2**32 - 1)))
    case.witness("made with the slots of 0", terms.both(good, asked.equals(0)))
    case.witness("not made", terms.negation(good))


def _made(case: Case, page_size: Bits, asked: Bits) -> tuple[Truth, Header]:
    """Whether creation made a header, and that."""
    outcome = case.run("create", page_size, asked, case.place("out", wire.SIZE))
    made = case.returned(outcome, 1).equals(1)
    return made, Header([case.read(outcome, "out", 8 * index, 8, made) for index in range(wire.WORDS)])


def _created_header(case: Case) -> Header:
    return _made(case, case.bits("page_size", 32), case.bits("max_txn_slots", 32))[1]


Listed = tuple[Bits, Bits, Bits]  # code, found, expected


def _lists(complaints: Sequence[Complaint]) -> list[tuple[Truth, list[Listed]]]:
    """The list of those that are so: when it has length 0, 1, 2 and so on, and what is in it then."""
    lists: list[tuple[Truth, list[Listed]]] = [(True, [])]
    for one in complaints:
        item = (wire.number(wire.ERRORS.index(one.code)), one.found, one.expected)
        grown = [(terms.both(when, one.when), [*held, item]) for when, held in lists]
        kept = [(terms.both(when, terms.negation(one.when)), held) for when, held in lists]
        between = [
            (terms.either(stays, grows), [_choice(stays, *pair) for pair in zip(short, long)])
            for (stays, short), (grows, long) in zip(kept[1:], grown)
        ]
        lists = [kept[0], *between, grown[-1]]
    return lists


def _choice(condition: Truth, one: Listed, other: Listed) -> Listed:
    code, found, expected = (terms.chosen(condition, a, b) for a, b in zip(one, other))
    return code, found, expected


def _validate(case: Case) -> None:
    header, size = case.header(), case.bits("size", 64)
    _split(case, header)
    bytes_ = case.header_object(header, size, constant=True)
    refusals = wire.only_first(wire.refusals(header, size, case.xxhash(header)))
    accepted = terms.negation(terms.any_of(one.when for one in refusals))
    case.split(accepted)
    found = [dataclasses.replace(one, when=terms.both(accepted, one.when)) for one in wire.complaints(header)]
    expected = _lists(refusals + found)
    outcome = case.run("check", bytes_, size, case.place("out", 24 * len(expected), align=8))
    count = case.returned(outcome, 64)
    right = [terms.implies(when, count.equals(length)) for length, (when, _) in enumerate(expected)]
    lengths = [Pair("errors", count, wire.number(length), when) for length, (when, _) in enumerate(expected)]
    case.claim("it finds as much as the rules do", terms.all_of(right), *lengths)
    for index in range(len(expected) - 1):
        row = [case.read(outcome, "out", 24 * index + offset, 8, count.above(index)) for offset in (0, 8, 16)]
        rules = [(when, held[index]) for when, held in expected if len(held) > index]
        text = f"number {index + 1} is what the rules say: code, found and expected"
        case.claim_row(text, ("code", "found", "expected"), row, rules)
    for one in refusals + found:
        case.witness(one.code, one.when)
    case.witness("nothing", terms.both(accepted, expected[0][0]))
    case.witness("ten at once", expected[10][0])


# --- The writer's word --------------------------------------------------------------------------------------------


def _process(case: Case) -> tuple[Bits, Bits]:
    return case.bits("pid", 32), case.bits("birth", 64)


def _word_of(case: Case, tag: int, pid: Bits, birth: Bits) -> Bits:
    return case.returned(case.run("state_word", wire.number(tag), pid, birth), 64)


def _named_by(case: Case, word: Bits) -> tuple[Bits, Bits]:
    outcome = case.run("process_of", word, case.place("who", 16, align=8))
    return case.read(outcome, "who", 0, 4), case.read(outcome, "who", 8, 8)


def _state_words(case: Case) -> None:
    pid, birth = _process(case)
    fits = wire.nameable(pid, birth)
    for tag, name in ((wire.CLAIMING, "claiming"), (wire.CLEANING, "cleaning")):
        word = _word_of(case, tag, pid, birth)
        seen_pid, seen_birth = _named_by(case, word)
        same = [Pair("pid", seen_pid, pid), Pair("birth", seen_birth, birth)]
        nobody = [Pair("pid", seen_pid, Bits(32, 0)), Pair("birth", seen_birth, wire.number(0))]
        named, unknown = (terms.all_of(pair.same for pair in pairs) for pairs in (same, nobody))
        case.claim_equal(f"{name}: a process that fits is named again", *same, when=fits)
        case.claim(f"{name}: no word names another process", terms.either(named, unknown), *same)
        case.claim_equal(f"{name}: what does not fit is unknown", *nobody, when=terms.negation(fits))
        no_id = Pair("word", word, f"at least {wire.IDS_END:#x}")
        case.claim(f"{name}: the word is neither 0 nor an id", terms.negation(word.below(wire.IDS_END)), no_id)
        case.claim_equal(f"{name}: the word says so", Pair("tag", wire.tag(word), wire.number(tag)))
    case.witness("a process that fits", fits)
    case.witness("the largest pid", terms.both(fits, pid.equals((1 << wire.PID_BITS) - 1)))
    case.witness("the latest birth", terms.both(fits, (birth & ((1 << 63) - 1)).equals((1 << wire.TICK_BITS) - 1)))
    case.witness("a pid that does not fit", terms.both(pid.equals(1 << wire.PID_BITS), terms.negation(fits)))
    case.witness("a birth that is not known", terms.both(birth.equals(5), pid.equals(1)))


def _any_word(case: Case) -> None:
    word = case.bits("writer", 64)
    pid, birth = _named_by(case, word)
    expected_pid, expected_birth = wire.named(word)
    pairs = [Pair("pid", pid, expected_pid), Pair("birth", birth, expected_birth)]
    case.claim_equal("it names the pid and the birth of the payload, or nobody", *pairs)
    tag = case.returned(case.run("writer_tag", word), 64)
    case.claim_equal("the tag is the top two bits", Pair("tag", tag, wire.tag(word)))
    id_ = case.returned(case.run("is_id", word), 1).equals(1)
    case.claim_equal("an id is 1 to 2^62-1", Pair("is an id", id_, wire.is_id(word)))
    for tag_value in (wire.CLAIMING, wire.CLEANING):
        again = _word_of(case, tag_value, pid, birth)
        one_of_two = terms.both(pid.differs(0), wire.tag(word).equals(tag_value))
        pair = Pair("word", again, word)
        case.claim_equal(f"tag {tag_value}: who is named has this word and no other", pair, when=one_of_two)
        case.witness(f"tag {tag_value} that names a process", one_of_two)
    case.witness("an id", wire.is_id(word))
    case.witness("nobody", pid.equals(0))


def _writer_header(case: Case) -> Header:
    """A new header whose writer is as the inputs say."""
    pid, birth = _process(case)
    word = case.bits("writer", 64)
    if word.term == 0:
        word = _word_of(case, wire.CLAIMING, pid, birth)
    fields = wire.created(Bits(32, 4096), Bits(32, 128))
    fields |= {"serialized_writer_txn_id": word, "serialized_writer_pid_birth": birth}
    fields |= {"serialized_writer_pid_and_gen": wire.wide(pid), "layout_checksum": Bits(64, 0)}
    words = []
    for index in range(wire.WORDS):
        parts = [fields[name] for name, field in wire.FIELDS.items() if field.offset // 8 == index and name in fields]
        words.append(terms.joined(parts) if parts else Bits(64, 0))
    header = Header(words)
    checksum = wire.FIELDS["layout_checksum"].offset // 8
    return Header([*words[:checksum], case.xxhash(header), *words[checksum + 1 :]])


WORDS = [f"word {index}" for index in range(wire.WORDS)]
LOADED = [f"header+{8 * index} load 1" for index in range(wire.WORDS)]
OBLIGATIONS = {
    one.name: one
    for one in (
        Obligation(
            "checksum", "the core's checksum is xxHash's, of the 60 bytes that the table names", _checksum, WORDS
        ),
        Obligation("open-by-copy", "open of bytes: what it accepts, refuses and reports", _open_by_copy, WORDS),
        Obligation(
            "open-in-place",
            "open in place, while others write: the same of the words that it loads once",
            _open_in_place,
            LOADED,
        ),
        Obligation("agree", "open by copy and in place agree", _agree, WORDS),
        Obligation(
            "create", "whatever creation writes is as the table says, and valid", _create, shown=_created_header
        ),
        Obligation("validate", "validate lists what the rules say, in their order", _validate, WORDS),
        Obligation(
            "state-word", "a claiming or cleaning word names its process, or nobody", _state_words, shown=_writer_header
        ),
        Obligation("any-word", "what each of the 2^64 writer words says", _any_word, shown=_writer_header),
    )
}
