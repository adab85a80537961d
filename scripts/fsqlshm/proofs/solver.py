"""Solvers of z3, which the signals that end a program interrupt.

Python runs a handler of a signal between two steps of its own, and a call of z3 is one step that may take a minute. So
another thread, which waits for nothing else, hears of the signal and interrupts z3; what z3 leaves behind is given up
at the next poll().
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import z3

from fsqlshm.proofs.terms import Term

# Each signal is told again and again, because between two calls z3 may not have heard of it.
_AGAIN_SECONDS = 0.05
_END = b"\0"  # no signal has this number


class Interrupted(Exception):
    """What was being decided is given up."""


class _Stop:
    """The one of the process, as are z3's main context and the handlers of signals."""

    requested: Callable[[], bool] = staticmethod(lambda: False)


def poll() -> None:
    """Raises Interrupted if the program is to stop."""
    if _Stop.requested():
        raise Interrupted


def solver(*formulas: Term, seconds: float | None = None) -> Any:
    """For these formulas; `seconds`: for each check, at least a millisecond."""
    made = z3.SolverFor("QF_BV")
    made.set("ctrl_c", False)  # or z3 would take SIGINT for itself
    if seconds is not None:
        made.set("timeout", max(1, int(1000 * seconds)))
    made.add(*formulas)
    return made


def check(asked: Any) -> Any:
    """z3.sat, z3.unsat, or z3.unknown if the time was too short. Raises Interrupted."""
    poll()
    answer = asked.check()
    poll()
    return answer


@contextlib.contextmanager
def interruptible(requested: Callable[[], bool]) -> Iterator[None]:
    """In the block a signal that has a handler interrupts z3, and once `requested` says so, poll() raises. Only in the
    main thread."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    ended, interrupt = threading.Event(), z3.main_ctx().interrupt

    def listen() -> None:
        if os.read(read, 1) != _END:
            while not ended.wait(_AGAIN_SECONDS):
                interrupt()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    _Stop.requested = staticmethod(requested)
    try:
        yield
    except z3.Z3Exception:
        poll()  # it was canceled
        raise
    finally:
        _Stop.requested = staticmethod(lambda: False)
        signal.set_wakeup_fd(before)
        ended.set()
        os.write(write, _END)
        thread.join()
        os.close(read)
        os.close(write)
