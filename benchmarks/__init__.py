"""Figures that depend on the machine; see README.md."""
