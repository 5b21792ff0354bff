"""The output of the rehearsal."""

import time


class Report:
    """Prints steps and checks, and collects the checks that failed."""

    def __init__(self) -> None:
        self.failures: list[str] = []
        self._started_at = time.monotonic()

    @property
    def seconds(self) -> int:
        """The seconds since the rehearsal began."""
        return round(time.monotonic() - self._started_at)

    def step(self, title: str) -> None:
        """Print the title of a step."""
        print(f"\n== {title}  [{self.seconds} s]", flush=True)

    def line(self, text: str) -> None:
        """Print a line of a step."""
        print(f"  {text}", flush=True)

    def check(self, description: str, passed: object, seen: object = "") -> bool:
        """Print the result of a check and, if it failed, what was seen instead."""
        self.line(f"{'ok    ' if passed else 'FAILED'} {description}")
        if not passed:
            self.failures.append(description)
            if seen:
                print(f"{seen}\n", flush=True)
        return bool(passed)

    def end(self) -> int:
        """Print the summary, and return the exit status."""
        self.step("Done")
        if not self.failures:
            self.line("All checks passed.")
        for failure in self.failures:
            self.line(f"FAILED {failure}")
        return int(bool(self.failures))
