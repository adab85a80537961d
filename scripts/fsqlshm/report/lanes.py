"""A counter-example as lanes: one column a thread, one row a step, arrows from stores to loads.

`svg(lanes)` draws a `Lanes`, which `from_trace` makes of the trace of a finding: {"lanes": [title],
"steps": [...], "violation": {...}} as described in relacy/trace.h.
"""

import dataclasses
import html

ROW = 36  # of an operation: what it does, and below it the order and the place
NOTE_ROW = 22
HEAD = 44
GUTTER = 44
CHARACTER = 7.25
LONGEST = 46


@dataclasses.dataclass
class Step:
    thread: int  # -1: before the threads run or after they have ended
    text: str
    where: str = ""
    number: str = ""
    wrote: object = None  # the name of the store that this step made
    read: object = None  # the name of the store that this step read
    stale: bool = False
    violating: bool = False
    dies: bool = False
    note: bool = False


@dataclasses.dataclass
class Lanes:
    titles: list
    steps: list
    violation: str = ""


def is_trace(trace):
    return (isinstance(trace, dict) and isinstance(trace.get("lanes"), list)
            and isinstance(trace.get("steps"), list) and bool(trace["steps"]))


def from_trace(trace):
    """Tolerant: what a step does not say is not drawn."""
    titles = [str(title) for title in trace["lanes"]]
    steps = []
    for row, entry in enumerate(trace["steps"], 1):
        thread = entry.get("thread", -1)
        if not isinstance(thread, int) or not 0 <= thread < len(titles):
            thread = -1
        operation = entry.get("operation", "note")
        number = entry.get("step", row)
        orders = "/".join(str(entry[k]) for k in ("order", "failure_order") if entry.get(k))
        place = f"{entry['file']}:{entry['line']}" if entry.get("file") and entry.get("line") else ""
        text = str(entry.get("text") or entry.get("note") or operation)
        # The lanes say the same with an arrow and a word.
        text = text.split(" STALE: ")[0].removeprefix("*** ")
        wrote = operation in ("store", "fetch_add") or (operation == "compare_exchange" and entry.get("success"))
        steps.append(Step(
            thread=thread, text=text, where=" ".join(part for part in (orders, place) if part),
            number=str(number), wrote=number if wrote else None, read=entry.get("read_step") or None,
            stale=bool(entry.get("stale")), dies=operation == "die",
            note=operation in ("note", "ask_alive")))
    violation = trace.get("violation") or {}
    text = ""
    if violation:
        # An execution ends with the step that violated the property; the remark that says so is below.
        if len(steps) > 1 and steps[-1].note and steps[-1].text.startswith("VIOLATION"):
            steps.pop()
        steps[-1].violating = True
        text = ": ".join(str(violation[k]) for k in ("property", "text") if violation.get(k))
    return Lanes(titles, steps, text)


def _clip(text, limit=LONGEST):
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text(x, y, text, classes, full=""):
    title = f"<title>{html.escape(full)}</title>" if full and full != text else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}">{title}{html.escape(text)}</text>'


def _column_widths(lanes):
    widths = []
    for thread, title in enumerate(lanes.titles):
        longest = len(_clip(title))
        for step in lanes.steps:
            if step.thread == thread:
                second = len(_clip(step.where, LONGEST + 8)) * 0.88 + (8 if step.stale else 0)
                longest = max(longest, len(_clip(step.text)), second)
        widths.append(max(150.0, longest * CHARACTER + 40))
    # Steps of no lane begin at the left and may go over all.
    alone = max((len(_clip(_alone(lanes, i))) for i, s in enumerate(lanes.steps) if s.thread < 0), default=0)
    widths[-1] += max(0.0, alone * CHARACTER + 30 - sum(widths))
    return widths


def _alone(lanes, row):
    """The text of a step that is in no lane."""
    begun = any(step.thread >= 0 for step in lanes.steps[:row])
    return ("at last: " if begun else "before: ") + lanes.steps[row].text


