"""Shared by tests and benchmarks: fake servers, generated audio, and workers that can be killed."""
