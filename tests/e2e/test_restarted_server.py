"""A server with jobs that is killed while it transcribes and started again soon gets the next recording."""

import pytest

from tests.e2e.job_server import FORGETS, KINDS, LISTS, RESUMES
from tests.e2e.restarted_server import RECORDINGS, run

pytestmark = pytest.mark.slow

FEW_MINUTES, HALF_AN_HOUR = 5 * 60, 30 * 60


AGAIN = {FORGETS: (0, 3 * FEW_MINUTES), LISTS: (HALF_AN_HOUR - FEW_MINUTES, HALF_AN_HOUR + FEW_MINUTES)}
"""When the killed recording is sent again. A server that resumes its jobs needs it no second time."""


@pytest.mark.parametrize("kind", KINDS)
def test_killed_server_gets_the_next_recording_soon_and_none_twice_at_once(kind):
    (result,) = run((kind,), (2,))
    assert (result.completed, result.copies) == (RECORDINGS, 1)
    assert result.next_sent is not None
    assert result.next_sent <= FEW_MINUTES
    assert result.max_at_server == (2 if kind == RESUMES else 1)
    if kind == RESUMES:
        assert result.killed_sent_again is None
    else:
        earliest, latest = AGAIN[kind]
        assert result.killed_sent_again is not None
        assert earliest <= result.killed_sent_again <= latest


@pytest.mark.parametrize("kind", KINDS)
def test_restart_that_no_run_has_noticed_loses_nothing(kind):
    (result,) = run((kind,), (0,))
    assert (result.completed, result.copies, result.max_at_server) == (RECORDINGS, 1, 1)
    assert result.next_sent is not None
    assert result.next_sent <= HALF_AN_HOUR + FEW_MINUTES
