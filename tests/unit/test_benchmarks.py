"""The benchmarks' table: it has every budget, and shows what exceeds its budget."""

import inspect
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, RESULTS, Benchmark, run_benchmark, select_benchmarks
from benchmarks.budgets import BUDGETS, Row, compare
from benchmarks.table import render_table


def lines_of(page, what):
    return "\n".join(line for line in page.splitlines() if line.startswith(f"| {what}"))


@pytest.mark.parametrize("name", BUDGETS)
def test_each_budget_has_a_benchmark_that_compares_a_figure_with_it(name):
    benchmark = BENCHMARKS[name.partition(".")[0]]
    assert f'"{name}"' in Path(inspect.getfile(benchmark.measure)).read_text()


def test_the_kept_results_show_each_budget_as_it_is_now():
    page = RESULTS.read_text()
    for budget in BUDGETS.values():
        assert f" {budget.unit} | ≤ {budget.limit:g} |".replace("  ", " ") in lines_of(page, budget.description), budget


def test_each_benchmark_is_in_the_readme():
    page = Path(RESULTS).with_name("README.md").read_text()
    assert [name for name in BENCHMARKS if f"| `{name}` |" not in page] == []


def test_the_table_counts_and_marks_what_exceeds_its_budget_or_was_not_measured():
    rows = [
        compare("size.together", 61.0, ""),
        compare("start.api", None, "no npm |\n"),
        compare("scan.writes", 0, ""),
    ]
    page = render_table([(row, "10 of them") for row in (*rows, Row("shown", 3.14159, "ms"))], "Today.")
    assert "**3 figures with a budget: 1 met, 1 over it, 1 not measured.**" in page
    assert "| 61 MB | ≤ 60 | **no** |" in lines_of(page, BUDGETS["size.together"].description)
    assert "| – × | ≤ 1.4 | **not measured** | no npm / |" in lines_of(page, BUDGETS["start.api"].description)
    assert "| 0 writes | ≤ 0 | yes |" in lines_of(page, BUDGETS["scan.writes"].description)
    assert lines_of(page, "shown") == "| shown | 3.142 ms |  | 10 of them |"


def test_a_figure_meets_its_budget_up_to_the_limit():
    assert [compare("start.sync", figure, "").is_met for figure in (0.5, 1.0, 1.0001, None)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_benchmark_that_cannot_run_has_its_budgets_unmeasured_with_the_reason():
    rows = [
        row
        for row, _ in run_benchmark("claims", Benchmark(lambda _: [], lambda: "there is no npm", "rounds", 10, 1), 10)
    ]
    assert {row.name for row in rows} == {"claims.queries", "claims.writes", "claims.lost"}
    assert {(row.figure, row.baseline, row.is_met) for row in rows} == {(None, "there is no npm", False)}


def test_numbers_are_those_that_are_given_or_usual():
    assert select_benchmarks(["scan=20", "size"], quick=False) == {"scan": 20, "size": BENCHMARKS["size"].number}
    assert select_benchmarks([], quick=True) == {name: each.quick for name, each in BENCHMARKS.items()}
    with pytest.raises(ValueError, match="There is no scna"):
        select_benchmarks(["scna"], quick=False)
