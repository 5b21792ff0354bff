"""Each benchmark runs with small numbers and measures all of its budgets; the figures do not matter."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.budgets import BUDGETS

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark_measures_its_budgets(name: str, tmp_path: Path) -> None:
    if reason := BENCHMARKS[name].skip_reason():
        pytest.skip(reason)
    page = tmp_path / "results.md"
    command = [sys.executable, "-m", "benchmarks", name, "--quick", "--output", str(page)]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert page.exists(), process.stderr
    table = page.read_text()
    assert "**not measured**" not in table, process.stdout
    budgets = [budget.description for key, budget in BUDGETS.items() if key.partition(".")[0] == name]
    assert budgets
    assert [description for description in budgets if f"| {description}" not in table] == []
