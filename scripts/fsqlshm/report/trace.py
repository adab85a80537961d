"""The space-time diagram of an interleaving: a column a thread, a row a step, arrows from stores to loads.

`diagram` lays out the trace of a finding, {"threads": [title], "steps": [...], "violation": {...}} as described in
relacy/trace.h; the template diagram.html draws what it returns.
"""

import dataclasses
from typing import Any, TypeGuard

from fsqlshm.report.text import Json, cell

ROW = 22
MARGIN = 44  # for the numbers of the steps
CHARACTER = 7.25
SMALL_CHARACTER = 6.35
LONGEST = 46
KINDS = {"store": "store", "fetch_add": "store", "load": "load", "die": "death"}


@dataclasses.dataclass
class Step:
    number: int
    thread: int  # -1: before the threads run or after they have ended
    text: str
    place: str = ""  # the memory order and the source line
    kind: str = "note"  # store, load, note, death or fold
    read: int = 0  # the number of the step whose store was read
    stale: bool = False
    violating: bool = False
    x: float = 0
    y: float = 0


@dataclasses.dataclass
class Diagram:
    titles: list[tuple[str, float]]
    steps: list[Step]
    arrows: list[tuple[str, bool]]  # the path, and whether the load was stale
    violation: str
    preemptions: str
    place: float  # where the column of orders and places begins
    width: float
    height: float

    @property
    def running(self) -> list[Step]:
        """The steps of the threads; what comes before them is the setup."""
        return [step for step in self.steps if step.thread >= 0]

    def end(self, thread: int) -> float:
        """Of its line: where its process dies, or the last step of any thread."""
        died = [step.y for step in self.running if step.thread == thread and step.kind == "death"]
        return died[0] if died else max((step.y for step in self.running), default=0) + 9


def is_trace(trace: Any) -> TypeGuard[Json]:
    """Whether it is an interleaving; findings of other engines may have other traces."""
    return isinstance(trace, dict) and bool(trace.get("threads")) and bool(trace.get("steps"))


def _step(entry: Json, row: int, threads: int) -> Step:
    thread, number = entry.get("thread", -1), entry.get("step", row)
    if "repeat" in entry:
        return Step(entry["until"], thread, f"⋮ the same up to step {entry['until']}", kind="fold")
    operation = entry.get("operation", "note")
    text = str(entry.get("text") or entry.get("note") or operation)
    orders = "/".join(str(entry[k]) for k in ("order", "failure_order") if entry.get(k))
    place = f"{orders} {entry['file']}:{entry['line']}" if entry.get("file") and entry.get("line") else orders
    kind = KINDS.get(operation, "note")
    if operation == "compare_exchange":
        kind = "store" if entry.get("success") else "load"
    if not 0 <= thread < threads:
        text, thread = ("at last: " if thread == -2 else "at first: ") + text, -1
    text = cell(text, LONGEST if thread >= 0 else 2 * LONGEST)
    return Step(number, thread, text, place, kind, entry.get("read_step") or 0, bool(entry.get("stale")))


def _arrow(start: Step, end: Step) -> str:
    """The path from the dot of a store to that of a load."""
    x1, y1, x2, y2 = start.x, start.y, end.x, end.y
    if x1 == x2:
        return f"M{x1 - 5:.1f},{y1:.1f} C{x1 - 18:.1f},{y1 + 4:.1f} {x1 - 18:.1f},{y2:.1f} {x2 - 6:.1f},{y2:.1f}"
    drop = y1 + 0.6 * (y2 - y1)
    if x1 < x2:
        # Along its own column first: between the columns there is the text of the steps in between.
        return f"M{x1:.1f},{y1 + 5:.1f} C{x1 + 3:.1f},{drop:.1f} {x1 + 30:.1f},{y2:.1f} {x2 - 6:.1f},{y2:.1f}"
    # Enters from above right, next to the text of the load.
    return f"M{x1:.1f},{y1 + 5:.1f} C{x1 - 3:.1f},{drop:.1f} {x2 + 16:.1f},{y2 - 24:.1f} {x2 + 3:.1f},{y2 - 5.5:.1f}"


def _arrows(steps: list[Step]) -> list[tuple[str, bool]]:
    """What a thread reads of its own needs no arrow, unless the load was stale."""
    stores = {step.number: step for step in steps if step.kind == "store"}
    pairs = [(stores[step.read], step) for step in steps if step.read in stores]
    return [(_arrow(store, step), step.stale) for store, step in pairs if store.x != step.x or step.stale]


def diagram(trace: Json) -> Diagram:
    """Tolerant: what a step does not say is not drawn."""
    titles = [str(title) for title in trace["threads"]]
    steps = [_step(entry, row, len(titles)) for row, entry in enumerate(trace["steps"], 1)]
    violation = trace.get("violation") or {}
    if violation:
        # The last step is a note that says so, which is drawn below; the one before it did it.
        if len(steps) > 1 and steps[-1].kind == "note":
            steps.pop()
        steps[-1].violating = True
    columns, place = [], float(MARGIN)
    for thread, title in enumerate(titles):
        columns.append((title, place + 16))
        texts = [title] + [step.text for step in steps if step.thread == thread]
        place += max(120.0, max(map(len, texts)) * CHARACTER + 40)
    # Steps of no thread begin at the left and may go over all columns.
    place = max([place] + [MARGIN + len(step.text) * CHARACTER + 40 for step in steps if step.thread < 0])
    for row, step in enumerate(steps):
        step.x, step.y = columns[max(step.thread, 0)][1], ROW * (row + 0.7)
    text = ": ".join(str(violation[k]) for k in ("property", "text") if violation.get(k))
    longest = max(len(step.place) for step in steps)
    width = max(place + longest * SMALL_CHARACTER + 8, MARGIN + len(text) * CHARACTER + 24)
    height = ROW * (len(steps) + 0.3 + bool(text))
    return Diagram(columns, steps, _arrows(steps), text, str(trace.get("preemptions") or ""), place, width, height)
