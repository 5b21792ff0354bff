"""Search for recordings by number, call id, name, time and direction, in pages, on two implementations of DynamoDB.

No search scans the table: the requests are counted by operation.
"""

import random
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from callscribe.call_metadata.metadata import CallMetadata, Direction, Provenance
from callscribe.recordings import transitions
from callscribe.recordings.recording import Status
from callscribe.store import recording_queries, recording_search, recordings
from testing import dynalite
from testing.handlers import read_api_key

pytestmark = pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)

LIST = "/api/call-recordings"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
IN, OUT, INTERNAL = Direction


@pytest.fixture
def create_recording(handlers):
    """Create a recording of a call `minutes` before noon; returns its id."""
    handlers.queue()  # configures the tables

    def create_recording(name, minutes=0, **fields):
        metadata = CallMetadata(**fields)
        new = transitions.create(
            "s3://b",
            f"2026/11/{name}.wav",
            size=9,
            etag="e",
            modified_at=NOON,
            now=NOON,
            metadata=metadata.with_provenance(Provenance.NAME),
            recorded_at=NOON - timedelta(minutes=minutes),
        )
        assert recordings.create(new)
        return new.id

    return create_recording


@pytest.fixture
def calls(create_recording):
    """The ids of five recordings, the newest call first."""
    return [
        create_recording(
            "in-e", 1, direction=IN, caller="+1 202 555 0143", callee="2025550100", extension="101", call_id="A.1"
        ),
        create_recording("out-d", 2, direction=OUT, caller="102", callee="(202) 555-0143", call_id="A.2"),
        create_recording("internal-c", 3, direction=INTERNAL, caller="101", callee="102", call_id="A.3"),
        create_recording("In-b", 4, direction=IN, caller="3035550143", callee="2025550100"),
        create_recording("a", 5, remote_number="+49 30 901820-0"),
    ]


