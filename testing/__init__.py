"""What tests and benchmarks share: servers that stand in for real ones, made audio, workers that can be killed."""
