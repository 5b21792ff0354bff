"""`python -m tests.permissions` prints what each function may, and how often the last run of all tests needed it."""

import json
import sys

from tests.permissions.calls import Call
from tests.permissions.exceptions import UNSEEN
from tests.permissions.granted import statements
from tests.permissions.plugin import LAST_RUN
from tests.permissions.verdict import judge, table


def main() -> int:
    if not LAST_RUN.exists():
        print("There is no record yet: run `make test-all` with no test skipped.")
        return 2
    seen = {Call(*call): times for *call, times in json.loads(LAST_RUN.read_text())}
    verdict = judge(statements(), seen, UNSEEN)
    print(table(verdict.rows))
    for problem in (*verdict.missing, *verdict.unused):
        print(problem)
    return 1 if verdict.missing or verdict.unused else 0


if __name__ == "__main__":
    sys.exit(main())