def read_pages(handlers, query, limit, between_pages=lambda: None, max_pages=60):
    """The ids on all pages, and the number of pages."""
    ids, cursor = [], None
    for pages in range(1, max_pages):
        response = handlers.api("GET", LIST, query=f"{query}&limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert response.status == 200, response.body
        assert len(response.json["items"]) <= limit
        ids += [item["id"] for item in response.json["items"]]
        cursor = response.json["nextCursor"]
        if cursor is None:
            return ids, pages
        between_pages()
    raise AssertionError("too many pages")


SEARCHES = [
    ("phoneNumber=0143", [0, 1, 3]),
    ("phoneNumber=2025550143", [0, 1]),
    ("phoneNumber=" + quote("+1 (202) 555-0143"), [0, 1]),
    ("phoneNumber=" + quote("001 202 555 0143"), [0, 1]),
    ("phoneNumber=2025550100", [0, 3]),
    ("phoneNumber=101", [0, 2]),
    ("phoneNumber=102", [1, 2]),
    ("phoneNumber=01", []),
    ("phoneNumber=5550", []),
    ("phoneNumber=" + quote("030 9018200"), [4]),
    ("phoneNumber=0143&direction=inbound", [0, 3]),
    ("phoneNumber=0143&transcriptionStatus=pending&from=2026-11-22T11:57:00Z", [0, 1]),
    ("phoneNumber=0143&to=2026-11-22T11:58:00Z", [1, 3]),
    ("phoneNumber=0143&transcriptionStatus=failed", []),
    ("search=a.2", [1]),
    ("search=A.1", [0]),
    ("search=in", [0, 2, 3]),
    ("search=IN-", [0, 3]),
    ("search=in&direction=internal", [2]),
    ("search=in&from=2026-11-22T11:57:00Z&to=2026-11-22T11:58:30Z", [2]),
    ("search=in-&phoneNumber=2025550143", [0]),
    ("search=0143", [0, 1, 3]),
    ("search=101", [0, 2]),
    ("search=a", [4]),
    ("search=nothing", []),
    ("direction=inbound", [0, 3]),
    ("direction=outbound&transcriptionStatus=pending", [1]),
    ("direction=inbound&to=2026-11-22T11:57:00Z", [3]),
]


@pytest.mark.parametrize("limit", [1, 100])
def test_search_finds_recordings_by_their_metadata_newest_first(handlers, calls, limit):
    for query, expected in SEARCHES:
        assert read_pages(handlers, query, limit)[0] == [calls[index] for index in expected], query


def test_search_by_id_finds_one_recording(handlers, calls):
    assert read_pages(handlers, f"search={calls[3]}", 100) == ([calls[3]], 1)
    assert read_pages(handlers, f"search={calls[3].upper()}&direction=inbound", 100)[0] == [calls[3]]
    assert read_pages(handlers, f"search={calls[3]}&direction=outbound", 100)[0] == []


def test_search_in_the_queue_is_oldest_first(handlers, calls):
    handlers.queue()
    for query, expected in (("phoneNumber=0143", [3, 1, 0]), ("search=in", [3, 2, 0]), ("direction=inbound", [3, 0])):
        for limit in (1, 100):
            ids, _ = read_pages(handlers, f"{query}&transcriptionStatus=queued", limit)
            assert ids == [calls[index] for index in expected]


def test_recordings_that_change_between_pages_are_neither_skipped_nor_repeated(handlers, create_recording):
    """Between two pages, some recordings are queued and new ones arrive."""
    dice = random.Random(7)
    numbers = ["2025550143", "+12025550143", "3035550143"]
    expected = {
        create_recording(
            f"in-{number:03}", number // 3, direction=IN, caller=dice.choice(numbers), callee=dice.choice(numbers)
        )
        for number in range(45)
    }
    newer = iter(range(1000))

    def change():
        create_recording(f"new-{next(newer)}", -60, caller="2025550143")
        for entry in recordings.next_entries(Status.PENDING, 3):
            recordings.apply_transition(entry.id, transitions.enqueue(entry, NOON))

    for query in ("", "phoneNumber=0143", "search=0143", "search=in-", "direction=inbound"):
        ids, pages = read_pages(handlers, query, 6, change)
        assert pages >= 7
        assert len(ids) == len(set(ids)), query
        assert set(ids) >= expected, query


@pytest.mark.parametrize("status", ["pending", "queued"])
def test_recordings_that_keep_their_status_are_listed_once_while_others_change_theirs(
    handlers, create_recording, status
):
    """The others change before, after and within the current page."""
    chance, ids = random.Random(7), [create_recording(f"in-{number:02}", number // 10) for number in range(60)]
    unchanged = ids[::3]
    others = sorted({*ids} - {*unchanged})

    def change_status(recording_ids):
        for recording in map(recordings.get, recording_ids):
            assert recording
            to_status = Status.QUEUED if recording.status is Status.PENDING else Status.PENDING
            transition = transitions.user_transition(recording, to_status, NOON)
            assert recordings.apply_transition(recording.id, transition)

    if status == "queued":
        change_status(unchanged)
    listed, _ = read_pages(
        handlers, f"transcriptionStatus={status}", 6, lambda: change_status(chance.sample(others, 10))
    )
    assert len(listed) == len(set(listed)) > len(unchanged)
    assert set(unchanged) <= set(listed)


def test_updated_metadata_is_found_and_previous_metadata_is_not(handlers, calls):
    recording = recordings.get(calls[0])
    metadata = CallMetadata(caller="4045550199", call_id="b.9").with_provenance(Provenance.SIDECAR)
    assert recordings.update_fields(
        recording.id, {"index_key": recording.index_key}, {"metadata": metadata, "recorded_at": NOON}
    )
    for query in ("phoneNumber=4045550199", "search=b.9", "search=0199", "search=in-e"):
        assert read_pages(handlers, query, 10)[0] == [recording.id], query
    for query in ("phoneNumber=2025550100", "search=a.1", "phoneNumber=101"):
        assert recording.id not in read_pages(handlers, query, 10)[0], query


def test_search_for_a_common_name_filters_by_time(handlers, calls, monkeypatch):
    monkeypatch.setattr(recording_search, "MAX_NAME_MATCHES", 2)
    for limit in (1, 2, 100):
        assert read_pages(handlers, "search=in", limit)[0] == [calls[index] for index in (0, 2, 3)]
        assert read_pages(handlers, "search=a", limit)[0] == [calls[4]]


def test_search_for_a_rare_recording_continues_over_several_pages(handlers, create_recording, monkeypatch):
    monkeypatch.setattr(recording_search, "ENTRIES_PER_REQUEST", 3)
    monkeypatch.setattr(recording_search, "MAX_SEARCH_REQUESTS", 6)
    monkeypatch.setattr(recording_queries, "PAGE_SIZE", 3)
    monkeypatch.setattr(recording_queries, "MAX_REQUESTS", 2)
    for minutes in range(40):
        create_recording(f"other-{minutes}", minutes, direction=OUT, caller="8885550143")
    oldest = create_recording("mine", 50, direction=IN, caller="2025550143")
    for query in ("phoneNumber=2025550143", "direction=inbound", "search=0143&direction=inbound"):
        ids, pages = read_pages(handlers, query, 10)
        assert ids == [oldest], query
        assert pages > 2, query


def test_calls_at_the_exact_bounds_of_a_time_range_are_found_on_every_page(handlers, create_recording):
    simultaneous = {create_recording(f"in-{number}", 0, direction=IN, caller="2025550143") for number in range(7)}
    bounds = "from=2026-11-22T12:00:00Z&to=2026-11-22T12:00:00Z"
    for query in ("", "phoneNumber=0143&", "search=in-&", "direction=inbound&", "transcriptionStatus=pending&"):
        ids, _ = read_pages(handlers, query + bounds, 2)
        assert sorted(ids) == sorted(simultaneous), query


def test_no_search_scans_the_table(handlers, calls, count_requests, stack):
    key = read_api_key(stack)
    handlers.api("GET", LIST, key=key)  # caches the API keys

    def requests(query):
        with count_requests() as operations:
            assert handlers.api("GET", LIST, query=query, key=key).status == 200
        return dict(operations)

    assert requests("") == requests("direction=inbound&from=2026-11-01T00:00:00Z") == {"Query": 1}
    assert requests("transcriptionStatus=pending&direction=inbound") == {"Query": 1}
    assert requests("phoneNumber=2025550143") == {"Query": 3, "BatchGetItem": 1}
    assert requests("phoneNumber=9999") == {"Query": 3}
    assert requests("search=in-") == {"Query": 2, "BatchGetItem": 1}
    assert requests("search=0143") == {"Query": 5, "BatchGetItem": 1}
    assert requests(f"search={calls[0]}") == {"GetItem": 1}


def test_creating_a_recording_is_one_put(create_recording, count_requests):
    with count_requests() as requests:
        create_recording("in-z", caller="2025550143", callee="101", call_id="z")
    assert requests == {"PutItem": 1}


@pytest.mark.parametrize(
    "query",
    [
        "phoneNumber=",
        "phoneNumber=abc",
        "phoneNumber=%2B",
        "phoneNumber=" + "1" * 41,
        "search=",
        "search=%20",
        "search=" + "x" * 257,
        "direction=sideways",
        "direction=",
    ],
)
def test_invalid_search_is_400_and_names_the_field(handlers, query):
    response = handlers.api("GET", LIST, query=query)
    assert (response.status, response.json["error"]["code"]) == (400, "invalid_request")
    assert query.split("=")[0] in response.json["error"]["details"][0]["field"]


def test_cursor_is_valid_only_for_its_own_search(handlers, calls):
    cursor = handlers.api("GET", LIST, query="search=0143&limit=1").json["nextCursor"]
    for query in ("search=0144", "phoneNumber=0143", "", "search=0143&direction=inbound"):
        response = handlers.api("GET", LIST, query=f"{query}&limit=1&cursor={cursor}")
        assert (response.status, response.json["error"]["code"]) == (400, "invalid_cursor")
