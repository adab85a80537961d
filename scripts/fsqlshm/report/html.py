"""Small pieces of HTML that the sections of the report are made of. Everything is escaped."""

import json

from markupsafe import Markup, escape

ROWS = 200


def number(value):
    """A number for a person: all digits up to a million, then 1.23 M."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if value != value:
        return "not a number"
    if isinstance(value, int) and abs(value) > 1e30:
        return str(value)[:12] + "…"  # more than a float may hold
    for scale, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {unit}"
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}".replace(",", "\u202f")
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def words(name):
    """A key of a document as words."""
    return str(name).replace("_", " ")


def cell(value):
    """What a table shows of one value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return value if len(value) <= 400 else value[:399] + "…"
    if isinstance(value, list) and all(not isinstance(v, (dict, list)) for v in value):
        text = ", ".join(cell(v) for v in value)
    else:
        text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:159] + "…"


def table(heads, rows, wide=False, numeric=None):
    """`rows`: lists of values or Markup; a column is right-aligned if all of its values are numbers."""
    rows = list(rows)
    if not rows:
        return Markup("")
    shown = rows[:ROWS]
    if numeric is None:
        numeric = [all(isinstance(row[i], (int, float)) and not isinstance(row[i], bool) or row[i] in (None, "")
                       for row in rows) for i in range(len(heads))]
    head = Markup("").join(Markup('<th{}>{}</th>').format(Markup(' class="num"') if is_number else "", name)
                           for name, is_number in zip(heads, numeric))
    body = []
    for row in shown:
        cells = (Markup("<td{}>{}</td>").format(Markup(' class="num"') if is_number else "",
                                                value if isinstance(value, Markup) else cell(value))
                 for value, is_number in zip(row, numeric))
        body.append(Markup("<tr>{}</tr>").format(Markup("").join(cells)))
    more = ""
    if len(rows) > ROWS:
        more = Markup('<p class="note">{} more rows are in the JSON.</p>').format(len(rows) - ROWS)
    return Markup('<div class="scroll" tabindex="0"><table{}><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>{}'
                  ).format(Markup(' class="wide"') if wide else "", head, Markup("\n").join(body), more)


def facts(pairs):
    """Names and values, one a line."""
    rows = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(
        words(name), value if isinstance(value, Markup) else cell(value)) for name, value in pairs)
    return Markup('<dl class="facts">{}</dl>').format(rows) if rows else Markup("")


def heading(text, level=3):
    return Markup("<h{0}>{1}</h{0}>").format(level, text)


def paragraph(text, note=False):
    return Markup('<p{}>{}</p>').format(Markup(' class="note"') if note else "", text)


def figure(svg, caption=""):
    """A chart or lanes in a box that scrolls by itself."""
    if not svg:
        return Markup("")
    text = Markup("<figcaption>{}</figcaption>").format(caption) if caption else ""
    return Markup('<figure><div class="scroll" tabindex="0">{}</div>{}</figure>').format(Markup(svg), text)


def folded(summary, body):
    return Markup("<details><summary>{}</summary>{}</details>").format(summary, body) if body else Markup("")


def mark(text, kind):
    """A cell that stands out: kind "bad" or "warn"."""
    return Markup('<span class="cell-{}">{}</span>').format(kind, text)


def _is_scalar(value):
    return value is None or isinstance(value, (str, int, float))


def anything(value, level=4):
    """Whatever an engine has to say, as tables: used where no section knows better."""
    if _is_scalar(value):
        return paragraph(cell(value))
    if isinstance(value, list):
        if value and all(isinstance(v, dict) for v in value):
            heads = list(dict.fromkeys(key for v in value for key in v))[:14]
            return table([words(h) for h in heads], [[v.get(h) for h in heads] for v in value])
        return paragraph(cell(value)) if value else Markup("")
    simple = [(k, v) for k, v in value.items()
              if _is_scalar(v) or (isinstance(v, list) and all(_is_scalar(x) for x in v))]
    simple_keys = {k for k, _ in simple}
    parts = [facts(simple)]
    for key, inner in value.items():
        if key not in simple_keys and inner:
            parts += [heading(words(key), min(level, 6)), anything(inner, level + 1)]
    return Markup("").join(parts)


__all__ = ["Markup", "escape", "number", "words", "cell", "table", "facts", "heading", "paragraph", "figure",
           "folded", "mark", "anything"]
