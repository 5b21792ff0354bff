"""Requests to the transcription service in DynamoDB, kept as long as the runs that made them.

Every function here that reads or writes raises StoreError.
"""

from dataclasses import fields
from datetime import datetime
from itertools import islice
from typing import Any

from callscribe.aws import map_dynamodb_errors
from callscribe.clock import to_iso
from callscribe.recordings.service_request import ServiceRequest
from callscribe.store.paging import MAX_REQUESTS, PAGE_SIZE, Cursor, Page
from callscribe.store.tables import SERVICE_REQUEST_KIND, ServiceRequestModel


def page(
    recording_id: str | None = None,
    *,
    failed: bool | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int,
    cursor: Cursor | None = None,
) -> Page[ServiceRequest]:
    """A page of requests, the newest first. `since` and `until` are inclusive."""
    index: Any = ServiceRequestModel.by_recording if recording_id else ServiceRequestModel
    error_conditions = {
        True: ServiceRequestModel.error.exists(),
        False: ServiceRequestModel.error.does_not_exist(),
        None: None,
    }
    # an id begins with the time of its request; a tilde sorts after every id of that time
    id_range: Any = ServiceRequestModel.id.between(
        to_iso(since) if since else "0", f"{to_iso(until)}~" if until else "~"
    )
    results = index.query(
        recording_id or SERVICE_REQUEST_KIND,
        id_range,
        filter_condition=error_conditions[failed],
        scan_index_forward=False,
        page_size=limit if failed is None else PAGE_SIZE,
        last_evaluated_key=cursor,
    )
    items: list[dict[str, Any]] = []
    with map_dynamodb_errors():
        for response in islice(results.page_iter, MAX_REQUESTS):
            items += response["Items"]
            if len(items) >= limit:
                break
    next_key = results.page_iter.last_evaluated_key
    if len(items) > limit:
        keys = ("task", "run", "recording_id") if recording_id else ("task", "run")
        next_key = {key: items[limit - 1][key] for key in keys}
    return Page(
        [_to_service_request(ServiceRequestModel.from_raw_data(dict(item))) for item in items[:limit]], next_key
    )


def _to_service_request(model: ServiceRequestModel) -> ServiceRequest:
    return ServiceRequest(**{attribute.name: getattr(model, attribute.name) for attribute in fields(ServiceRequest)})
