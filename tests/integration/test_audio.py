"""What a file says of its own audio, and that what holds none is told before it is sent."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import Provenance
from callscribe.errors import PermanentError, RetryableError
from callscribe.recordings.recording import AudioInfo
from callscribe.sources import open_source
from functions.process.audio_probe import MAX_READS, probe
from local.cloud.client import aws_client
from local.cloud.stack import Stack
from testing.made_audio import AMR, AMR_FRAME, FORMATS, GSM_FRAME, InMemoryFile, encode, fmt, riff, tone, wav

NOTHING = np.zeros(0)
UNKNOWN = AudioInfo()
ID3 = b"ID3\x04\0\0\0\0\x08\0TIT2" + bytes(1020)


def examined(content: bytes) -> tuple[AudioInfo, int]:
    """What is said of the file, and how often it was looked into; all of it is still to be read."""
    file = InMemoryFile(content)
    found = probe(file)
    assert found.audio.length == len(content)
    read = bytearray()
    while chunk := found.audio.read(60_000):
        read += chunk
    assert bytes(read) == content
    return found.info, file.read_count


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize(("seconds", "channels"), [(1, 1), (1, 2), (12, 1)])
def test_every_format_says_what_it_holds(extension: str, channels: int, seconds: int) -> None:
    *_, rate = FORMATS[extension]
    info, looks = examined(encode(extension, *[tone(seconds, rate)] * channels))
    assert (info.sample_rate, info.channels) == (rate, channels)
    assert info.duration == pytest.approx(seconds, rel=0.02, abs=0.1)
    assert info.codec == {"libmp3lame": "mp3", "libopus": "opus"}.get(FORMATS[extension][1], FORMATS[extension][1])
    assert looks <= 2


def test_formats_of_phones_are_read_too() -> None:
    assert examined(AMR + AMR_FRAME * 50)[0].codec == "amr_nb"
    gsm, _ = examined(GSM_FRAME * 5000)
    assert (gsm.codec, gsm.duration, gsm.channels) == ("gsm", 100.0, 1)


def test_a_wav_needs_no_decoder(samples: Path) -> None:
    code = """if True:
        import sys
        from callscribe.sources import open_source
        from functions.process.audio_probe import probe
        source = open_source(sys.argv[1])
        for each in source.list_files():
            if each.key.lower().endswith(".wav") and "broken" not in each.key:
                with source.open(each.key) as file:
                    print(probe(file).info.codec)
        assert "av" not in sys.modules
    """
    done = subprocess.run([sys.executable, "-c", code, samples], capture_output=True, text=True, check=True)
    assert {"pcm_s16le", "pcm_mulaw", "gsm_ms"} == set(done.stdout.split())


def test_tags_pictures_and_wrong_names_do_not_hide_the_audio() -> None:
    sound = encode("mp3", tone(2, 16_000))
    size = 200_000  # a picture
    tag = b"ID3\x03\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + bytes(size)
    info, looks = examined(tag + sound + b"TAG" + b"\xfc" * 125)
    assert (info.codec, info.channels) == ("mp3", 1)
    assert looks <= 2


@pytest.mark.parametrize("extension", sorted(set(FORMATS) - {"aac"}))
def test_tags_say_who_called_in_every_format_that_has_them(extension: str) -> None:
    *_, rate = FORMATS[extension]
    file = InMemoryFile(
        encode(extension, tone(2, rate), tags={"title": "A call", "comment": "From: +12025550143; To: 101"})
    )
    found = probe(file).tag_metadata
    assert (found.caller, found.callee, found.extension) == ("+12025550143", "101", "101")
    assert set(found.provenance.values()) == {Provenance.TAGS}
    assert file.read_count <= 2  # no more than without them


def test_an_id3_tag_of_a_radio_call_says_when_it_began() -> None:
    frames = {"TIT2": '54241"Fire Dispatch"', "TPE1": "1234567 Engine 1", "TXXX": "caller\0" + "9" * 300}
    date = "Date:2026-08-11 09:00:10.000;System:Fulton;Site:Downtown;Frequency:851012500;"
    tag = id3(COMM=b"\3eng\0" + date.encode(), **{name: b"\3" + text.encode() for name, text in frames.items()})
    examined = probe(InMemoryFile(tag + encode("mp3", tone(2, 16_000))))
    began = datetime(2026, 8, 11, 9, 0, 10) - timedelta(seconds=examined.info.duration or 0)  # noqa: DTZ001 — local
    assert examined.tag_metadata.non_empty() == {
        "phone_system": "sdrtrunk",
        "caller": "1234567",
        "callee": "54241",
        "started_at": began,
        "kind": "radio",
        "party": "Fire Dispatch",
    }


def test_tags_that_are_no_text_do_not_hide_the_audio() -> None:
    examined = probe(InMemoryFile(id3(TIT2=b"\3\xff\xfe", COMM=b"\3eng\0From: 100") + encode("mp3", tone(2, 16_000))))
    assert (examined.info.codec, examined.tag_metadata.caller) == ("mp3", "100")


def id3(**frames: bytes) -> bytes:
    """A tag of version 2.4."""

    def size(of: bytes) -> bytes:
        return bytes(len(of) >> shift & 127 for shift in (21, 14, 7, 0))

    body = b"".join(name.encode() + size(text) + bytes(2) + text for name, text in frames.items())
    return b"ID3\x04\0\0" + size(body) + body


@pytest.mark.parametrize(
    "content",
    [
        b"junk",
        b"\xff\xfb",
        os.urandom(70_000),
        bytes(100_000),
        b"<html>Forbidden</html>",
        b"#EXTM3U\nhttp://127.0.0.1:9/\n",
    ],
)
def test_what_is_not_recognised_is_for_the_service_to_judge(content: bytes, capfd: Any) -> None:
    assert examined(content)[0] == UNKNOWN
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        wav(NOTHING),
        wav(NOTHING, NOTHING, subtype="ULAW"),
        riff(),
        wav(tone(1, 8000))[:44],
        riff((b"bext", bytes(70_000)), (b"fmt ", fmt(1, 1, 8000, 16)), (b"data", b"")),
        *(encode(extension, NOTHING) for extension in FORMATS),
        ID3,
        ID3 + b"TAG" + bytes(125),
        b"TAG" + bytes(125),
        encode("ogg", tone(1, 48_000))[:100],
        AMR,
    ],
    ids=[
        *("0 bytes", "wav", "u-law wav", "wav without chunks", "cut wav", "wav with a long header", *FORMATS),
        *("tag", "two tags", "old tag", "cut in the header", "amr"),
    ],
)
def test_a_recording_without_audio_is_never_sent(content: bytes) -> None:
    with pytest.raises(PermanentError, match="not sent") as raised:
        probe(InMemoryFile(content))
    assert raised.value.code == "no_audio"


@pytest.mark.parametrize("extension", FORMATS)
def test_half_a_file_is_still_sent(extension: str) -> None:
    content = encode(extension, tone(4, FORMATS[extension][2]))
    examined(content[: len(content) // 2])


def test_a_file_that_leads_from_place_to_place_is_not_followed_for_ever() -> None:
    atoms = b"".join((300_000).to_bytes(4) + b"free" + bytes(299_992) for _ in range(40))
    content = (20).to_bytes(4) + b"ftypM4A " + bytes(8) + atoms
    assert examined(content) == (UNKNOWN, MAX_READS)


def test_a_disk_that_fails_is_not_taken_for_a_bad_file() -> None:
    class Failing(InMemoryFile):
        def read_at(self, offset: int, size: int) -> bytes:
            raise RetryableError(f"Reading broke off at {offset} of {size}.", code="audio_unreadable")

    with pytest.raises(RetryableError, match="broke off"):
        probe(Failing(encode("m4a", tone(12, 16_000))))


@settings(max_examples=60)
@given(st.data())
def test_no_damage_brings_it_down(data: st.DataObject) -> None:
    content = bytearray(SOUNDS[data.draw(st.sampled_from(sorted(SOUNDS)))])
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, min(2_000, len(content) - 1)))] = data.draw(st.integers(0, 255))
    with suppress(PermanentError):
        probe(InMemoryFile(bytes(content[: data.draw(st.integers(1, len(content)))])))


SOUNDS = {extension: encode(extension, tone(0.5, rate)) for extension, (_, _, rate) in FORMATS.items()}
SOUNDS["wav"] = wav(tone(0.5, 8000))


@pytest.fixture(scope="module")
def s3(deployed: Stack) -> Iterator[Any]:
    client = aws_client("s3", deployed.endpoint)
    client.create_bucket(Bucket="calls")
    yield client
    client.delete_object(Bucket="calls", Key="a")
    client.delete_bucket(Bucket="calls")


@pytest.fixture
def requests(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The GETs that were sent: the range of each."""
    sent: list[str] = []
    monkeypatch.setattr("callscribe.aws.client", lambda _: s3)
    handler = lambda request, **_: sent.append((request.headers.get("Range") or b"all").decode())  # noqa: E731
    s3.meta.events.register("before-send.s3.GetObject", handler, unique_id="counted")
    yield sent
    s3.meta.events.unregister("before-send.s3.GetObject", unique_id="counted")


