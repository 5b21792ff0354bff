"""What Callscribe is about: recordings, their status transitions, runs, and the circuit breaker. Plain Python."""
