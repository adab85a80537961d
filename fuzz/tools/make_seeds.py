#!/usr/bin/python3
"""Writes the seed inputs of the fuzz targets from the golden data.

usage: make_seeds.py [--check] [FOLDER]

FOLDER is the corpus folder; by default the one of this repository. The same golden data always
gives the same seeds. With --check nothing is written: exit 1 says that the seeds there are not
those.
"""

import json
import pathlib
import struct
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "corpus" / "golden"

CALLS = ["alloc_txn_id", "publish_snapshot", "begin_snapshot_publish", "end_snapshot_publish",
         "load_consistent_snapshot", "try_load_consistent_snapshot", "reconcile",
         "acquire_serialized_writer", "release_serialized_writer", "check_serialized_writer",
         "check_serialized_writer_exclusion", "store_gc_horizon", "load_counters"]


def lines(name):
    with open(GOLDEN / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def open_seeds():
    """Three inputs of every outcome, and the headers of three geometries."""
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
    return seeds


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
    # In place, on the real atomics.
    ops = [{"op": name, "args": args} for name, args in (
        ("acquire_serialized_writer", [9, 1, 1 << 63, 3]),
        ("check_serialized_writer_exclusion", [10, True]),
        ("publish_snapshot", [1, 2, 3]), ("load_consistent_snapshot", []),
        ("alloc_txn_id", []), ("load_counters", []))]
    seeds["in-place"] = (struct.pack("<4BI", 0xa2, 3, 0, 0, 42) + bytes(80) +
                         b"".join(record(op) for op in ops))
    return seeds


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
        "snapshots": scenario(own, [[PUBLISH, PUBLISH], [PUBLISH], [READ, READ]],
                              [run(0, 3), run(2, 3), run(1, 4), run(0, 5), run(2, 2), 0xd8]),
        "ids": scenario(own, [[ALLOC, ALLOC], [ALLOC], [ALLOC], [ALLOC]],
                        [run(0, 2), run(1, 2), run(2, 2), run(3, 24)]),
    }


def file_seeds():
    """Whole files: a small header with all its regions, one cut short, one sparse."""
    small = next(bytes.fromhex(e["bytes"]) for e in lines("headers.jsonl")
                 if e["max_txn_slots"] == 1)
    def head(longer, flags=0, slots=0, page=0):  # see fuzz/targets/shm_file.cc
        return struct.pack("<i4B", longer, flags, slots, page, 0)

    odd = bytearray(small)
    odd[32] = 1
    return {
        "exact": head(537 - 216) + small,
        "long": head(4096, 1) + small,
        "odd": head(4096, 1) + bytes(odd),
        "cut": head(-100) + small,
        "one-short": head(536 - 216) + small,
        "sparse": head(8 << 20) + small,
        "empty": head(-216),
        "create": head(0, 6, 3, 3),
    }


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
        print(f"{wrong} seeds differ; fuzz/tools/make_seeds.py writes them anew", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
