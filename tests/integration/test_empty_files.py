"""Files without audio: they wait for a day, are counted apart from then on, and never hide what matters."""

import pytest

from callscribe.recordings.run import MAX_LISTED
from functions.sync.ingestion import EMPTY, EMPTY_AFTER, HEADER_ONLY
from testing.made_audio import fmt, riff, tone, wav

HEADER = riff((b"fmt ", fmt(1, 1, 8000, 16)), (b"data", b""))
LONG_HEADER = riff((b"fmt ", fmt(1, 1, 8000, 16)), (b"fact", bytes(4)), (b"data", b""))


@pytest.mark.parametrize(
    ("name", "content"), [("a.mp3", b""), ("a.wav", b""), ("a.wav", HEADER), ("a.wav49", LONG_HEADER)]
)
def test_file_without_audio_is_counted_as_empty_after_a_day(source, handlers, name, content):
    source.put(name, content)
    assert source.sync() == {"listed": 1, "waiting": 1}
    handlers.advance_clock(seconds=EMPTY_AFTER.total_seconds() + 1)
    if source.kind == "s3" and content is LONG_HEADER:
        return  # the headers of old objects are not read: the recording fails with `no_audio`, and is not sent
    run = handlers.sync()
    assert (run["counts"]["waiting"], run["counts"]["empty"], run["counts"]["added"]) == (0, 1, 0)
    assert run["waiting"][0]["reason"] in (EMPTY, HEADER_ONLY)
    source.put(name, wav(tone(1, 8000)))
    assert source.sync() == {"listed": 1, "added": 1}


def test_run_lists_the_largest_incomplete_files(handlers, put):
    for number in range(MAX_LISTED + 5):
        put(f"a/{number:02}.wav", HEADER if number % 2 else b"")
    put("z.wav", HEADER[:40] + bytes(4) + bytes(2000))
    run = handlers.sync()
    assert run["counts"]["waiting"] == MAX_LISTED + 6
    assert len(run["waiting"]) == MAX_LISTED
    assert run["waiting"][0]["path"].endswith("/z.wav")
    sizes = [file["size"] for file in run["waiting"]]
    assert sizes == sorted(sizes, reverse=True)
