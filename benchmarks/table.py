"""The table of all figures, as Markdown: what falls short or was not measured stands out, and is counted at the top."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.budgets import Row


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one benchmark; `of` says with how much it was measured, in words."""

    benchmark: str
    of: str
    rows: Sequence[Row]


def table(outcomes: Sequence[Outcome], circumstances: str) -> str:
    """A page of its own."""
    rows = [(each, row) for each in outcomes for row in each.rows]
    budgets = [(each, row) for each, row in rows if row.budget is not None]
    others = [(each, row) for each, row in rows if row.budget is None]
    parts = [
        "# What it costs\n",
        f"{circumstances}\n",
        f"**{verdict([row for _, row in budgets])}**\n",
        _markdown(
            ("what", "figure", "budget", "met", "beside it, in the same run", "measured with"),
            ([row.what, shown(row), f"≤ {_number(row.budget)}", met(row), row.floor, each.of] for each, row in budgets),
        ),
    ]
    if others:
        parts += [
            "## For information\n",
            _markdown(
                ("what", "figure", "beside it, in the same run", "measured with"),
                ([row.what, shown(row), row.floor, each.of] for each, row in others),
            ),
        ]
    return "\n".join(parts)


def verdict(rows: Sequence[Row]) -> str:
    """How many there are of each kind."""
    missing = sum(row.figure is None for row in rows)
    good = sum(row.met for row in rows)
    over = len(rows) - good - missing
    return f"{len(rows)} figures with a budget: {good} met, {over} over it, {missing} not measured."


def met(row: Row) -> str:
    if row.figure is None:
        return "**not measured**"
    return "yes" if row.met else "**no**"


def shown(row: Row) -> str:
    """The figure with its unit."""
    return f"{_number(row.figure)} {row.unit}".strip()


def _number(figure: float | None) -> str:
    if figure is None:
        return "–"
    return f"{figure:,.0f}" if figure == round(figure) else f"{figure:.4g}"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)
