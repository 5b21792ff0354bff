"""Each benchmark runs with small numbers and measures all of its budgets, whatever the figures are."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.budgets import BUDGETS

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_measures_its_budgets(name: str, tmp_path: Path) -> None:
    if reason := BENCHMARKS[name].skip_reason():
        pytest.skip(reason)
    page = tmp_path / "results.md"
    command = [sys.executable, "-m", "benchmarks", name, "--quick", "--output", str(page)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert page.exists(), done.stderr
    assert "**not measured**" not in page.read_text(), done.stdout
    budgets = [budget.description for key, budget in BUDGETS.items() if key.partition(".")[0] == name]
    assert budgets
    assert [what for what in budgets if f"| {what}" not in page.read_text()] == []
