"""Calls to the transcription service in DynamoDB, kept as long as the runs that made them."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import islice
from typing import Any

from callscribe.call import Call
from callscribe.clock import iso
from callscribe.store.faults import translated
from callscribe.store.models import CALLS, CallModel

SEARCHED_AT_ONCE = 1000
"""Calls read in one request by who looks for some of them: some 400 kB."""

SEARCHES = 10
"""Requests of one page: API Gateway does not wait for ever."""

type Cursor = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; `next` is None on the last."""

    calls: list[Call]
    next: Cursor | None


def item(call: Call) -> CallModel:
    """What is stored of a call; `store.runs` writes it, together with its run."""
    values = {each.name: getattr(call, each.name) for each in fields(Call)}
    name = f"{iso(call.started_at)}-{uuid.uuid4().hex[:8]}"
    return CallModel(id=name, expires_at=call.started_at + CallModel.kept, **values)


def page(
    recording_id: str | None = None,
    *,
    failed: bool | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int,
    cursor: Cursor | None = None,
) -> Page:
    """The newest calls first; `failed` or not, `since` and `until` inclusive. Raises StoreError.

    A page may hold fewer than `limit`, and even none, before the last: where few are looked for among very many.
    """
    index: Any = CallModel.by_recording if recording_id else CallModel
    filters = {True: CallModel.error.exists(), False: CallModel.error.does_not_exist(), None: None}
    # names of calls begin with their time; a tilde sorts behind every end of them
    between: Any = CallModel.id.between(iso(since) if since else "0", f"{iso(until)}~" if until else "~")
    found = index.query(
        recording_id or CALLS,
        between,
        filter_condition=filters[failed],
        scan_index_forward=False,
        page_size=limit if failed is None else SEARCHED_AT_ONCE,
        last_evaluated_key=cursor,
    )
    items: list[Mapping[str, Any]] = []
    with translated():
        for each in islice(found.page_iter, SEARCHES):
            items += each["Items"]
            if len(items) >= limit:
                break
    following = found.page_iter.last_evaluated_key
    if len(items) > limit:
        keys = ("task", "run", "recording_id") if recording_id else ("task", "run")
        following = {key: items[limit - 1][key] for key in keys}
    return Page([_call(CallModel.from_raw_data(dict(item))) for item in items[:limit]], following)


def _call(model: CallModel) -> Call:
    return Call(**{each.name: getattr(model, each.name) for each in fields(Call)})
