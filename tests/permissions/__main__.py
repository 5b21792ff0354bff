"""Print each function's permissions, and how often the last run used them: `python -m tests.permissions`."""

import json
import sys

from tests.permissions.comparison import compare, table
from tests.permissions.exceptions import NEVER_USED
from tests.permissions.granted import statements
from tests.permissions.plugin import LAST_RUN
from tests.permissions.requests import UsedPermission


def main() -> int:
    if not LAST_RUN.exists():
        print("No requests are recorded yet: run `make test-all` without skipped tests.")
        return 2
    used = {UsedPermission(*permission): count for *permission, count in json.loads(LAST_RUN.read_text())}
    comparison = compare(statements(), used, NEVER_USED)
    print(table(comparison.rows))
    for problem in (*comparison.missing, *comparison.unused):
        print(problem)
    return 1 if comparison.missing or comparison.unused else 0


if __name__ == "__main__":
    sys.exit(main())
