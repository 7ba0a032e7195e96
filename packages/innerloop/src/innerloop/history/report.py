"""The runs as one HTML page: their curves in common charts, and a table.

The page (`report.html` with the charts and the table in it) is a single file that loads nothing. The
charts are SVG, so they need no script and a program can read them; a script hides the lines of a run
when its row is unticked, emphasizes them while the pointer is on its row, and sorts the table.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from ..util.json_records import unicode_text
from . import metric_values
from .past_runs import PastRun, differing_inputs, headline_metrics
from .run_metrics import Curve

TEMPLATE = Path(__file__).with_name("report.html")
# A chart's size and its margins, in units of the SVG.
WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 34
# The palette of Okabe and Ito, which people with colour blindness can tell apart. Lines with the same
# colour differ by their dashes.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f")
DASHES = ("", "6 3", "2 3", "8 3 2 3")

# The heights of the mark where a curve stops being finite.
TOP_EDGE, BOTTOM_EDGE = TOP + 10, HEIGHT - BOTTOM - 2

# The states that are marked in red.
BAD = ("failed", "killed", "canceled", "unreadable")
# A curve with more points is drawn with some of them left out.
MOST_POINTS = 1000
# Larger numbers are drawn at the edge: the difference of two of them must be a number.
EDGE = 1e300


def page(runs: Sequence[PastRun], title: str) -> str:
    """The page as text. `runs` are in the order of time; the page shows the newest first."""
    newest_first = list(reversed(runs))
    values = {
        "title": escape(title),
        "count": f"{len(runs)} run{'s' * (len(runs) != 1)}",
        "charts": "\n".join(_charts(newest_first)) or "<p>No run has written a curve yet.</p>",
        "table": _table(newest_first),
    }
    template = TEMPLATE.read_text(encoding="utf-8")
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], template)
    return unicode_text(text)  # the name of a folder may have any bytes


def _charts(runs: Sequence[PastRun]) -> Iterable[str]:
    names = dict.fromkeys(name for run in runs for name in run.curves)
    for name in sorted(names, key=_order):
        lines = [
            (i, run, _thinned(run.curves[name])) for i, run in enumerate(runs) if name in run.curves
        ]
        yield _chart(name, lines)


def _thinned(curve: Curve) -> Curve:
    """At most about `MOST_POINTS` points of a curve, the last one included."""
    every = len(curve) // MOST_POINTS + 1
    return curve if every == 1 else (*curve[:-1:every], curve[-1])


def _order(name: str) -> tuple[bool, bool, str]:
    """A sort key: losses, then scores, then times."""
    return "second" in name, "loss" not in name, name


def _chart(name: str, lines: Sequence[tuple[int, PastRun, Curve]]) -> str:
    points = [point for _, _, curve in lines for point in curve]
    across = _Scale([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _Scale([y for _, y in points if math.isfinite(y)] or [0.0], HEIGHT - BOTTOM, TOP)
    drawn = [_axis(across, up)]
    for index, run, curve in lines:
        drawn.append(_line(index, run, name, curve, across, up))
    return (
        f'<figure><figcaption>{escape(name.replace("_", " "))}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">'
        f"{''.join(drawn)}</svg></figure>"
    )


class _Scale:
    """A linear scale from the range of the numbers, with a margin, to coordinates of the SVG."""

    def __init__(self, numbers: Sequence[float], start: float, end: float) -> None:
        low, high = _clipped(min(numbers)), _clipped(max(numbers))
        margin = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
        self.low, self.high = low - margin, high + margin
        self.start, self.end = start, end

    def __call__(self, number: float) -> float:
        fraction = (_clipped(number) - self.low) / (self.high - self.low)
        return round(self.start + fraction * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Four to eight round numbers within the range."""
        rough = (self.high - self.low) / 7
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough)
        first = math.ceil(self.low / step)
        return [index * step for index in range(first, math.floor(self.high / step) + 1)]


def _clipped(number: float) -> float:
    return max(-EDGE, min(EDGE, number))


def _axis(across: _Scale, up: _Scale) -> str:
    grid = []
    for tick in up.ticks():
        y = up(tick)
        grid.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        grid.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{tick:.4g}</text>')
    for tick in across.ticks():
        if tick == int(tick):
            x = across(tick)
            grid.append(f'<text x="{x}" y="{HEIGHT - 14}" text-anchor="middle">{tick:.6g}</text>')
    return "".join(grid)


