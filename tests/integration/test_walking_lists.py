"""A list that is walked page by page while what is in it moves: each recording is seen, and none twice."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import batched

import pytest

from callscribe import transitions
from callscribe.recording import Status
from callscribe.store import recordings
from testing import dynalite

LIST = "/api/call-recordings"
NUMBER = 500
PAGE = 60
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def stack(request, stack):
    """The stack on the engine that the test is parametrized with."""
    return stack if request.param == "moto" else dynalite.on_dynalite(stack, *request.getfixturevalue("second_engine"))


@pytest.fixture
def made(handlers):
    """As many pending recordings, of which each ten were called at the same moment: then the id decides."""
    handlers.queue()  # binds the models to the tables
    calls = [NOON + timedelta(seconds=number // 10) for number in range(NUMBER)]
    made = [
        transitions.new("s3://b", f"{number}.wav", size=9, etag="e", modified_at=called, now=NOON)
        for number, called in enumerate(calls)
    ]
    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(recordings.add, made))
    return made


def walk(handlers, query, meanwhile):
    """The ids in the order in which they are shown; `meanwhile` is called with each page, beside the next one."""
    seen, cursor = [], ""
    with ThreadPoolExecutor(1) as beside:
        while cursor is not None:
            moving = beside.submit(meanwhile)
            page = handlers.api("GET", LIST, query=f"{query}limit={PAGE}{f'&cursor={cursor}' if cursor else ''}").json
            assert len(page["items"]) <= PAGE
            seen += [item["id"] for item in page["items"]]
            cursor = page["nextCursor"]
            moving.result()
    return seen


def move(recording):
    """pending → queued, or back; as it is then."""
    target = Status.QUEUED if recording.status is Status.PENDING else Status.PENDING
    moved = recordings.apply(recording.id, transitions.request(recording, target, NOON))
    assert moved
    return moved


@pytest.mark.slow
@pytest.mark.parametrize("stack", dynalite.ENGINES, indirect=True)
def test_all_recordings_are_seen_once_while_all_of_them_change_their_status(handlers, made):
    called = {each.id: each.recorded_at for each in made}
    random.Random(6).shuffle(made)
    parts, moved = batched(made, NUMBER // 8, strict=False), []
    seen = walk(handlers, "", lambda: moved.extend(map(move, next(parts, ()))))
    assert len(moved) == NUMBER
    assert len(seen) == len(set(seen))
    assert set(seen) == set(called)
    assert [called[each] for each in seen] == sorted(called.values(), reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("stack", ["dynalite"], indirect=True)
@pytest.mark.parametrize("status", ["pending", "queued"])
def test_of_one_status_those_that_stay_are_seen_once_and_no_other_twice(handlers, made, status):
    """The others go to and fro: behind the walker, before it, and where it stands."""
    chance = random.Random(7)
    stay = [move(each) if status == "queued" else each for each in made[::3]]
    others = {each.id: each for each in made if each.id not in {each.id for each in stay}}

    def some_move():
        for name in chance.sample(sorted(others), 40):
            others[name] = move(others[name])

    seen = walk(handlers, f"transcriptionStatus={status}&", some_move)
    assert len(seen) == len(set(seen)) > len(stay)
    assert {each.id for each in stay} <= set(seen)
    called = {each.id: each.recorded_at for each in made}
    assert [called[each] for each in seen] == sorted((called[each] for each in seen), reverse=status != "queued")