def _arrow(start, end, stale):
    """From the store's dot to the load's dot; the tip is drawn as a triangle, so that it takes the
    colour of the page's theme everywhere."""
    (x1, y1), (x2, y2) = start, end
    kind = " stale" if stale else ""
    drop = y1 + 0.6 * (y2 - y1)
    if x1 == x2:
        path = f"M{x1 - 6:.1f},{y1:.1f} C{x1 - 16:.1f},{y1 + 4:.1f} {x1 - 16:.1f},{y2 - 4:.1f} {x2 - 9:.1f},{y2 - 2:.1f}"
        tip = f"{x2 - 5:.1f},{y2:.1f} {x2 - 11:.1f},{y2 - 5:.1f} {x2 - 12:.1f},{y2 + 1.5:.1f}"
    elif x1 < x2:
        # Along its own lane first: between the lanes there is the text of the steps in between.
        path = f"M{x1:.1f},{y1 + 6:.1f} C{x1 + 3:.1f},{drop:.1f} {x1 + 30:.1f},{y2:.1f} {x2 - 12:.1f},{y2:.1f}"
        tip = f"{x2 - 6:.1f},{y2:.1f} {x2 - 13:.1f},{y2 - 4:.1f} {x2 - 13:.1f},{y2 + 4:.1f}"
    else:
        # Enters from above right, beside the text of the load.
        path = (f"M{x1:.1f},{y1 + 6:.1f} C{x1 - 3:.1f},{drop:.1f} {x2 + 14:.1f},{y2 - 32:.1f} "
                f"{x2 + 4:.1f},{y2 - 11:.1f}")
        tip = f"{x2 + 1.5:.1f},{y2 - 5.5:.1f} {x2 + 1:.1f},{y2 - 13:.1f} {x2 + 8:.1f},{y2 - 10:.1f}"
    return f'<path class="reads{kind}" d="{path}"/><polygon class="tip{kind}" points="{tip}"/>'


def _rows(lanes):
    """The middle of each row, and the end of the last."""
    places, y = [], HEAD
    for step in lanes.steps:
        places.append(y + 8)
        y += ROW if step.where else NOTE_ROW
    return places, y


def svg(lanes):
    widths = _column_widths(lanes)
    left = [GUTTER + sum(widths[:i]) for i in range(len(widths))]
    rows, bottom = _rows(lanes)
    width = GUTTER + sum(widths) + 8
    height = bottom + (26 if lanes.violation else 4)
    shapes, arrows, texts = [], [], []
    running = [i for i, step in enumerate(lanes.steps) if step.thread >= 0]
    for thread, title in enumerate(lanes.titles):
        x = left[thread] + 16
        texts.append(_text(left[thread] + 6, 16, _clip(title), "head", title))
        if running:
            died = [i for i in running if lanes.steps[i].thread == thread and lanes.steps[i].dies]
            end = rows[died[0]] if died else rows[running[-1]] + 16
            start = 26 if running[0] == 0 else rows[running[0]] - 12
            shapes.append(f'<line class="life" x1="{x:.1f}" y1="{start:.1f}" x2="{x:.1f}" y2="{end:.1f}"/>')
    written = {}
    for row, step in enumerate(lanes.steps):
        alone = step.thread < 0
        x = (GUTTER if alone else left[step.thread]) + 16
        y = rows[row]
        text = _alone(lanes, row) if alone else step.text
        if step.violating:
            box = sum(widths) if alone else widths[step.thread]
            shapes.append(f'<rect class="bad" x="{x - 15:.1f}" y="{y - 11:.1f}" rx="4" width="{box - 6:.1f}" '
                          f'height="{(ROW if step.where else NOTE_ROW) - 3}"/>')
        texts.append(_text(4, y + 4, step.number, "dim"))
        if step.dies:
            shapes.append(f'<path class="dead" d="M{x - 6:.1f},{y - 6:.1f} l12,12 m0,-12 l-12,12"/>')
        elif not step.note:
            kind = " write" if step.wrote is not None else ""
            shapes.append(f'<circle class="dot{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        colour = "bad-text" if step.violating or step.dies else ("dim" if step.note else "")
        texts.append(_text(x + 13, y + 4, _clip(text), f"halo {colour}".strip(), text))
        if step.where:
            where = _clip(step.where, LONGEST + 8)
            texts.append(_text(x + 13, y + 17, where, "dim halo", step.where))
            if step.stale:
                texts.append(_text(x + 13 + len(where) * 6.4 + 8, y + 17, "stale", "stale-text halo"))
        if step.read in written:
            start = written[step.read]
            # What a thread reads of its own needs no arrow, unless something is odd about it.
            if start[0] != x or step.stale:
                arrows.append(_arrow(start, (x, y), step.stale))
        if step.wrote is not None:
            written[step.wrote] = (x, y)
    if lanes.violation:
        text = _clip("✗ " + lanes.violation, 110)
        texts.append(_text(GUTTER, bottom + 14, text, "bad-text", "✗ " + lanes.violation))
        width = max(width, GUTTER + len(text) * CHARACTER + 8)
    label = html.escape("Interleaving of " + ", ".join(lanes.titles), quote=True)
    return (f'<svg class="lanes" role="img" aria-label="{label}" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}">{"".join(shapes)}{"".join(arrows)}{"".join(texts)}</svg>')
