"""Dates in sidecars: AM and PM, day or month first, and which evidence settles the order."""

import json
from datetime import date

import pytest

from callscribe.call_metadata.metadata import format_started_at
from callscribe.sidecars import SidecarKind, parse_sidecar
from callscribe.sidecars.field_parsers import parse_timestamp_value


@pytest.mark.parametrize(
    ("text", "expected"),
    [("25/12/2026 14:30", "2026-12-25T14:30:00"), ("12/25/2026 2:30 PM", "2026-12-25T14:30:00"),
     ("12/25/2026 12:00 AM", "2026-12-25T00:00:00"), ("05/05/2026 12:00pm", "2026-05-05T12:00:00"),
     ("25.12.2026, 14:30:05", "2026-12-25T14:30:05"), ("25-12-2026 14:30", "2026-12-25T14:30:00"),
     ("2026-11-18 02:30:12 p.m.", "2026-11-18T14:30:12"), ("Nov 18, 2026 2:30 PM", "2026-11-18T14:30:00"),
     ("18 Nov 2026 02:30 am", "2026-11-18T02:30:00"), ("25/12/2026 14:30 +0100", "2026-12-25T14:30:00+01:00"),
     ("25/12/2026 2:30 PM UTC", "2026-12-25T14:30:00Z"), ("25/12/2026", "2026-12-25"), ("5/17/2026", "2026-05-17"),
     # ambiguous or invalid
     ("04/05/2026 10:00", None), ("4-5-2026", None), ("04.05.2026", None), ("25/12/26 14:30", None),
     ("25/12/2026 13:30 PM", None), ("25/12/2026 25:00", None), ("32/12/2026", None), ("25/13/2026", None),
     ("30/02/2026", None), ("2:30 PM", None), ("25/12/2026 14:30 +25:00", None)],
)  # fmt: skip
def test_date_is_read_if_it_has_one_reading(text, expected):
    timestamp = parse_timestamp_value(text)
    assert (timestamp and format_started_at(timestamp)) == expected


def start(document, known_start=None):
    metadata = parse_sidecar(SidecarKind.JSON, json.dumps(document).encode(), known_start).metadata
    return metadata.started_at and format_started_at(metadata.started_at)


FOURTH_OF_MAY, FIFTH_OF_APRIL = "2026-05-04T10:00:00", "2026-04-05T10:00:00"


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({}, None),
        ({"endTime": "04/05/2026 10:10"}, None),
        ({"endTime": "2026-05-04T10:10:00"}, FOURTH_OF_MAY),
        ({"end_epoch": 1775384400}, FIFTH_OF_APRIL),
        ({"uniqueid": "1775383200.17"}, FIFTH_OF_APRIL),
        ({"exportDate": "17/06/2026"}, FOURTH_OF_MAY),
        ({"exportDate": "6/17/2026 9:00 AM"}, FIFTH_OF_APRIL),
        ({"exportDate": "17/06/2026", "updated_date": "6/17/2026"}, None),
        ({"exportDate": "2026-06-17"}, None),
        ({"note": "17/06/2026"}, None),
    ],
    ids=str,
)
def test_order_of_day_and_month_is_settled_only_by_other_times_of_the_record(others, expected):
    assert start({"start": "04/05/2026 10:00", **others}) == expected
    assert start({"call": {"start": "4/5/2026 10:00 AM", **others}}) == expected


def test_order_of_day_and_month_is_settled_by_the_start_in_the_file_name():
    document = {"date": "04/05/2026", "time": "10:00 AM"}
    assert start(document) is None
    assert start(document, date(2026, 5, 4)) == FOURTH_OF_MAY
    assert start(document, date(2026, 4, 6)) == FIFTH_OF_APRIL
    assert start(document, date(2026, 9, 1)) is None


def test_time_with_am_or_pm_is_added_to_the_date():
    assert start({"date": "2026-05-04", "time": "2:30 PM"}) == "2026-05-04T14:30:00"
