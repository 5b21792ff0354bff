"""A chart of how long recordings wait, over a day, as SVG: readable on light and on dark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import log10

WIDTH, HEIGHT = 960, 460
LEFT, RIGHT, TOP, BOTTOM = 76, 24, 40, 94
COLUMNS, COLUMN = 2, 420
LEAST = 10.0
"""Seconds at the bottom: the scale is logarithmic."""
MARKS: Mapping[str, float] = {"10 s": 10, "1 min": 60, "10 min": 600, "1 h": 3600, "10 h": 36_000}
STEP = 10
"""Minutes from one point to the next: the longest wait of each such time."""

STYLE = """
      svg { background: #ffffff; }
      text { fill: #0f172a; font-size: 13px; }
      .small { fill: #475569; font-size: 12px; }
      .grid { stroke: #cbd5e1; stroke-width: 1; }
      .line { fill: none; stroke-width: 2; }
      .short { stroke-dasharray: 6 4; }
      .a { stroke: #2563eb; } .b { stroke: #b45309; } .c { stroke: #be185d; }
      @media (prefers-color-scheme: dark) {
        svg { background: #0f172a; }
        text { fill: #f1f5f9; }
        .small { fill: #cbd5e1; }
        .grid { stroke: #334155; }
        .a { stroke: #60a5fa; } .b { stroke: #fbbf24; } .c { stroke: #f472b6; }
      }"""


@dataclass(frozen=True, slots=True)
class Series:
    """`waits` in seconds, one a minute; `kind` is its class in the style."""

    name: str
    kind: str
    waits: Sequence[float]


def chart(title: str, series: Sequence[Series]) -> str:
    """The picture."""
    highest = log10(max(MARKS.values()) * 3)

    def x(minute: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * minute / 1440

    def y(seconds: float) -> float:
        part = (log10(max(seconds, LEAST)) - log10(LEAST)) / (highest - log10(LEAST))
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part

    parts = [f'<text x="{LEFT}" y="24" font-weight="600">{escape(title)}</text>']
    for name, seconds in MARKS.items():
        parts += [
            f'<path class="grid" d="M{LEFT} {y(seconds):.0f}H{WIDTH - RIGHT}"/>',
            f'<text class="small" x="{LEFT - 8}" y="{y(seconds) + 4:.0f}" text-anchor="end">{name}</text>',
        ]
    for hour in range(0, 25, 3):
        at = f'x="{x(hour * 60):.0f}" y="{HEIGHT - BOTTOM + 18}"'
        parts.append(f'<text class="small" {at} text-anchor="middle">{hour}:00</text>')
    for number, each in enumerate(series):
        longest = [max(each.waits[at : at + STEP]) for at in range(0, len(each.waits), STEP)]
        points = " ".join(f"{x(at * STEP):.0f} {y(wait):.0f}" for at, wait in enumerate(longest))
        column, row = number % COLUMNS, number // COLUMNS
        left, top = LEFT + column * COLUMN, HEIGHT - 50 + row * 18
        parts += [
            f'<path class="line {each.kind}" d="M{points}"/>',
            f'<path class="line {each.kind}" d="M{left} {top - 4}h26"/>',
            f'<text class="small" x="{left + 32}" y="{top}">{escape(each.name)}</text>',
        ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="system-ui, \'DejaVu Sans\', sans-serif" role="img" aria-labelledby="title">'
    )
    described = f'<title id="title">{escape(title)}: {escape("; ".join(each.name for each in series))}</title>'
    inner = "\n  ".join([described, f"<style>{STYLE}\n  </style>", *parts])
    return f"{head}\n  {inner}\n</svg>\n"
