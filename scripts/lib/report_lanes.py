"""A counter-example as lanes: one column a thread, one row a step, arrows from stores to loads.

`svg(lanes)` draws a `Lanes`, which `from_trace` makes of the trace of a finding: {"lanes": [title],
"steps": [...], "violation": {...}} as described in relacy/trace.h.
"""

import dataclasses
import html

ROW = 38
HEAD = 44
GUTTER = 44
CHARACTER = 7.25
LONGEST = 46


@dataclasses.dataclass
class Step:
    thread: int  # -1: after the last thread has ended
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
        # An execution ends with the step that violated the property.
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
            if step.thread == thread or (step.thread < 0 and thread == 0):
                second = len(_clip(step.where, LONGEST + 8)) * 0.88 + (8 if step.stale else 0)
                longest = max(longest, len(_clip(step.text)), second)
        widths.append(max(150.0, longest * CHARACTER + 40))
    return widths


def _arrow(start, end, stale):
    """From the store's dot to the load's dot; the tip is drawn as a triangle, so that it takes the
    colour of the page's theme everywhere."""
    (x1, y1), (x2, y2) = start, end
    kind = " stale" if stale else ""
    if x1 == x2:
        bow = x1 - 16
        path = f"M{x1 - 6:.1f},{y1:.1f} C{bow:.1f},{y1 + 4:.1f} {bow:.1f},{y2 - 4:.1f} {x2 - 9:.1f},{y2 - 2:.1f}"
        tip = f"{x2 - 5:.1f},{y2:.1f} {x2 - 11:.1f},{y2 - 5:.1f} {x2 - 12:.1f},{y2 + 1.5:.1f}"
    elif x1 < x2:
        path = f"M{x1 + 6:.1f},{y1:.1f} C{(x1 + x2) / 2:.1f},{y1:.1f} {(x1 + x2) / 2:.1f},{y2:.1f} {x2 - 12:.1f},{y2:.1f}"
        tip = f"{x2 - 6:.1f},{y2:.1f} {x2 - 13:.1f},{y2 - 4:.1f} {x2 - 13:.1f},{y2 + 4:.1f}"
    else:
        # Enters from above right, beside the text of the load.
        path = f"M{x1 - 6:.1f},{y1:.1f} C{(x1 + x2) / 2:.1f},{y1:.1f} {x2 + 12:.1f},{y2 - ROW:.1f} {x2 + 4:.1f},{y2 - 11:.1f}"
        tip = f"{x2 + 1.5:.1f},{y2 - 5.5:.1f} {x2 + 1:.1f},{y2 - 13:.1f} {x2 + 8:.1f},{y2 - 10:.1f}"
    return f'<path class="reads{kind}" d="{path}"/><polygon class="tip{kind}" points="{tip}"/>'


def svg(lanes):
    widths = _column_widths(lanes)
    left = [GUTTER + sum(widths[:i]) for i in range(len(widths))]
    life = [x + 16 for x in left]
    width = GUTTER + sum(widths) + 8
    bottom = HEAD + ROW * len(lanes.steps)
    height = bottom + (34 if lanes.violation else 8)
    shapes, arrows, texts = [], [], []
    died = {step.thread: i for i, step in enumerate(lanes.steps) if step.dies}
    for thread, x in enumerate(life):
        texts.append(_text(left[thread] + 6, 16, _clip(lanes.titles[thread]), "head", lanes.titles[thread]))
        end = HEAD + ROW * died[thread] + 14 if thread in died else bottom
        shapes.append(f'<line class="life" x1="{x:.1f}" y1="26" x2="{x:.1f}" y2="{end:.1f}"/>')
    written = {}
    for row, step in enumerate(lanes.steps):
        lane = max(step.thread, 0)
        x, y = life[lane], HEAD + ROW * row + 14
        if step.violating:
            shapes.append(f'<rect class="bad" x="{left[lane] + 1:.1f}" y="{y - 16:.1f}" rx="4" '
                          f'width="{widths[lane] - 6:.1f}" height="{ROW - 2}"/>')
        texts.append(_text(4, y + 4, step.number, "dim"))
        if step.dies:
            shapes.append(f'<path class="dead" d="M{x - 6:.1f},{y - 6:.1f} l12,12 m0,-12 l-12,12"/>')
        elif not step.note:
            kind = " write" if step.wrote is not None else ""
            shapes.append(f'<circle class="dot{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        if step.thread < 0:
            step = dataclasses.replace(step, text="afterwards: " + step.text)
        colour = "bad-text" if step.violating else ("dim" if step.note else "")
        texts.append(_text(x + 13, y + 4, _clip(step.text), f"halo {colour}".strip(), step.text))
        if step.where:
            where = _clip(step.where, LONGEST + 8)
            texts.append(_text(x + 13, y + 17, where, "dim halo", step.where))
            if step.stale:
                texts.append(_text(x + 13 + len(where) * 6.4 + 8, y + 17, "stale", "stale-text halo"))
        if step.read is not None and step.read in written:
            start = written[step.read]
            # What a thread reads of its own needs no arrow, unless something is odd about it.
            if start[0] != x or step.stale:
                arrows.append(_arrow(start, (x, y), step.stale))
        if step.wrote is not None:
            written[step.wrote] = (x, y)
    if lanes.violation:
        texts.append(_text(GUTTER, bottom + 20, "✗ " + lanes.violation, "bad-text", lanes.violation))
        width = max(width, GUTTER + (len(lanes.violation) + 3) * CHARACTER + 8)
    label = html.escape("Interleaving of " + ", ".join(lanes.titles), quote=True)
    return (f'<svg class="lanes" role="img" aria-label="{label}" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}">{"".join(shapes)}{"".join(arrows)}{"".join(texts)}</svg>')
