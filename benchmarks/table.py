"""The table of all figures, as Markdown: what exceeds its budget or was not measured is in bold and counted on top."""

from collections.abc import Sequence

from benchmarks.budgets import Row

type MeasuredRow = tuple[Row, str]
"""A row, and in words how much it was measured with."""


def render_table(measured_rows: Sequence[MeasuredRow], environment: str) -> str:
    """The page that results.md is."""
    budgets = [(row, workload) for row, workload in measured_rows if row.budget is not None]
    missing = sum(row.figure is None for row, _ in budgets)
    met_count = sum(row.is_met for row, _ in budgets)
    over_count = len(budgets) - met_count - missing
    lines = [
        "# What it costs\n",
        f"{environment}\n",
        f"**{len(budgets)} figures with a budget: {met_count} met, {over_count} over it, {missing} not measured.**\n",
        "| what | figure | budget | met | compared with, in the same run | measured with |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row, workload in budgets:
        met = "**not measured**" if row.figure is None else "yes" if row.is_met else "**no**"
        lines.append(
            f"| {row.description} | {_format_figure(row)} | ≤ {_format_number(row.budget)} | {met} "
            f"| {_format_cell(row.baseline)} | {workload} |"
        )
    lines += [
        "\n## For information\n",
        "| what | figure | compared with, in the same run | measured with |",
        "| --- | --- | --- | --- |",
    ]
    others = [(row, of) for row, of in measured_rows if row.budget is None]
    lines += [
        f"| {row.description} | {_format_figure(row)} | {_format_cell(row.baseline)} | {workload} |"
        for row, workload in others
    ]
    return "\n".join(lines) + "\n"


def _format_cell(text: str) -> str:
    """In one cell, which an error message need not fit into."""
    return " ".join(text.replace("|", "/").split())


def _format_figure(row: Row) -> str:
    return f"{_format_number(row.figure)} {row.unit}".strip()


def _format_number(figure: float | None) -> str:
    if figure is None:
        return "–"
    return f"{figure:,.0f}" if figure == round(figure) else f"{figure:.4g}"