def _line(index: int, run: PastRun, name: str, curve: Curve, across: _Scale, up: _Scale) -> str:
    """The curve of a run: its finite points, joined where there is none that is not finite between."""
    colour = COLOURS[index % len(COLOURS)]
    last = metric_values.short(metric_values.last_of([y for _, y in curve]), 4)
    label = f"{run.experiment} {run.id}: {name} {last}"
    drawn = []
    for part in _finite_parts(curve):
        polyline = " ".join(f"{across(x)},{up(y)}" for x, y in part)
        drawn.append(
            f'<polyline points="{polyline}" {_style(index)}><title>{escape(label)}</title></polyline>'
        )
        # A point alone has no line.
        for x, y in part if len(curve) <= 60 or len(part) == 1 else ():
            title = f"{escape(run.id)}, {x:g}: {y:.5g}"
            drawn.append(
                f'<circle cx="{across(x)}" cy="{up(y)}" r="2.6" fill="{colour}">'
                f"<title>{title}</title></circle>"
            )
    for x, y in _divergences(curve):
        title = f"{escape(run.id)}, from {x:g}: {metric_values.short(y, 5)}"
        edge = BOTTOM_EDGE if y == -math.inf else TOP_EDGE
        drawn.append(
            f'<text class="diverged" x="{across(x)}" y="{edge}" text-anchor="middle" '
            f'style="fill: {colour}">✕<title>{title}</title></text>'
        )
    return f'<g class="run" data-run="{index}">{"".join(drawn)}</g>'


def _finite_parts(curve: Curve) -> list[Curve]:
    groups = itertools.groupby(curve, key=lambda point: math.isfinite(point[1]))
    return [tuple(points) for is_finite, points in groups if is_finite]


def _divergences(curve: Curve) -> list[tuple[float, float]]:
    """Where the curve stops being finite: the first point of each part that is not."""
    groups = itertools.groupby(curve, key=lambda point: math.isfinite(point[1]))
    return [next(points) for is_finite, points in groups if not is_finite]


def _style(index: int) -> str:
    """The SVG attributes of a run's lines: the same in every chart and in the table."""
    dash = DASHES[index // len(COLOURS) % len(DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'stroke="{COLOURS[index % len(COLOURS)]}"{dashed}'


def _table(runs: Sequence[PastRun]) -> str:
    scores, inputs = headline_metrics(runs, 4), differing_inputs(runs)
    heads = ["experiment", "run", "state", "seconds", "backend", "code", *inputs, *scores]
    rows = [_row(index, run, inputs, scores) for index, run in enumerate(runs)]
    all_runs = '<th><input type="checkbox" checked id="all" title="all of them"></th>'
    head = all_runs + "".join(
        f'<th><button type="button">{escape(name.replace("_", " "))}</button></th>'
        for name in heads
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(index: int, run: PastRun, inputs: Sequence[str], scores: Sequence[str]) -> str:
    key = (
        f'<label><input type="checkbox" checked data-run="{index}"><svg class="key" '
        f'viewBox="0 0 30 8"><path d="M0 4H30" stroke-width="4" {_style(index)}/></svg></label>'
    )
    seconds = run.seconds
    # With "./" no folder's name is a URL of its own, such as javascript:.
    place = quote(unicode_text(run.folder.removeprefix("outputs/")))
    link = escape(f"./{place}/", quote=True)
    cells = [
        key,
        escape(run.experiment),
        f'<a href="{link}">{escape(run.id)}</a>',
        f'<span class="{"bad" if run.state.startswith(BAD) else ""}"{_reason(run)}>{escape(run.state)}</span>',
        "" if seconds is None else f"{seconds:.1f}",
        escape(run.backend),
        f"<code>{escape(run.commit)}</code>",
        *(escape(run.inputs.get(name, "")) for name in inputs),
        *(
            metric_values.short(run.scores[name], 5) if name in run.scores else ""
            for name in scores
        ),
    ]
    command = escape(str(run.record.get("command") or ""), quote=True)
    body = "".join(f"<td{NUMBER * _is_number(cell)}>{cell}</td>" for cell in cells)
    return f'<tr title="{command}" data-run="{index}">{body}</tr>'


def _reason(run: PastRun) -> str:
    """The attribute that says why files of the run cannot be read."""
    return f' title="{escape("; ".join(run.problems), quote=True)}"' if run.problems else ""


NUMBER = ' class="number"'


def _is_number(cell: str) -> bool:
    return metric_values.parsed(cell) is not None
