"""Finding recordings: by number, call id, name, time and direction, page by page, on two engines of DynamoDB.

Never by reading the table: each request is counted by its operation.
"""

import random
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from callscribe.call_metadata.metadata import CallMetadata, Direction, Provenance
from callscribe.recordings import state_machine
from callscribe.recordings.recording import Status
from callscribe.store import recording_queries, recording_search, recordings
from testing import dynalite
from testing.handlers import read_api_key

pytestmark = pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)

LIST = "/api/call-recordings"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
IN, OUT, INTERNAL = Direction


@pytest.fixture
def made(handlers):
    """Makes a recording of a call so many minutes before noon, and gives its id."""
    handlers.queue()  # binds the models to the tables

    def made(name, minutes=0, **known):
        metadata = CallMetadata(**known)
        new = state_machine.create(
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

    return made


@pytest.fixture
def calls(made):
    """Five calls, the newest first."""
    return [
        made("in-e", 1, direction=IN, caller="+1 202 555 0143", callee="2025550100", extension="101", call_id="A.1"),
        made("out-d", 2, direction=OUT, caller="102", callee="(202) 555-0143", call_id="A.2"),
        made("internal-c", 3, direction=INTERNAL, caller="101", callee="102", call_id="A.3"),
        made("In-b", 4, direction=IN, caller="3035550143", callee="2025550100"),
        made("a", 5, remote_number="+49 30 901820-0"),
    ]


def walk(handlers, query, limit, meanwhile=lambda: None, most=60):
    """The ids on all pages, and how many there were."""
    ids, cursor = [], None
    for pages in range(1, most):
        answer = handlers.api("GET", LIST, query=f"{query}&limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
        assert answer.status == 200, answer.body
        assert len(answer.json["items"]) <= limit
        ids += [item["id"] for item in answer.json["items"]]
        cursor = answer.json["nextCursor"]
        if cursor is None:
            return ids, pages
        meanwhile()
    raise AssertionError("there is no end to it")


FOUND = [
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
def test_a_recording_is_found_by_all_that_is_known_of_it_newest_first(handlers, calls, limit):
    for query, expected in FOUND:
        assert walk(handlers, query, limit)[0] == [calls[each] for each in expected], query


def test_a_recording_is_found_by_its_id_alone(handlers, calls):
    assert walk(handlers, f"search={calls[3]}", 100) == ([calls[3]], 1)
    assert walk(handlers, f"search={calls[3].upper()}&direction=inbound", 100)[0] == [calls[3]]
    assert walk(handlers, f"search={calls[3]}&direction=outbound", 100)[0] == []


def test_the_queue_is_searched_oldest_first(handlers, calls):
    handlers.queue()
    for query, expected in (("phoneNumber=0143", [3, 1, 0]), ("search=in", [3, 2, 0]), ("direction=inbound", [3, 0])):
        for limit in (1, 100):
            found, _ = walk(handlers, f"{query}&transcriptionStatus=queued", limit)
            assert found == [calls[each] for each in expected]


def test_what_changes_meanwhile_is_neither_skipped_nor_repeated(handlers, made):
    """Others are transcribed, and new ones come, while somebody turns the pages."""
    dice = random.Random(7)
    numbers = ["2025550143", "+12025550143", "3035550143"]
    mine = {
        made(f"in-{number:03}", number // 3, direction=IN, caller=dice.choice(numbers), callee=dice.choice(numbers))
        for number in range(45)
    }
    newer = iter(range(1000))

    def meanwhile():
        made(f"new-{next(newer)}", -60, caller="2025550143")
        for place in recordings.next_entries(Status.PENDING, 3):
            recordings.apply_transition(place.id, state_machine.enqueue(place, NOON))

    for query in ("", "phoneNumber=0143", "search=0143", "search=in-", "direction=inbound"):
        found, pages = walk(handlers, query, 6, meanwhile)
        assert pages >= 7
        assert len(found) == len(set(found)), query
        assert set(found) >= mine, query


@pytest.mark.parametrize("status", ["pending", "queued"])
def test_of_one_status_those_that_stay_are_seen_once_and_no_other_twice(handlers, made, status):
    """The others move to and fro: behind the page, before it, and within it."""
    chance, ids = random.Random(7), [made(f"in-{number:02}", number // 10) for number in range(60)]
    stay = ids[::3]
    others = sorted({*ids} - {*stay})

    def move(names):
        for seen in map(recordings.get, names):
            assert seen
            target = Status.QUEUED if seen.status is Status.PENDING else Status.PENDING
            assert recordings.apply_transition(seen.id, state_machine.user_transition(seen, target, NOON))

    if status == "queued":
        move(stay)
    found, _ = walk(handlers, f"transcriptionStatus={status}", 6, lambda: move(chance.sample(others, 10)))
    assert len(found) == len(set(found)) > len(stay)
    assert set(stay) <= set(found)


def test_what_is_known_later_is_found_by_it_and_no_longer_by_what_was_known_before(handlers, calls):
    seen = recordings.get(calls[0])
    told = CallMetadata(caller="4045550199", call_id="b.9").with_provenance(Provenance.SIDECAR)
    assert recordings.update_metadata(seen.id, {"index_key": seen.index_key}, {"metadata": told, "recorded_at": NOON})
    for query in ("phoneNumber=4045550199", "search=b.9", "search=0199", "search=in-e"):
        assert walk(handlers, query, 10)[0] == [seen.id], query
    for query in ("phoneNumber=2025550100", "search=a.1", "phoneNumber=101"):
        assert seen.id not in walk(handlers, query, 10)[0], query


def test_many_names_are_gone_through_by_time(handlers, calls, monkeypatch):
    monkeypatch.setattr(recording_search, "MAX_NAME_MATCHES", 2)
    for limit in (1, 2, 100):
        assert walk(handlers, "search=in", limit)[0] == [calls[each] for each in (0, 2, 3)]
        assert walk(handlers, "search=a", limit)[0] == [calls[4]]


def test_a_request_ends_where_little_is_found_among_much_and_the_next_goes_on(handlers, made, monkeypatch):
    monkeypatch.setattr(recording_search, "ENTRIES_PER_REQUEST", 3)
    monkeypatch.setattr(recording_search, "MAX_REQUESTS", 6)
    monkeypatch.setattr(recording_queries, "PAGE_SIZE", 3)
    monkeypatch.setattr(recording_queries, "MAX_REQUESTS", 2)
    for minutes in range(40):
        made(f"other-{minutes}", minutes, direction=OUT, caller="8885550143")
    oldest = made("mine", 50, direction=IN, caller="2025550143")
    for query in ("phoneNumber=2025550143", "direction=inbound", "search=0143&direction=inbound"):
        found, pages = walk(handlers, query, 10)
        assert found == [oldest], query
        assert pages > 2, query


def test_calls_at_the_very_ends_of_a_time_are_found_on_every_page(handlers, made):
    at_once = {made(f"in-{number}", 0, direction=IN, caller="2025550143") for number in range(7)}
    bounds = "from=2026-11-22T12:00:00Z&to=2026-11-22T12:00:00Z"
    for query in ("", "phoneNumber=0143&", "search=in-&", "direction=inbound&", "transcriptionStatus=pending&"):
        found, _ = walk(handlers, query + bounds, 2)
        assert sorted(found) == sorted(at_once), query


def test_no_search_reads_the_table(handlers, calls, counted, stack):
    key = read_api_key(stack)
    handlers.api("GET", LIST, key=key)  # warms up: the keys are cached

    def requests(query):
        with counted() as made:
            assert handlers.api("GET", LIST, query=query, key=key).status == 200
        return dict(made)

    assert requests("") == requests("direction=inbound&from=2026-11-01T00:00:00Z") == {"Query": 1}
    assert requests("transcriptionStatus=pending&direction=inbound") == {"Query": 1}
    assert requests("phoneNumber=2025550143") == {"Query": 3, "BatchGetItem": 1}
    assert requests("phoneNumber=9999") == {"Query": 3}
    assert requests("search=in-") == {"Query": 2, "BatchGetItem": 1}
    assert requests("search=0143") == {"Query": 5, "BatchGetItem": 1}
    assert requests(f"search={calls[0]}") == {"GetItem": 1}


def test_a_recording_is_still_added_by_one_put(made, counted):
    with counted() as requests:
        made("in-z", caller="2025550143", callee="101", call_id="z")
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
def test_what_cannot_be_looked_for_is_400_and_names_the_fault(handlers, query):
    answer = handlers.api("GET", LIST, query=query)
    assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_request")
    assert query.split("=")[0] in answer.json["error"]["details"][0]["field"]


def test_a_cursor_of_one_search_is_none_of_another(handlers, calls):
    cursor = handlers.api("GET", LIST, query="search=0143&limit=1").json["nextCursor"]
    for query in ("search=0144", "phoneNumber=0143", "", "search=0143&direction=inbound"):
        answer = handlers.api("GET", LIST, query=f"{query}&limit=1&cursor={cursor}")
        assert (answer.status, answer.json["error"]["code"]) == (400, "invalid_cursor")
