"""What a header means, from the table of the format alone: which words an open takes, which error comes first, what
creation writes, what `validate` complains about, what a state word says.

Nothing here knows the core. It is written on terms, so the same sentences hold for one header and for all.
"""

import dataclasses
from collections.abc import Sequence

from fsqlshm.proofs import terms
from fsqlshm.proofs.terms import Bits, Truth

SIZE = 216
WORDS = SIZE // 8
MAGIC = b"FSQLSHM\0"
VERSION = 1
IDS_END = 1 << 62  # ids are 1 to one less


@dataclasses.dataclass(frozen=True)
class Field:
    name: str
    offset: int
    size: int  # bytes
    kind: str  # immutable, atomic, or "" for what is written 0 and ignored


# offset, size, name and kind, as the table of the format has them.
_TABLE = """
      0   8  magic                            immutable
      8   4  version                          immutable
     12   4  page_size                        immutable
     16   4  max_txn_slots                    immutable
     20   4  align0                           -
     24   8  next_txn_id                      atomic
     32   8  snapshot_seq                     atomic
     40   8  commit_seq                       atomic
     48   8  schema_epoch                     atomic
     56   8  ecs_epoch                        atomic
     64   8  gc_horizon                       atomic
     72   8  serialized_writer_txn_id         atomic
     80   8  serialized_writer_pid_and_gen    atomic
     88   8  serialized_writer_pid_birth      atomic
     96   8  serialized_writer_lease_expiry   atomic
    104   8  lock_table_offset                immutable
    112   8  witness_offset                   immutable
    120   8  txn_slot_offset                  immutable
    128   8  committed_readers_offset         immutable
    136   8  committed_readers_bytes          immutable
    144   8  layout_checksum                  immutable
    152  64  padding                          -
"""
FIELDS = {
    name: Field(name, int(offset), int(size), kind.strip("-"))
    for offset, size, name, kind in map(str.split, _TABLE.strip().splitlines())
}
# The checksum is of these, in this order.
CHECKED = [name for name, field in FIELDS.items() if field.kind == "immutable" and name != "layout_checksum"]
# An open takes these words, and no others.
IMMUTABLE_WORDS = sorted({field.offset // 8 for field in FIELDS.values() if field.kind == "immutable"})
ATOMIC_WORDS = sorted({field.offset // 8 for field in FIELDS.values() if field.kind == "atomic"})

# By number, as the C interface has them, less one.
ERRORS = [
    *("too_small", "bad_magic", "version_mismatch", "invalid_page_size", "checksum_mismatch", "misaligned"),
    *("txn_id_out_of_domain", "underived_max_txn_slots", "underived_lock_table_offset", "underived_witness_offset"),
    *("underived_txn_slot_offset", "underived_committed_readers_offset", "underived_committed_readers_bytes"),
    *("reserved_not_zero", "next_txn_id_out_of_domain", "snapshot_seq_odd", "gc_horizon_ahead"),
    *("writer_txn_id_out_of_domain", "writer_unjudgeable", "writer_leftovers", "writer_lease_unit"),
]


def number(value: int) -> Bits:
    return Bits(64, value)


def wide(bits: Bits) -> Bits:
    return terms.extended(bits, 64)


@dataclasses.dataclass(frozen=True)
class Header:
    """216 bytes as 27 little-endian words."""

    words: Sequence[Bits]

    def __getitem__(self, name: str) -> Bits:
        """A field of at most eight bytes, as a number."""
        field = FIELDS[name]
        return terms.extracted(self.words[field.offset // 8], 8 * (field.offset % 8), 8 * field.size)

    def byte(self, offset: int) -> Bits:
        return terms.extracted(self.words[offset // 8], 8 * (offset % 8), 8)

    def checked_bytes(self) -> list[tuple[int, Bits]]:
        """The 60 bytes that the checksum is of, field by field: where each begins there, and its number."""
        placed, place = [], 0
        for name in CHECKED:
            placed.append((place, self[name]))
            place += FIELDS[name].size
        assert place == 60
        return placed


@dataclasses.dataclass(frozen=True)
class Complaint:
    """An error, and when it is one. `expected` is 0 where that is a rule and no value."""

    when: Truth
    code: str
    found: Bits
    expected: Bits


def is_page_size(bytes_: Bits) -> Truth:
    """A power of two from 512 to 65536."""
    return terms.any_of(bytes_.equals(1 << exponent) for exponent in range(9, 17))


def refusals(header: Header, size: Bits, checksum: Bits, address: Bits | None = None) -> list[Complaint]:
    """Why `open` refuses: the first of these that is so. In place, bytes have an address and have to be aligned."""
    magic, version, page_size = wide(header["magic"]), wide(header["version"]), header["page_size"]
    stored = header["layout_checksum"]
    expected_magic = number(int.from_bytes(MAGIC, "little"))
    found = [Complaint(size.below(SIZE), "too_small", size, number(SIZE))]
    if address is not None:
        found.append(Complaint((address & 7).differs(0), "misaligned", address & 7, number(8)))
    found += [
        Complaint(magic.differs(expected_magic), "bad_magic", magic, expected_magic),
        Complaint(version.differs(VERSION), "version_mismatch", version, number(VERSION)),
        Complaint(terms.negation(is_page_size(page_size)), "invalid_page_size", wide(page_size), number(0)),
        Complaint(stored.differs(checksum), "checksum_mismatch", stored, checksum),
    ]
    return found


def only_first(complaints: Sequence[Complaint]) -> list[Complaint]:
    """Each if none before it is one."""
    found, none_yet = [], True
    for one in complaints:
        found.append(dataclasses.replace(one, when=terms.both(none_yet, one.when)))
        none_yet = terms.both(none_yet, terms.negation(one.when))
    return found


def regions(slots: Bits) -> dict[str, Bits]:
    """What is derived from a slot count, which is not 0."""
    count = wide(slots)
    witness = count * 64 + SIZE
    txn_slots = witness + count * 128
    return {
        "lock_table_offset": number(SIZE),
        "witness_offset": witness,
        "txn_slot_offset": txn_slots,
        "committed_readers_offset": txn_slots + count * 128,
        "committed_readers_bytes": (count >> 3) + terms.chosen((count & 7).equals(0), number(0), number(1)),
    }


def slots_of(asked: Bits) -> Bits:
    """0 asked for at creation means 128."""
    return terms.chosen(asked.equals(0), Bits(32, 128), asked)


def created(page_size: Bits, asked: Bits) -> dict[str, Bits]:
    """Every field of a new header but the checksum and the padding."""
    slots = slots_of(asked)
    fresh = {name: Bits(8 * field.size, 0) for name, field in FIELDS.items() if field.size <= 8}
    return fresh | {
        "magic": number(int.from_bytes(MAGIC, "little")),
        "version": Bits(32, VERSION),
        "page_size": page_size,
        "max_txn_slots": slots,
        "next_txn_id": number(1),
        **regions(slots),
    }


# --- The writer's word --------------------------------------------------------------------------------------------

PID_BITS, TICK_BITS = 22, 40
KNOWN_BIRTH = 1 << 63
CLAIMING, CLEANING = 1, 2


def tag(word: Bits) -> Bits:
    return word >> 62


def is_id(word: Bits) -> Truth:
    return terms.both(word.differs(0), word.below(IDS_END))


def nameable(pid: Bits, birth: Bits) -> Truth:
    """Whether a state word has room for a process: its pid, and its start time in ticks, which is known."""
    ticks = birth & (KNOWN_BIRTH - 1)
    known = (birth & KNOWN_BIRTH).differs(0)
    return terms.both(pid.differs(0), pid.below(1 << PID_BITS), known, ticks.below(1 << TICK_BITS))


def named(word: Bits) -> tuple[Bits, Bits]:
    """The pid and the birth of the process that a claiming or cleaning word names; zeroes if that is unknown."""
    pid = terms.extracted((word >> TICK_BITS) & ((1 << PID_BITS) - 1), 0, 32)
    birth = (word & ((1 << TICK_BITS) - 1)) | KNOWN_BIRTH
    return pid, terms.chosen(pid.equals(0), number(0), birth)


# --- validate -----------------------------------------------------------------------------------------------------

YEAR_10000 = 253402300800  # in seconds since 1970: no lease ends then


def complaints(header: Header) -> list[Complaint]:
    """What `validate` has against a header that `open` accepts, in its order."""
    found = _about_geometry(header)
    for name in ("align0", "padding"):
        field = FIELDS[name]
        offsets = range(field.offset, field.offset + field.size)
        first = number(field.offset)
        for offset in reversed(offsets):
            first = terms.chosen(header.byte(offset).equals(0), first, number(offset))
        dirty = terms.any_of(header.byte(offset).differs(0) for offset in offsets)
        found.append(Complaint(dirty, "reserved_not_zero", first, number(0)))
    next_id, seq = header["next_txn_id"], header["snapshot_seq"]
    horizon, commit = header["gc_horizon"], header["commit_seq"]
    bad_id = terms.either(next_id.equals(0), next_id.above(IDS_END))
    found.append(Complaint(bad_id, "next_txn_id_out_of_domain", next_id, number(0)))
    found.append(Complaint((seq & 1).equals(1), "snapshot_seq_odd", seq, number(0)))
    found.append(Complaint(horizon.above(commit), "gc_horizon_ahead", horizon, commit))
    return found + _about_writer(header)


def _about_geometry(header: Header) -> list[Complaint]:
    asked = header["max_txn_slots"]
    slots = slots_of(asked)
    found = [Complaint(asked.differs(slots), "underived_max_txn_slots", wide(asked), wide(slots))]
    for name, derived in regions(slots).items():
        found.append(Complaint(header[name].differs(derived), f"underived_{name}", header[name], derived))
    return found


def _about_writer(header: Header) -> list[Complaint]:
    word, birth = header["serialized_writer_txn_id"], header["serialized_writer_pid_birth"]
    pid_and_gen, lease = header["serialized_writer_pid_and_gen"], header["serialized_writer_lease_expiry"]
    free, owned = word.equals(0), is_id(word)
    at_work = terms.either(tag(word).equals(CLAIMING), tag(word).equals(CLEANING))
    left = terms.chosen(birth.differs(0), birth, lease)
    left = terms.chosen(pid_and_gen.differs(0), pid_and_gen, left)
    has_process = terms.both((pid_and_gen & 0xFFFFFFFF).differs(0), birth.differs(0))
    judgeable = terms.either(lease.differs(0), has_process)
    nobody = named(word)[0].equals(0)
    zero = number(0)
    return [
        Complaint(tag(word).equals(3), "writer_txn_id_out_of_domain", word, zero),
        Complaint(terms.both(at_work, nobody), "writer_unjudgeable", word, zero),
        Complaint(terms.both(free, left.differs(0)), "writer_leftovers", left, zero),
        Complaint(terms.both(owned, terms.negation(judgeable)), "writer_unjudgeable", word, zero),
        Complaint(terms.both(owned, terms.negation(lease.below(YEAR_10000))), "writer_lease_unit", lease, zero),
    ]
