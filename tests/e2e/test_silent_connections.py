"""The response of a slow server arrives over a hop that forgets silent connections, because of TCP keepalive."""

import pytest

from callscribe.whisperx.connection_options import keepalive_options
from tests.e2e import silent_connections

pytestmark = pytest.mark.slow

FORGET_SECONDS, RESPONSE_SECONDS = 4.0, 8.0


@pytest.fixture(autouse=True)
def _namespaces():
    if reason := silent_connections.unavailable_reason():
        pytest.skip(reason)


def test_response_arrives_over_a_hop_that_forgets_silent_connections():
    result = silent_connections.run(
        keepalive_options(idle_seconds=1, interval_seconds=1, max_probes=60),
        response_seconds=RESPONSE_SECONDS,
        forget_seconds=FORGET_SECONDS,
    )
    assert (result["outcome"], result["dropped"]) == ("done", 0)


def test_response_is_lost_without_keepalive():
    result = silent_connections.run(
        [], response_seconds=RESPONSE_SECONDS, forget_seconds=FORGET_SECONDS, timeout_seconds=1.5 * RESPONSE_SECONDS
    )
    assert result["outcome"] == "timeout"
    assert result["dropped"]
