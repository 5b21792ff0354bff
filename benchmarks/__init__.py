"""Benchmarks with budgets, and the cost calculator: see README.md."""
