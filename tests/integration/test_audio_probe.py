"""Probing audio files: codec, duration, channels and tags, and detecting files without audio."""

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
from functions.process.audio.probe import MAX_READS, probe
from local.cloud.client import aws_client
from local.cloud.stack import Stack
from testing.made_audio import AMR, AMR_FRAME, FORMATS, GSM_FRAME, InMemoryFile, encode, fmt, riff, tone, wav

NO_SAMPLES = np.zeros(0)
UNKNOWN = AudioInfo()
ID3 = b"ID3\x04\0\0\0\0\x08\0TIT2" + bytes(1020)


def probe_content(content: bytes) -> tuple[AudioInfo, int]:
    """The audio info, and the number of random reads. Asserts that the audio can still be read from the start."""
    file = InMemoryFile(content)
    result = probe(file)
    assert result.audio.length == len(content)
    replayed = bytearray()
    while chunk := result.audio.read(60_000):
        replayed += chunk
    assert bytes(replayed) == content
    return result.info, file.read_count


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize(("seconds", "channels"), [(1, 1), (1, 2), (12, 1)])
def test_audio_info_is_read_from_every_format(extension: str, channels: int, seconds: int) -> None:
    *_, rate = FORMATS[extension]
    info, read_count = probe_content(encode(extension, *[tone(seconds, rate)] * channels))
    assert (info.sample_rate, info.channels) == (rate, channels)
    assert info.duration == pytest.approx(seconds, rel=0.02, abs=0.1)
    assert info.codec == {"libmp3lame": "mp3", "libopus": "opus"}.get(FORMATS[extension][1], FORMATS[extension][1])
    assert read_count <= 2


def test_audio_info_is_read_from_phone_formats() -> None:
    assert probe_content(AMR + AMR_FRAME * 50)[0].codec == "amr_nb"
    gsm, _ = probe_content(GSM_FRAME * 5000)
    assert (gsm.codec, gsm.duration, gsm.channels) == ("gsm", 100.0, 1)


def test_wav_files_are_probed_without_loading_the_decoder(samples: Path) -> None:
    code = """if True:
        import sys
        from callscribe.sources import open_source
        from functions.process.audio.probe import probe
        source = open_source(sys.argv[1])
        for sample in source.list_files():
            if sample.key.lower().endswith(".wav") and "broken" not in sample.key:
                with source.open(sample.key) as file:
                    print(probe(file).info.codec)
        assert "av" not in sys.modules
    """
    done = subprocess.run([sys.executable, "-c", code, samples], capture_output=True, text=True, check=True)
    assert {"pcm_s16le", "pcm_mulaw", "gsm_ms"} == set(done.stdout.split())


def test_tags_and_pictures_do_not_hide_the_audio() -> None:
    audio = encode("mp3", tone(2, 16_000))
    size = 200_000  # a picture
    tag = b"ID3\x03\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + bytes(size)
    info, read_count = probe_content(tag + audio + b"TAG" + b"\xfc" * 125)
    assert (info.codec, info.channels) == ("mp3", 1)
    assert read_count <= 2


@pytest.mark.parametrize("extension", sorted(set(FORMATS) - {"aac"}))
def test_call_metadata_is_read_from_the_tags_of_every_format_that_has_them(extension: str) -> None:
    *_, rate = FORMATS[extension]
    file = InMemoryFile(
        encode(extension, tone(2, rate), tags={"title": "A call", "comment": "From: +12025550143; To: 101"})
    )
    metadata = probe(file).tag_metadata
    assert (metadata.caller, metadata.callee, metadata.extension) == ("+12025550143", "101", "101")
    assert set(metadata.provenance.values()) == {Provenance.TAGS}
    assert file.read_count <= 2  # no more than without tags


def test_id3_tag_of_a_radio_call_gives_its_start() -> None:
    frames = {"TIT2": '54241"Fire Dispatch"', "TPE1": "1234567 Engine 1", "TXXX": "caller\0" + "9" * 300}
    date = "Date:2026-08-11 09:00:10.000;System:Fulton;Site:Downtown;Frequency:851012500;"
    tag = id3(COMM=b"\3eng\0" + date.encode(), **{name: b"\3" + text.encode() for name, text in frames.items()})
    result = probe(InMemoryFile(tag + encode("mp3", tone(2, 16_000))))
    started_at = datetime(2026, 8, 11, 9, 0, 10) - timedelta(seconds=result.info.duration or 0)  # noqa: DTZ001 — local time
    assert result.tag_metadata.non_empty() == {
        "phone_system": "sdrtrunk",
        "caller": "1234567",
        "callee": "54241",
        "started_at": started_at,
        "kind": "radio",
        "party": "Fire Dispatch",
    }


def test_undecodable_tags_do_not_hide_the_audio() -> None:
    result = probe(InMemoryFile(id3(TIT2=b"\3\xff\xfe", COMM=b"\3eng\0From: 100") + encode("mp3", tone(2, 16_000))))
    assert (result.info.codec, result.tag_metadata.caller) == ("mp3", "100")


