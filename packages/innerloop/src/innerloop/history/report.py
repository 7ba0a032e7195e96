"""The runs as one HTML page: their curves laid over each other, and a table. Pure.

The page is a single file that needs nothing from anywhere: curves are SVG, colours follow the
reader's light or dark setting, a few lines of script hide a run when its row is unticked, bring its
lines forward while the pointer rests on its row, and sort the rows by a column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from .past_runs import Curve, PastRun, differing_inputs, telling

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 34
# Okabe and Ito's colours, which people who see colours differently can tell apart; then lines
# differ by their dashes.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f")
DASHES = ("", "6 3", "2 3", "8 3 2 3")

BAD = ("failed", "killed", "canceled")


def page(runs: Sequence[PastRun], title: str) -> str:
    """The whole page; the newest run comes first."""
    ordered = list(reversed(runs))
    return _PAGE.format(
        title=escape(title),
        count=f"{len(ordered)} run{'s' * (len(ordered) != 1)}",
        charts="\n".join(_charts(ordered)) or "<p>No run has written a curve yet.</p>",
        table=_table(ordered),
    )


def _charts(runs: Sequence[PastRun]) -> Iterable[str]:
    names = dict.fromkeys(name for run in runs for name in run.curves)
    for name in sorted(names, key=_order):
        lines = [(i, run, run.curves[name]) for i, run in enumerate(runs) if name in run.curves]
        yield _chart(name, lines)


def _order(name: str) -> tuple[bool, bool, str]:
    """Losses, then scores, then how long things took."""
    return "second" in name, "loss" not in name, name


def _chart(name: str, lines: Sequence[tuple[int, PastRun, Curve]]) -> str:
    polyline = [point for _, _, curve in lines for point in curve]
    across = _Scale([x for x, _ in polyline], LEFT, WIDTH - RIGHT)
    up = _Scale([y for _, y in polyline], HEIGHT - BOTTOM, TOP)
    drawn = [_axis(across, up)]
    for index, run, curve in lines:
        drawn.append(_line(index, run, name, curve, across, up))
    return (
        f'<figure><figcaption>{escape(name.replace("_", " "))}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">'
        f"{''.join(drawn)}</svg></figure>"
    )


class _Scale:
    """Numbers to places on the page; a little room is left on both sides of what varies."""

    def __init__(self, numbers: Sequence[float], start: float, end: float) -> None:
        low, high = min(numbers), max(numbers)
        room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
        self.low, self.high = low - room, high + room
        self.start, self.end = start, end

    def __call__(self, number: float) -> float:
        part = (number - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Round numbers within, four to eight of them."""
        rough = (self.high - self.low) / 7
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)
        first = math.ceil(self.low / step)
        return [index * step for index in range(first, math.floor(self.high / step) + 1)]


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
    polyline = " ".join(f"{across(x)},{up(y)}" for x, y in curve)
    label = f"{run.experiment} {run.id}: {name} {curve[-1][1]:.4g}"
    dots = ""
    if len(curve) <= 60:
        dots = "".join(
            f'<circle cx="{across(x)}" cy="{up(y)}" r="2.6" fill="{COLOURS[index % len(COLOURS)]}">'
            f"<title>{escape(run.id)}, {x:g}: {y:.5g}</title></circle>"
            for x, y in curve
        )
    return (
        f'<g class="run" data-run="{index}"><polyline points="{polyline}" {_style(index)}>'
        f"<title>{escape(label)}</title></polyline>{dots}</g>"
    )


def _style(index: int) -> str:
    """How the lines of a run are drawn: the same in each chart and in the table."""
    dash = DASHES[index // len(COLOURS) % len(DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'stroke="{COLOURS[index % len(COLOURS)]}"{dashed}'


def _table(runs: Sequence[PastRun]) -> str:
    scores, inputs = telling(runs, 4), differing_inputs(runs)
    heads = ["experiment", "run", "state", "seconds", "backend", "code", *inputs, *scores]
    rows = [_row(index, run, inputs, scores) for index, run in enumerate(runs)]
    every = '<th><input type="checkbox" checked id="all" title="all of them"></th>'
    head = every + "".join(
        f'<th><button type="button">{escape(name.replace("_", " "))}</button></th>'
        for name in heads
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(index: int, run: PastRun, inputs: Sequence[str], scores: Sequence[str]) -> str:
    tick = (
        f'<label><input type="checkbox" checked data-run="{index}"><svg class="key" '
        f'viewBox="0 0 30 8"><path d="M0 4H30" stroke-width="4" {_style(index)}/></svg></label>'
    )
    seconds = run.record.get("seconds")
    link = escape(f"{run.slug}/{run.id}/", quote=True)
    cells = [
        tick,
        escape(run.experiment),
        f'<a href="{link}">{escape(run.id)}</a>',
        f'<span class="{"bad" if run.state.startswith(BAD) else ""}">{escape(run.state)}</span>',
        "" if seconds is None else f"{seconds:.1f}",
        escape(run.backend),
        f"<code>{escape(run.commit)}</code>",
        *(escape(run.given.get(name, "")) for name in inputs),
        *(f"{run.scores[name]:.5g}" if name in run.scores else "" for name in scores),
    ]
    command = escape(str(run.record.get("command") or ""), quote=True)
    body = "".join(f"<td{NUMBER * _is_number(cell)}>{cell}</td>" for cell in cells)
    return f'<tr title="{command}" data-run="{index}">{body}</tr>'


NUMBER = ' class="number"'


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1f2328; --soft: #59636e; --line: #d8dee4; --page: #fff;
  --row: #f6f8fa; --bad: #cf222e; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6edf3; --soft: #9aa4ae; --line: #30363d; --page: #0d1117; --row: #161b22;
    --bad: #ff7b72; }}
}}
body {{ font: 14px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--page);
  margin: 24px auto; max-width: 1180px; padding: 0 16px; }}
