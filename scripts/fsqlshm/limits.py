"""What this process may use of the machine: processors and memory, also where a control group limits them."""

import math
import os
import pathlib
import re
from collections.abc import Callable, Iterator

PROC, CGROUPS = pathlib.Path("/proc"), pathlib.Path("/sys/fs/cgroup")
MIB = 1 << 20


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _groups(proc: pathlib.Path, cgroups: pathlib.Path) -> Iterator[pathlib.Path]:
    """The control group (version 2) of this process and those around it: the limits of each hold."""
    found = re.search(r"^0::/(.*)$", _read(proc / "self" / "cgroup"), re.MULTILINE)
    if found:
        own = pathlib.Path(os.path.normpath(cgroups / found[1]))
        yield from (group for group in (own, *own.parents) if group.is_relative_to(cgroups))


def processors(proc: pathlib.Path = PROC, cgroups: pathlib.Path = CGROUPS) -> int:
    count = len(os.sched_getaffinity(0))
    for group in _groups(proc, cgroups):
        if found := re.match(r"(\d+) (\d+)", _read(group / "cpu.max")):
            count = min(count, math.ceil(int(found[1]) / int(found[2])))
    return max(1, count)


def _in_use(group: pathlib.Path) -> int | None:
    """Bytes, without the cached files that the kernel drops when memory is short: after a build they are most of it."""
    used = _read(group / "memory.current")
    cached = re.search(r"^inactive_file (\d+)$", _read(group / "memory.stat"), re.MULTILINE)
    return int(used) - (int(cached[1]) if cached else 0) if used else None


def memory(proc: pathlib.Path = PROC, cgroups: pathlib.Path = CGROUPS) -> int:
    """Bytes that are left."""
    available = re.search(r"^MemAvailable: *(\d+) kB$", _read(proc / "meminfo"), re.MULTILINE)
    left = int(available[1]) * 1024 if available else 1 << 62
    for group in _groups(proc, cgroups):
        most, used = _read(group / "memory.max").strip(), _in_use(group)
        if most.isdigit() and used is not None:
            left = min(left, max(0, int(most) - used))
    return left


def jobs(asked: int | None, each: int, say: Callable[[str], None]) -> int:
    """How many processes may work side by side: as many as are asked for, else one for each processor, but no more
    than there is memory for, of which one takes up to `each` MiB. Says so if they are fewer."""
    wanted = asked or processors()
    left = memory() // MIB
    able = max(1, min(wanted, left // each if each else wanted))
    if able < wanted:
        say(f"{able} of {wanted} jobs: one takes up to {each} MiB, and {left} MiB are left")
    return able
