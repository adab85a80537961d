"""watchdog.py PID: ends a process and all of its descendants when standard input ends.

The process that starts it holds the other end of a pipe, so its death by any signal is noticed. Descendants
are found by their parents, because some programs give theirs sessions of their own. Their scratch folders in
memory are removed too: no other process knows of them.
"""

import contextlib
import re
import shutil
import sys

import psutil

SCRATCH = re.compile(r"/dev/shm/fsqlshm-[^/]+")


def end(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        members = [first, *first.children(recursive=True)]
        scratch = []
        for member in members:
            with contextlib.suppress(psutil.Error, OSError):
                scratch.append(member.environ().get("TMPDIR", ""))
        for member in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        for folder in filter(SCRATCH.fullmatch, scratch):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if not sys.stdin.buffer.read(1):
        end(int(sys.argv[1]))
