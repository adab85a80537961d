"""Charts as inline SVG, drawn by matplotlib in the colours of the page.

A chart is drawn in stand-in colours, which are then replaced by the style sheet's variables, so that
the same picture is right in light, dark and print.
"""

import atexit
import io
import itertools
import os
import pathlib
import re
import shutil
import tempfile


def _own_folder():
    """matplotlib keeps a cache of fonts. Where there is no home to keep it in, it goes to a folder of its
    own that is removed at the end, and nobody is warned."""
    home = pathlib.Path(os.path.expanduser("~"))
    if "MPLCONFIGDIR" not in os.environ and not (home.is_dir() and os.access(home, os.W_OK)):
        folder = tempfile.mkdtemp(prefix="fsqlshm-report-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["MPLCONFIGDIR"] = folder


_own_folder()

# pylint: disable=wrong-import-position
import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot, ticker

_STAND_INS = {"#010203": "--ink", "#010204": "--muted", "#010205": "--grid", "#010206": "--line",
              "#01020a": "--s1", "#01020b": "--s2", "#01020c": "--s3", "#01020d": "--s4",
              "#01020e": "--s5", "#01020f": "--s6", "#010210": "--bad", "#010211": "--bg"}
INK, MUTED, GRID, LINE, S1, S2, S3, S4, S5, S6, BAD, BG = _STAND_INS
SERIES = (S1, S2, S3, S4, S5, S6)
# Told apart without colour too.
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)))
MARKERS = ("o", "s", "^", "D", "v", "x")

_STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "fsqlshm", "font.family": "sans-serif", "font.size": 9,
    "axes.edgecolor": LINE, "axes.labelcolor": MUTED, "axes.titlecolor": INK, "text.color": INK,
    "xtick.color": MUTED, "ytick.color": MUTED, "grid.color": GRID, "axes.grid": True,
    "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False, "lines.linewidth": 1.6,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "legend.frameon": False, "legend.fontsize": 8.5, "axes.titlesize": 9.5, "axes.titlelocation": "left",
}
_numbers = itertools.count(1)


def new_page():
    """Charts of one page are numbered from one, so that the same documents make the same page."""
    global _numbers  # pylint: disable=global-statement
    _numbers = itertools.count(1)


def _human(value, _position=None):
    for scale, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= scale:
            return f"{value / scale:.3g}{unit}"
    return f"{value:.3g}"


HUMAN = ticker.FuncFormatter(_human)


def _svg(figure, label):
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.05, metadata={"Date": None})
    pyplot.close(figure)
    text = buffer.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    for stand_in, variable in _STAND_INS.items():
        text = text.replace(stand_in, f"var({variable})")
    # Many charts in one page: names of their own.
    prefix = f"c{next(_numbers)}-"
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'(xlink:href|href)="#', rf'\1="#{prefix}', text)
    text = re.sub(r"url\(#", f"url(#{prefix}", text)
    text = re.sub(r"font: ?([^;\"']*?)'?sans-serif'?", r"font: \1system-ui, sans-serif", text)
    view = re.search(r'viewBox="[^"]*"', text)[0]
    label = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return re.sub(r"<svg[^>]*>", '<svg class="chart" role="img" xmlns:xlink="http://www.w3.org/1999/xlink" '
                  f'aria-label="{label}" {view}>', text, count=1)


def _figure(height=2.5, width=6.2):
    return pyplot.subplots(figsize=(width, height), constrained_layout=True)


def lines(series, title, x_label, y_label, log_x=False, log_y=False, steps=False, from_zero=True, height=2.5,
          markers=None):
    """`series`: list of (name, [x], [y]). None if there is nothing to draw."""
    series = [(name, x, y) for name, x, y in series if len(x) > 0]
    if not series:
        return None
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure(height)
        for i, (name, x, y) in enumerate(series):
            few = len(x) <= 40 if markers is None else markers
            axes.plot(x, y, label=name, color=SERIES[i % 6], linestyle=DASHES[i % 6],
                      marker=MARKERS[i % 6] if few else None, markersize=3.2,
                      drawstyle="steps-post" if steps else "default")
        if log_x:
            axes.set_xscale("log")
        if log_y:
            axes.set_yscale("log")
        else:
            axes.yaxis.set_major_formatter(HUMAN)
            if from_zero:
                axes.set_ylim(bottom=0)
        axes.set_title(title)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        if len(series) > 1:
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return _svg(figure, title)


def nights(names, series, title, y_label, log_y=False):
    """One point a night; `series`: list of (name, [value or None])."""
    series = [(name, [(i, v) for i, v in enumerate(values) if v is not None]) for name, values in series]
    series = [(name, points) for name, points in series if points]
    if not series:
        return None
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure(2.0)
        for i, (name, points) in enumerate(series):
            axes.plot([p[0] for p in points], [p[1] for p in points], label=name, color=SERIES[i % 6],
                      linestyle=DASHES[i % 6], marker=MARKERS[i % 6], markersize=3.5)
        every = max(1, (len(names) + 7) // 8)
        axes.set_xticks(range(0, len(names), every), [names[i] for i in range(0, len(names), every)])
        axes.set_xlim(-0.5, max(len(names) - 0.5, 0.5))
        if log_y:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0, top=None if any(v for _, ps in series for _, v in ps) else 1)
            axes.yaxis.set_major_formatter(HUMAN)
            if all(isinstance(v, int) for _, ps in series for _, v in ps):
                axes.yaxis.set_major_locator(ticker.MaxNLocator(integer=True, nbins=5))
        axes.set_title(title)
        axes.set_ylabel(y_label)
        if len(series) > 1:
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return _svg(figure, title)


def bars(rows, title, x_label, emphasise=()):
    """Horizontal bars; `rows`: list of (name, value, low, high), low and high may be None."""
    if not rows:
        return None
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure(0.6 + 0.27 * len(rows))
        positions = list(range(len(rows)))[::-1]
        colours = [S1 if row[0] in emphasise or not emphasise else S6 for row in rows]
        axes.barh(positions, [row[1] for row in rows], color=colours, height=0.62)
        for position, (_, value, low, high) in zip(positions, rows):
            end = value
            if low is not None and high is not None and high > low:
                axes.plot([low, high], [position, position], color=INK, linewidth=1)
                end = max(value, high)
            axes.annotate(f"{value:.3g}", (end, position), xytext=(4, 0), textcoords="offset points",
                          va="center", fontsize=8)
        axes.set_yticks(positions, [row[0] for row in rows])
        axes.grid(False, axis="y")
        axes.margins(x=0.12)
        axes.set_title(title)
        axes.set_xlabel(x_label)
        return _svg(figure, title)


def percentiles(series, names, title):
    """`series`: list of (name, [(index in names, ns)]). Drawn so that small differences in the tail
    can be told: both axes logarithmic in effect, one mark a percentile."""
    series = [(name, points) for name, points in series if points]
    if not series:
        return None
    with matplotlib.rc_context(_STYLE):
        figure, axes = _figure(3.0)
        for i, (name, points) in enumerate(series):
            axes.plot([p[0] for p in points], [p[1] for p in points], label=name, color=SERIES[i % 6],
                      linestyle=DASHES[(i // 6 + i) % 6], marker=MARKERS[(i // 6 + i) % 6], markersize=3.5)
        axes.set_yscale("log")
        axes.set_xticks(range(len(names)), names)
        axes.set_title(title)
        axes.set_ylabel("ns")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        return _svg(figure, title)
