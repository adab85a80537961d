"""Writes the seed inputs of the fuzz targets from the golden data.

usage: scripts/python -P -m fsqlshm.fuzz.make_seeds [--check] [FOLDER]

FOLDER is the corpus folder; by default the one of this repository. The same golden data always
gives the same seeds. With --check nothing is written: exit 1 says that the seeds there are not
those.
"""

import json
import pathlib
import struct
import sys

from fsqlshm import ROOT

GOLDEN = ROOT / "corpus" / "golden"

CALLS = ["alloc_txn_id", "publish_snapshot", "begin_snapshot_publish", "end_snapshot_publish",
         "load_consistent_snapshot", "try_load_consistent_snapshot", "reconcile",
         "acquire_serialized_writer", "release_serialized_writer", "check_serialized_writer",
         "check_serialized_writer_exclusion", "store_gc_horizon", "load_counters"]


def lines(name):
    with open(GOLDEN / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


# --- headers ---------------------------------------------------------------------------------------

# The first 64 bytes of xxh3's secret.
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c")
MASK = (1 << 64) - 1


def checksum(header):
    """xxh3_64 of the 60 immutable bytes: the steps that it takes for 33 to 64 bytes."""
    data = header[0:20] + header[104:144]
    total = len(data) * 0x9E3779B185EBCA87
    for at, secret in ((16, 32), (len(data) - 32, 48), (0, 0), (len(data) - 16, 16)):
        low, high = (a ^ b for a, b in zip(struct.unpack_from("<2Q", data, at),
                                           struct.unpack_from("<2Q", SECRET, secret)))
        product = low * high
        total += (product & MASK) ^ (product >> 64)
    total &= MASK
    total ^= total >> 37
    total = total * 0x165667919E3779F9 & MASK
    return total ^ total >> 32


def header(slots, page_size=4096, changes=()):
    """A fresh header but for `changes`, pairs of an offset and a word; sealed."""
    content = bytearray(216)
    content[0:8] = b"FSQLSHM\0"
    struct.pack_into("<III", content, 8, 1, page_size, slots)
    struct.pack_into("<Q", content, 24, 1)
    struct.pack_into("<5Q", content, 104, 216, 216 + 64 * slots, 216 + 192 * slots,
                     216 + 320 * slots, (slots + 7) // 8)
    for offset, word in changes:
        struct.pack_into("<Q", content, offset, word)
    struct.pack_into("<Q", content, 144, checksum(content))
    return bytes(content)


def looked_at_closely(changes=(), complaints=1):
    """The first such header whose checksum chooses it for the checks that are made rarely, and for
    the text of the first of its complaints."""
    return next(h for h in (header(slots, 4096, changes) for slots in range(1, 5000))
                if h[144] % 64 == 0 and h[145] % complaints == 0)


def refused(offset, byte):
    """A header that is looked at closely, with one byte wrong."""
    content = bytearray(looked_at_closely())
    content[offset] ^= byte
    return bytes(content)


# Whatever `validate` complains about, one at a time: an offset and a word.
COMPLAINTS = {
    "lock_table_offset": (104, 217), "witness_offset": (112, 217),
    "txn_slot_offset": (120, 217), "committed_readers_offset": (128, 217),
    "committed_readers_bytes": (136, 1 << 40), "align0": (16, 1 << 32 | 128), "padding": (208, 1),
    "next_txn_id": (24, 0), "snapshot_seq": (32, 1), "gc_horizon": (64, 1),
    "writer_domain": (72, 3 << 62), "writer_unjudgeable": (72, 1), "writer_leftovers": (88, 1),
    "writer_claiming": (72, 1 << 62),
}


def open_seeds():
    """Three golden inputs of every outcome, the headers of three geometries, and headers that are
    looked at closely: one for each refusal and for each complaint of `validate`."""
    seeds = {}
    taken = {}
    for entry in lines("open.jsonl"):
        result = entry["result"]
        taken[result] = taken.get(result, 0) + 1
        if taken[result] <= 3:
            seeds[f"{result}-{taken[result]}"] = bytes.fromhex(entry["bytes"])
    for entry in lines("headers.jsonl")[::60]:
        name = f"header-{entry['page_size']}-{entry['max_txn_slots']}"
        seeds[name] = bytes.fromhex(entry["bytes"])
    for name, change in COMPLAINTS.items():
        seeds[f"closely-{name}"] = looked_at_closely([change])
    # No slots, and four fields that are not as derived from 128.
    seeds["closely-max_txn_slots"] = looked_at_closely([(16, 0)], complaints=5)
    for name, offset in (("bad_magic", 0), ("version", 9), ("page_size", 12), ("checksum", 146)):
        seeds[f"closely-{name}"] = refused(offset, 1)
    seeds["closely-too_small"] = looked_at_closely()[:64]
    seeds["closely-misaligned"] = looked_at_closely() + b"\x01"
    return seeds


# --- programs --------------------------------------------------------------------------------------

def record(op):
    """One golden operation as a record of the target `operations`."""
    args = op["args"]
    a = b = c = pid = 0
    last = 0
    if op["op"] == "acquire_serialized_writer":
        a, pid, b, c = args
    elif op["op"] == "check_serialized_writer_exclusion":
        a = args[0]
        last = 0 if args[1] else 1 << 6  # nobody is dead, or everybody
    else:
        a, b, c = (list(args) + [0, 0, 0])[:3]
    return struct.pack("<4BIQQQ", CALLS.index(op["op"]), 0, 0, last, pid, a, b, c)


def program_seeds():
    """Every fifth golden trace that fits."""
    seeds = {}
    for entry in lines("traces.jsonl")[::5]:
        header = bytes.fromhex(entry["initial"])
        page_size, slots = struct.unpack_from("<II", header, 12)
        head = struct.pack("<4BI", 1, page_size.bit_length() - 10, min(slots, 255), 0, 42)
        body = b"".join(record(op) for op in entry["ops"][:32])
        seeds[f"trace-{entry['id']}"] = head + header[24:104] + body
    # What the golden traces cannot know: words that only the hardened protocol writes.
    for name, tag in (("claiming", 1), ("cleaning", 2), ("unused", 3)):
        words = [7, 0, 3, 2, 1, 0, tag << 62 | 77 << 40 | 5, 1 << 32 | 77, 1 << 63 | 5, 0]
        ops = [{"op": "check_serialized_writer", "args": []},
               {"op": "acquire_serialized_writer", "args": [9, 1, 2, 3]},
               {"op": "check_serialized_writer_exclusion", "args": [10, True]},
               {"op": "check_serialized_writer_exclusion", "args": [10, False]}]
        seeds[name] = (struct.pack("<4BI", 1, 3, 0, 0, 42) + struct.pack("<10Q", *words) +
                       b"".join(record(op) for op in ops))
    # No ids at all.
    ops = [{"op": "acquire_serialized_writer", "args": [0, 1, 2, 3]},
           {"op": "release_serialized_writer", "args": [1 << 62]}]
    seeds["no-ids"] = struct.pack("<4BI", 0, 3, 0, 0, 42) + bytes(80) + b"".join(map(record, ops))
    # In place, on the real atomics.
    ops = [{"op": name, "args": args} for name, args in (
        ("acquire_serialized_writer", [9, 1, 1 << 63, 3]),
        ("check_serialized_writer_exclusion", [10, True]),
        ("publish_snapshot", [1, 2, 3]), ("load_consistent_snapshot", []),
        ("alloc_txn_id", []), ("load_counters", []), ("begin_snapshot_publish", []),
        ("try_load_consistent_snapshot", [5]))]
    seeds["in-place"] = (struct.pack("<4BI", 0xa2, 3, 0, 0, 42) + bytes(80) +
                         b"".join(record(op) for op in ops))
    return seeds


# --- schedules -------------------------------------------------------------------------------------

# Bytes that decode to these operations, see fuzz/schedule.cc.
NOTHING, ACQUIRE, LEASED, RELEASE, EXCLUSION, CHECK, PUBLISH, READ, ALLOC = (
    0, 1, 3, 4, 7, 8, 11, 13, 15)


def run(thread, steps):
    return thread + 4 * (steps - 1 if steps <= 24 else 53)


def schedule_seeds():
    """Two writers, a dead claimer, an eviction, publishers and readers, allocations."""
    def scenario(processes, threads, decisions):
        head = bytes([(len(threads) + 1) % 3, processes]) + bytes(6)
        for ops in threads + [[]] * (4 - len(threads)):
            head += bytes(ops) + bytes(6 - len(ops))
        return head + bytes(decisions)

    own, shared = 0b11100100, 0
    return {
        "two-writers": scenario(shared, [[LEASED, RELEASE], [LEASED, RELEASE, ACQUIRE]],
                                [run(0, 11), run(1, 6), run(0, 3), run(1, 24)]),
        "dead-claimer": scenario(own, [[ACQUIRE], [EXCLUSION, ACQUIRE, RELEASE]],
                                 [run(0, 3), 0xd8, run(1, 24)]),
        "eviction": scenario(own, [[LEASED, RELEASE], [EXCLUSION, LEASED, CHECK, RELEASE]],
                             [run(0, 7), 0xf8, run(1, 20), run(0, 24)]),
        # A check that meets the zeroes of a release, and one that judged an owner who then left.
        "zeroes": scenario(own, [[LEASED, RELEASE], [EXCLUSION]],
                           [run(0, 7), run(1, 2), run(0, 24), run(1, 24)]),
        "left-meanwhile": scenario(own, [[LEASED, RELEASE], [EXCLUSION]],
                                   [run(0, 7), 0xf8, run(1, 5), run(0, 24), run(1, 24)]),
        # One release takes as long as another thread of the process needs for two owners.
        "many-owners": scenario(shared, [[ACQUIRE, RELEASE], [ACQUIRE, RELEASE, ACQUIRE]],
                                [run(0, 11), run(1, 24), run(1, 24), run(0, 24)]),
        # A writer takes over from one whose lease is out, and somebody judges.
        "handover": scenario(own, [[LEASED, RELEASE], [LEASED, RELEASE], [EXCLUSION, EXCLUSION]],
                             [run(0, 7), 0xf8, run(0, 6), run(1, 5), run(2, 99),
                              run(0, 24), run(1, 24)]),
        "snapshots": scenario(own, [[PUBLISH, PUBLISH], [PUBLISH], [READ, READ]],
                              [run(0, 3), run(2, 3), run(1, 4), run(0, 5), run(2, 2), 0xd8]),
        "torn": scenario(own, [[PUBLISH], [READ]], [run(1, 3), run(0, 24), run(1, 24)]),
        "ids": scenario(own, [[ALLOC, ALLOC], [ALLOC], [ALLOC], [ALLOC]],
                        [run(0, 2), run(1, 2), run(2, 2), run(3, 24)]),
    }


# --- files -----------------------------------------------------------------------------------------

# What a system call does instead of its work, see Meddler in fuzz/targets/shm_file.cc.
EIO, ENOENT, EACCES, ENOSPC, EINTR, EEXIST = range(6)
EOPNOTSUPP, MEDDLE = 10, 13
# The steps of the target, and the room there is for a created file.
STEP_PUBLISH, STEP_CREATE, STEP_NO_FILE, STEP_OR_CREATE, STEP_DURABLE = 1, 2, 4, 8, 16
ROOM_EXACT, ROOM_ONE_SHORT, ROOM_DISK = 1, 2, 3


def file_head(longer, steps=0, slots=0, room=0, opening=(), creating=()):
    calls = list(opening) + [(128 + number, what) for number, what in creating]
    plan = b"".join(bytes(call) for call in calls)
    return struct.pack("<i4B", longer, steps, slots, 3, room) + plan.ljust(8, b"\0")


def file_seeds():
    """Files that are whole, cut short, sparse and contradictory; every system call failing in turn;
    somebody else meddling."""
    small = header(1)
    holes = header(128)
    holes_longer = 216 + 320 * 128 + 16 - 216
    odd = header(1, changes=[(32, 1)])
    head = file_head
    seeds = {
        "exact": head(537 - 216) + small,
        "long": head(4096, STEP_PUBLISH) + small,
        "odd": head(4096, STEP_PUBLISH) + odd,
        "cut": head(-100) + small,
        "one-short": head(536 - 216) + small,
        "sparse": head(8 << 20) + small,
        "holes": head(holes_longer) + holes,
        "empty": head(-216),
        "overlap": head(4096) + header(1, changes=[(112, 217)]),
        "beyond": head(4096) + header(1, changes=[(128, 1 << 63)]),
        "few-readers": head(4096) + header(1, changes=[(136, 0)]),
        "fifo": head(4096, opening=[(2, MEDDLE)]) + small,
        "fifo-before": head(4096, opening=[(1, MEDDLE)]) + small,
        "create": head(0, STEP_CREATE, 3, 0o44 << 2),  # readable for everybody
        "create-or-open": head(0, STEP_CREATE | STEP_OR_CREATE | STEP_DURABLE, 3),
        "room-exact": head(0, STEP_CREATE, 3, ROOM_EXACT),
        "room-short": head(0, STEP_CREATE, 3, ROOM_ONE_SHORT),
        "room-disk": head(0, STEP_CREATE, 3, ROOM_DISK),
        "named": head(0, STEP_CREATE, 3, creating=[(2, EOPNOTSUPP)]),
        "named-twice": head(0, STEP_CREATE, 3, creating=[(2, EOPNOTSUPP), (3, EEXIST)]),
        "named-refused": head(0, STEP_CREATE, 3, creating=[(2, EOPNOTSUPP), (3, EACCES)]),
        "named-full": head(0, STEP_CREATE, 3, creating=[(2, EOPNOTSUPP), (4, ENOSPC)]),
        "named-stays": head(0, STEP_CREATE, 3, creating=[(2, EOPNOTSUPP), (8, EIO)]),
        "interrupted": head(0, STEP_CREATE, 3, creating=[(3, EINTR), (5, EINTR)]),
        "overtaken": head(0, STEP_CREATE, 3, creating=[(6, MEDDLE)]),
        "overtaken-opens": head(0, STEP_CREATE | STEP_OR_CREATE, 3, creating=[(7, MEDDLE)]),
        "exists": head(0, STEP_CREATE, 3, creating=[(6, EEXIST)]),
        "vanished": head(0, STEP_CREATE | STEP_OR_CREATE, 3, creating=[(1, MEDDLE), (2, ENOENT)]),
    }
    # One call of either task fails.
    for number in range(1, 12):
        seeds[f"fails-{number}"] = head(holes_longer, STEP_CREATE | STEP_DURABLE, 3,
                                        opening=[(number, EIO)],
                                        creating=[(number, EIO)]) + holes
    for kind, name in enumerate(("missing", "folder", "link", "queue", "socket", "device")):
        seeds[f"no-file-{name}"] = head(0, STEP_NO_FILE, kind)
    return seeds


# --- /proc/PID/stat --------------------------------------------------------------------------------

def proc_stat_seeds():
    fields = " ".join(str(n) for n in range(4, 53))
    return {
        "plain": f"42 (name) S {fields}\n".encode(),
        "parentheses": f"42 (a) b) (c)) Z {fields}\n".encode(),
        "short": b"42 (name) S 1 2 3\n",
        "negative": f"42 (x) R {' '.join(['-1'] * 49)}\n".encode(),
        "no-name": b"42 name S 1\n",
    }


def main(arguments):
    for entry in lines("headers.jsonl"):  # the hash above is the golden data's
        golden = bytes.fromhex(entry["bytes"])
        assert checksum(golden) == struct.unpack_from("<Q", golden, 144)[0]
    check = "--check" in arguments
    folders = [a for a in arguments if not a.startswith("-")]
    if len(folders) > 1 or [a for a in arguments if a.startswith("-") and a != "--check"]:
        print(__doc__, file=sys.stderr)
        return 2
    corpus = pathlib.Path(folders[0]) if folders else ROOT / "corpus"
    opened = open_seeds()
    everything = {"open_raw": opened, "open_sealed": opened, "operations": program_seeds(),
                  "schedule": schedule_seeds(), "shm_file": file_seeds(),
                  "proc_stat": proc_stat_seeds()}
    wrong = 0
    for target, seeds in everything.items():
        folder = corpus / target
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
        there = {p.name for p in folder.iterdir()} if folder.is_dir() else set()
        for name, content in seeds.items():
            path = folder / name
            if check:
                wrong += not path.is_file() or path.read_bytes() != content
            else:
                path.write_bytes(content)
        for name in there - set(seeds):
            if check:
                wrong += 1
            else:
                (folder / name).unlink()
    if check and wrong:
        print(f"{wrong} seeds differ; scripts/python -P -m fsqlshm.fuzz.make_seeds writes them anew", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
