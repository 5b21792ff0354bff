"""Pages of a list that is read from DynamoDB."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PAGE_SIZE = 1000
"""Items that one request of a filtered query reads. DynamoDB ends a page at 1 MB, about as many recordings."""

MAX_REQUESTS = 10
"""Requests for one page of a list: API Gateway times out after 30 s."""

type Cursor = Mapping[str, Any]
"""Where a list continues: the key of the last item as DynamoDB returned it, or several, by the index they belong to."""


@dataclass(frozen=True, slots=True)
class Page[T]:
    """Part of a list. It may hold fewer items than the limit, or none, where few match; only the last has no cursor."""

    items: list[T]
    next_cursor: Cursor | None