h1 {{ font-size: 20px; margin: 0 0 2px; }}
p {{ color: var(--soft); margin: 0 0 18px; }}
.charts {{ display: grid; gap: 18px;
  grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); }}
figure {{ margin: 0; border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px;
  max-width: 720px; }}
figcaption {{ font-weight: 600; }}
figure svg {{ width: 100%; display: block; }}
svg text {{ font-size: 11px; fill: var(--soft); }}
@media (max-width: 520px) {{ svg text {{ font-size: 15px; }} }}
.grid {{ stroke: var(--line); stroke-width: 1; }}
polyline {{ fill: none; stroke-width: 2; stroke-linejoin: round; }}
.run {{ transition: opacity .1s; }}
.one .run:not(.chosen) {{ opacity: .12; }}
.chosen polyline {{ stroke-width: 3; }}
table {{ border-collapse: collapse; margin-top: 22px; width: 100%; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; }}
th button {{ font: inherit; font-weight: 600; color: var(--soft); background: none; border: 0;
  padding: 0; cursor: pointer; }}
th button:hover, th[aria-sort] button {{ color: var(--ink); }}
th[aria-sort=ascending] button::after {{ content: " \\2191"; }}
th[aria-sort=descending] button::after {{ content: " \\2193"; }}
tbody tr:hover {{ background: var(--row); }}
.number, th.number {{ text-align: right; }}
.bad {{ color: var(--bad); }}
a {{ color: inherit; }}
.key {{ display: inline-block; width: 30px; height: 8px; margin-left: 6px; vertical-align: middle; }}
.scroll {{ overflow-x: auto; }}
</style>
<h1>{title}</h1>
<p>{count}, newest first. Rest on a row to see its lines alone, untick it to hide them; click a title
to sort by it; rest on a line or a point to read it.</p>
<div class="charts">
{charts}
</div>
<div class="scroll">{table}</div>
<script>
const body = document.querySelector("tbody"), all = document.querySelector("#all");
const boxes = [...body.querySelectorAll("input")], heads = [...document.querySelectorAll("th")];
const lines = run => document.querySelectorAll(`.run[data-run="${{run}}"]`);
const show = box => lines(box.dataset.run)
  .forEach(line => line.style.display = box.checked ? "" : "none");
for (const box of boxes) box.onchange = () => {{
  show(box);
  const ticked = boxes.filter(box => box.checked).length;
  all.checked = ticked > 0;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
}};
all.onchange = () => boxes.forEach(box => {{ box.checked = all.checked; show(box); }});
for (const row of body.rows) {{
  const choose = on => {{
    document.querySelector(".charts").classList.toggle("one", on && lines(row.dataset.run).length > 0);
    lines(row.dataset.run).forEach(line => line.classList.toggle("chosen", on));
  }};
  row.onmouseenter = () => choose(true);
  row.onmouseleave = () => choose(false);
}}
heads.forEach((head, at) => {{
  const texts = [...body.rows].map(row => row.cells[at].textContent.trim());
  const numbers = texts.some(text => text) && texts.every(text => text === "" || !isNaN(text));
  head.classList.toggle("number", numbers);
  if (at) head.firstElementChild.onclick = () => {{
    const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
    const text = row => row.cells[at].textContent.trim();
    const order = (a, b) => numbers ? a - b : a.localeCompare(b);
    body.append(...[...body.rows].sort((a, b) =>
      (text(a) === "") - (text(b) === "") || down * order(text(a), text(b))));
  }};
}});
</script>
</html>
"""
