"""The domain: recordings and their status transitions, runs, and the circuit breaker. Pure Python, no AWS."""