@pytest.mark.parametrize(("extension", "most"), [("wav", 1), ("mp3", 1), ("flac", 1), ("ogg", 2), ("m4a", 2)])
def test_s3_is_asked_no_more_often_than_needed(s3: Any, requests: list[str], extension: str, most: int) -> None:
    content = wav(tone(12, 8000)) if extension == "wav" else encode(extension, tone(12, FORMATS[extension][2]))
    s3.put_object(Bucket="calls", Key="a", Body=content)
    with open_source("s3://calls").open("a") as file:
        found = probe(file)
        assert found.audio.read() == content
    assert found.info.duration == pytest.approx(12, rel=0.02)
    assert len(requests) <= most


def test_an_object_that_changed_meanwhile_is_not_mixed_up_with_the_new_one(s3: Any, requests: list[str]) -> None:
    s3.put_object(Bucket="calls", Key="a", Body=bytes(1000))
    with open_source("s3://calls").open("a") as file:
        assert file.read_at(990, 100) == bytes(10)
        assert file.read_at(1000, 100) == b""
        s3.put_object(Bucket="calls", Key="a", Body=bytes(2000))
        with pytest.raises(RetryableError, match="PreconditionFailed"):
            file.read_at(0, 100)


def test_a_folder_is_looked_into_without_losing_the_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with open_source(str(tmp_path)).open(f"{tmp_path}/a".lstrip("/")) as file:
        assert [file.read(2), file.read_at(7, 10), file.read(2), file.read_at(20, 1)] == [b"01", b"789", b"23", b""]
