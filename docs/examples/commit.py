"""What commit.c does, in Python, through ctypes: commit.py LIBRARY DATABASE COUNT.

The database is two numbers: the last commit, and the first id that no commit has used. Prints the id and the number of
each commit. Exit status: 0 done, 1 the shared memory broke a promise, 2 could not run.
"""

import ctypes
import os
import struct
import sys
import time
from ctypes import POINTER, byref, c_bool, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p

OK, FENCED = 0, 41
NO_WRITER = 0
DATABASE = struct.Struct("=QQ")


class Error(ctypes.Structure):
    _fields_ = [("code", c_int32), ("reserved", c_uint32), ("found", c_uint64), ("expected", c_uint64)]


class Snapshot(ctypes.Structure):
    _fields_ = [("commit_seq", c_uint64), ("schema_epoch", c_uint64), ("ecs_epoch", c_uint64)]


class DurableState(ctypes.Structure):
    _fields_ = [("snapshot", Snapshot), ("next_txn_id", c_uint64)]


Recover = ctypes.CFUNCTYPE(c_int32, c_void_p, POINTER(DurableState))


class Options(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("page_size", c_uint32),
        ("max_txn_slots", c_uint32),
        ("mode", c_uint32),
        ("uid", c_uint32),
        ("gid", c_uint32),
        ("trust_found_state", c_bool),
        ("recover", Recover),
        ("recover_context", c_void_p),
    ]


class Failed(Exception):
    def __init__(self, library: ctypes.CDLL, error: Error) -> None:
        text = ctypes.create_string_buffer(256)
        library.fsqlshm_error_message(byref(error), text, c_size_t(len(text)))
        super().__init__(text.value.decode())
        self.code = error.code


class Broken(Exception):
    """A promise of the shared memory."""


def snapshot_of(commit: int) -> Snapshot:
    """The values that go with a commit, so that a reader can tell whether they belong together."""
    return Snapshot(commit, 3 * commit, 5 * commit)


class File:
    """The shared-memory file of a database."""

    def __init__(self, library: str, database: str) -> None:
        self.calls = ctypes.CDLL(library)
        self.calls.fsqlshm_file_alloc_txn_id.restype = c_uint64
        for name in ("acquire_serialized_writer", "release_serialized_writer", "try_load_consistent_snapshot"):
            getattr(self.calls, f"fsqlshm_file_{name}").restype = c_bool
        self.calls.fsqlshm_publication_needs_reconcile.restype = c_bool
        self.database = os.open(database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.options = Options()
        self.calls.fsqlshm_file_options_init(byref(self.options), c_size_t(ctypes.sizeof(Options)))
        self.options.recover = Recover(self.recover)
        path = os.fsencode(database)
        self.call("fsqlshm_file_options_access_of", byref(self.options), c_char_p(path))
        self.file = c_void_p()
        self.call("fsqlshm_file_open_or_create", path + b".fsqlite-shm", byref(self.options), byref(self.file))

    def call(self, name: str, *arguments: object) -> None:
        """A function that returns a code."""
        error = Error()
        if getattr(self.calls, name)(*arguments, byref(error)) != OK:
            raise Failed(self.calls, error)

    def durable(self) -> tuple[int, int]:
        """What is durable: in the database."""
        data = os.pread(self.database, DATABASE.size, 0)
        commit, next_txn_id = DATABASE.unpack(data) if data else (0, 1)
        return commit, next_txn_id

    def recover(self, _context: object, state: "ctypes._Pointer[DurableState]") -> int:
        commit, next_txn_id = self.durable()
        state[0] = DurableState(snapshot_of(commit), next_txn_id)
        return 0

    def become_writer(self) -> int:
        """Waits until this open of the file is the serialized writer."""
        new = c_uint64(self.calls.fsqlshm_file_alloc_txn_id(self.file))
        while True:
            now = int(time.time())
            answer = self.calls.fsqlshm_file_check_serialized_writer_exclusion(self.file, c_uint64(now))
            if answer == NO_WRITER:
                if self.calls.fsqlshm_file_acquire_serialized_writer(self.file, new, c_uint64(now + 30)):
                    return new.value
            time.sleep(0.0001)

    def commit(self) -> tuple[int, int]:
        """The id and the number of a new commit."""
        own = self.become_writer()
        publication = c_void_p()
        self.call("fsqlshm_file_lock_publication", self.file, byref(publication))
        try:
            commit, next_txn_id = self.durable()
            if self.calls.fsqlshm_publication_needs_reconcile(publication):
                self.call("fsqlshm_publication_reconcile", publication, snapshot_of(commit))
            commit += 1
            os.pwrite(self.database, DATABASE.pack(commit, max(next_txn_id, own + 1)), 0)
            self.call("fsqlshm_publication_publish_for", publication, snapshot_of(commit), c_uint64(own))
        finally:
            self.calls.fsqlshm_publication_unlock(publication)
        self.calls.fsqlshm_file_release_serialized_writer(self.file, c_uint64(own))
        return own, commit

    def load(self) -> int | None:
        """The commit in force; None while a publisher that died is not repaired."""
        found = Snapshot()
        if not self.calls.fsqlshm_file_try_load_consistent_snapshot(self.file, c_uint64(1000), byref(found)):
            return None
        whole = snapshot_of(found.commit_seq)
        if (found.schema_epoch, found.ecs_epoch) != (whole.schema_epoch, whole.ecs_epoch):
            raise Broken(f"snapshot {found.commit_seq} {found.schema_epoch} {found.ecs_epoch}")
        return int(found.commit_seq)

    def close(self) -> None:
        self.call("fsqlshm_file_close", self.file)


def main(library: str, database: str, count: str) -> int:
    last = 0
    try:
        file = File(library, database)
        for _ in range(int(count)):
            print(*file.commit(), flush=True)
            seen = file.load()
            if seen is not None:
                if seen < last:
                    raise Broken(f"commit {seen} after {last}")
                last = seen
        file.close()
    except Broken as broken:
        print(f"commit.py: {broken}", file=sys.stderr)
        return 1
    except Failed as failed:
        print(f"commit.py: {failed}", file=sys.stderr)
        return 1 if failed.code == FENCED else 2  # nobody may evict a writer that lives
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
