"""Renders the table of all figures in Markdown. Those over budget or not measured are bold, and counted at the top."""

from collections.abc import Sequence

from benchmarks.budgets import Row

type MeasuredRow = tuple[Row, str]
"""A row, and the workload with which it was measured, such as `1,000 pending recordings`."""


def render_table(measured_rows: Sequence[MeasuredRow], environment: str) -> str:
    """Render results.md."""
    budgets = [(row, workload) for row, workload in measured_rows if row.budget is not None]
    missing = sum(row.figure is None for row, _ in budgets)
    met_count = sum(row.is_met for row, _ in budgets)
    over_count = len(budgets) - met_count - missing
    lines = [
        "# Benchmark results\n",
        f"{environment}\n",
        f"**{len(budgets)} figures with a budget: {met_count} met, {over_count} over it, {missing} not measured.**\n",
        "| figure | value | budget | met | baseline or breakdown, same run | workload |",
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
        "| figure | value | baseline or breakdown, same run | workload |",
        "| --- | --- | --- | --- |",
    ]
    others = [(row, workload) for row, workload in measured_rows if row.budget is None]
    lines += [
        f"| {row.description} | {_format_figure(row)} | {_format_cell(row.baseline)} | {workload} |"
        for row, workload in others
    ]
    return "\n".join(lines) + "\n"


def _format_cell(text: str) -> str:
    """Escape text, which may be an error message, for one cell."""
    return " ".join(text.replace("|", "/").split())


def _format_figure(row: Row) -> str:
    return f"{_format_number(row.figure)} {row.unit}".strip()


def _format_number(figure: float | None) -> str:
    if figure is None:
        return "–"
    return f"{figure:,.0f}" if figure == round(figure) else f"{figure:.4g}"
