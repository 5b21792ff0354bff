"""The table of all figures, as Markdown: what exceeds its budget or was not measured is in bold and counted on top."""

from collections.abc import Sequence

from benchmarks.budgets import Row

type Measured = tuple[Row, str]
"""A row, and in words how much it was measured with."""


def table(measured: Sequence[Measured], circumstances: str) -> str:
    """The page that results.md is."""
    budgets = [(row, of) for row, of in measured if row.budget is not None]
    missing = sum(row.figure is None for row, _ in budgets)
    good = sum(row.met for row, _ in budgets)
    over = len(budgets) - good - missing
    lines = [
        "# What it costs\n",
        f"{circumstances}\n",
        f"**{len(budgets)} figures with a budget: {good} met, {over} over it, {missing} not measured.**\n",
        "| what | figure | budget | met | compared with, in the same run | measured with |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row, of in budgets:
        met = "**not measured**" if row.figure is None else "yes" if row.met else "**no**"
        lines.append(f"| {row.what} | {_figure(row)} | ≤ {_number(row.budget)} | {met} | {_cell(row.floor)} | {of} |")
    lines += [
        "\n## For information\n",
        "| what | figure | compared with, in the same run | measured with |",
        "| --- | --- | --- | --- |",
    ]
    others = [(row, of) for row, of in measured if row.budget is None]
    lines += [f"| {row.what} | {_figure(row)} | {_cell(row.floor)} | {of} |" for row, of in others]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """In one cell, which an error message need not fit into."""
    return " ".join(text.replace("|", "/").split())


def _figure(row: Row) -> str:
    return f"{_number(row.figure)} {row.unit}".strip()


def _number(figure: float | None) -> str:
    if figure is None:
        return "–"
    return f"{figure:,.0f}" if figure == round(figure) else f"{figure:.4g}"