def id3(**frames: bytes) -> bytes:
    """An ID3 tag of version 2.4."""

    def size(content: bytes) -> bytes:
        return bytes(len(content) >> shift & 127 for shift in (21, 14, 7, 0))

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
def test_unrecognised_content_is_left_to_the_server(content: bytes, capfd: Any) -> None:
    assert probe_content(content)[0] == UNKNOWN
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        wav(NO_SAMPLES),
        wav(NO_SAMPLES, NO_SAMPLES, subtype="ULAW"),
        riff(),
        wav(tone(1, 8000))[:44],
        riff((b"bext", bytes(70_000)), (b"fmt ", fmt(1, 1, 8000, 16)), (b"data", b"")),
        *(encode(extension, NO_SAMPLES) for extension in FORMATS),
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
def test_file_without_audio_is_rejected(content: bytes) -> None:
    with pytest.raises(PermanentError, match="not sent") as raised:
        probe(InMemoryFile(content))
    assert raised.value.code == "no_audio"


@pytest.mark.parametrize("extension", FORMATS)
def test_truncated_file_is_accepted(extension: str) -> None:
    content = encode(extension, tone(4, FORMATS[extension][2]))
    probe_content(content[: len(content) // 2])


def test_number_of_reads_is_bounded() -> None:
    atoms = b"".join((300_000).to_bytes(4) + b"free" + bytes(299_992) for _ in range(40))
    content = (20).to_bytes(4) + b"ftypM4A " + bytes(8) + atoms
    assert probe_content(content) == (UNKNOWN, MAX_READS)


def test_read_error_is_not_mistaken_for_a_bad_file() -> None:
    class Failing(InMemoryFile):
        def read_at(self, offset: int, size: int) -> bytes:
            raise RetryableError(f"Reading {size} bytes at {offset} failed.", code="audio_unreadable")

    with pytest.raises(RetryableError, match="failed"):
        probe(Failing(encode("m4a", tone(12, 16_000))))


@settings(max_examples=60)
@given(st.data())
def test_damaged_files_raise_no_unexpected_error(data: st.DataObject) -> None:
    content = bytearray(SAMPLES_BY_EXTENSION[data.draw(st.sampled_from(sorted(SAMPLES_BY_EXTENSION)))])
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, min(2_000, len(content) - 1)))] = data.draw(st.integers(0, 255))
    with suppress(PermanentError):
        probe(InMemoryFile(bytes(content[: data.draw(st.integers(1, len(content)))])))


SAMPLES_BY_EXTENSION = {extension: encode(extension, tone(0.5, rate)) for extension, (_, _, rate) in FORMATS.items()}
SAMPLES_BY_EXTENSION["wav"] = wav(tone(0.5, 8000))


@pytest.fixture(scope="module")
def s3(deployed: Stack) -> Iterator[Any]:
    client = aws_client("s3", deployed.endpoint)
    client.create_bucket(Bucket="calls")
    yield client
    client.delete_object(Bucket="calls", Key="a")
    client.delete_bucket(Bucket="calls")


@pytest.fixture
def requests(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The range of every GET request sent to S3."""
    sent: list[str] = []
    monkeypatch.setattr("callscribe.aws.client", lambda _: s3)
    handler = lambda request, **_: sent.append((request.headers.get("Range") or b"all").decode())  # noqa: E731
    s3.meta.events.register("before-send.s3.GetObject", handler, unique_id="counted")
    yield sent
    s3.meta.events.unregister("before-send.s3.GetObject", unique_id="counted")


@pytest.mark.parametrize(("extension", "max_requests"), [("wav", 1), ("mp3", 1), ("flac", 1), ("ogg", 2), ("m4a", 2)])
def test_probing_in_s3_sends_as_few_requests_as_possible(
    s3: Any, requests: list[str], extension: str, max_requests: int
) -> None:
    content = wav(tone(12, 8000)) if extension == "wav" else encode(extension, tone(12, FORMATS[extension][2]))
    s3.put_object(Bucket="calls", Key="a", Body=content)
    with open_source("s3://calls").open("a") as file:
        result = probe(file)
        assert result.audio.read() == content
    assert result.info.duration == pytest.approx(12, rel=0.02)
    assert len(requests) <= max_requests


def test_object_replaced_during_reading_is_an_error(s3: Any, requests: list[str]) -> None:
    s3.put_object(Bucket="calls", Key="a", Body=bytes(1000))
    with open_source("s3://calls").open("a") as file:
        assert file.read_at(990, 100) == bytes(10)
        assert file.read_at(1000, 100) == b""
        s3.put_object(Bucket="calls", Key="a", Body=bytes(2000))
        with pytest.raises(RetryableError, match="PreconditionFailed"):
            file.read_at(0, 100)


def test_random_reads_in_a_folder_do_not_move_the_read_position(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    with open_source(str(tmp_path)).open(f"{tmp_path}/a".lstrip("/")) as file:
        assert [file.read(2), file.read_at(7, 10), file.read(2), file.read_at(20, 1)] == [b"01", b"789", b"23", b""]
