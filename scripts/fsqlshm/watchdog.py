"""watchdog.py PID: ends a process and all of its descendants when standard input ends.

The process that starts it holds the other end of a pipe, so its death by any signal is noticed. Descendants
are found by their parents, because some programs give theirs sessions of their own. Their scratch folders in
memory are removed too: no other process knows of them.
"""

import os
import re
import shutil
import signal
import sys


def _parents() -> dict[int, int]:
    """{pid: parent's pid} of all processes."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # The name in parentheses may hold anything.
                    parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except OSError:
                pass  # it has ended
    return parents


def family(pid: int) -> list[int]:
    """The process and its descendants, itself first."""
    parents = _parents()
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _scratch(pid: int) -> bytes | None:
    """The process's TMPDIR, if that is a folder of this project's in memory; else None."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            found = re.search(rb"(?:^|\0)TMPDIR=(/dev/shm/fsqlshm-[^/\0]+)(?=\0|$)", file.read())
    except OSError:
        return None
    return found[1] if found else None


def end(pid: int) -> None:
    members = family(pid)
    scratch = {folder for folder in map(_scratch, members) if folder}
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass
    for member in members:
        try:
            os.kill(member, signal.SIGKILL)
        except OSError:
            pass
    for folder in scratch:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if not sys.stdin.buffer.read(1):
        end(int(sys.argv[1]))
