"""The table of the benchmarks has every budget, and marks figures over their budgets."""

import inspect
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, RESULTS, Benchmark, run_benchmark, select_benchmarks
from benchmarks.budgets import BUDGETS, Row, compare
from benchmarks.table import render_table


def find_rows(page, description):
    return "\n".join(line for line in page.splitlines() if line.startswith(f"| {description}"))


@pytest.mark.parametrize("name", BUDGETS)
def test_each_budget_is_used_by_its_benchmark(name):
    benchmark = BENCHMARKS[name.partition(".")[0]]
    assert f'"{name}"' in Path(inspect.getfile(benchmark.measure)).read_text()


def test_stored_results_have_the_current_budgets():
    page = RESULTS.read_text()
    for budget in BUDGETS.values():
        assert f" {budget.unit} | ≤ {budget.limit:,g} |".replace("  ", " ") in find_rows(page, budget.description), (
            budget
        )


def test_each_benchmark_is_documented():
    page = Path(RESULTS).with_name("README.md").read_text()
    assert [name for name in BENCHMARKS if f"| `{name}` |" not in page] == []


def test_table_counts_and_marks_figures_over_budget_or_not_measured():
    rows = [
        compare("size.together", 61.0, ""),
        compare("start.api", None, "no npm |\n"),
        compare("scan.writes", 0, ""),
    ]
    page = render_table([(row, "10 of them") for row in (*rows, Row("shown", 3.14159, "ms"))], "Today.")
    assert "**3 figures with a budget: 1 met, 1 over it, 1 not measured.**" in page
    assert "| 61 MB | ≤ 60 | **no** |" in find_rows(page, BUDGETS["size.together"].description)
    assert "| – × | ≤ 1.4 | **not measured** | no npm / |" in find_rows(page, BUDGETS["start.api"].description)
    assert "| 0 writes | ≤ 0 | yes |" in find_rows(page, BUDGETS["scan.writes"].description)
    assert find_rows(page, "shown") == "| shown | 3.142 ms |  | 10 of them |"


def test_figure_meets_its_budget_up_to_the_limit():
    assert [compare("start.sync", figure, "").is_met for figure in (0.5, 1.0, 1.0001, None)] == [
        True,
        True,
        False,
        False,
    ]


def test_benchmark_that_cannot_run_has_rows_with_the_reason():
    rows = [
        row
        for row, _ in run_benchmark("claims", Benchmark(lambda _: [], lambda: "there is no npm", "rounds", 10, 1), 10)
    ]
    assert {row.name for row in rows} == {"claims.queries", "claims.writes", "claims.lost"}
    assert {(row.figure, row.baseline, row.is_met) for row in rows} == {(None, "there is no npm", False)}


def test_number_of_a_benchmark_can_be_set():
    assert select_benchmarks(["scan=20", "size"], quick=False) == {"scan": 20, "size": BENCHMARKS["size"].number}
    assert select_benchmarks([], quick=True) == {name: benchmark.quick for name, benchmark in BENCHMARKS.items()}
    with pytest.raises(ValueError, match="no benchmark scna"):
        select_benchmarks(["scna"], quick=False)
