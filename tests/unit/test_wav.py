"""WAV headers as recorders write them: before, during and after a call."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.recordings.recording import AudioInfo
from callscribe.sources.wav import is_trailer, read_header, read_tags
from testing.made_audio import fmt, riff, tone, wav

PCM = fmt(1, 1, 8000, 16)
SECOND = bytes(16_000)


def extensible(tag):
    return struct.pack("<HHIH", 22, 16, 3, tag) + bytes(14)


@pytest.mark.parametrize(
    ("format_chunk", "codec"),
    [
        (fmt(1, 2, 8000, 8), "pcm_u8"),
        (fmt(1, 2, 8000, 16), "pcm_s16le"),
        (fmt(1, 2, 8000, 24), "pcm_s24le"),
        (fmt(1, 2, 8000, 32), "pcm_s32le"),
        (fmt(3, 2, 8000, 32), "pcm_f32le"),
        (fmt(3, 2, 8000, 64), "pcm_f64le"),
        (fmt(6, 2, 8000, 8), "pcm_alaw"),
        (fmt(7, 2, 8000, 8, byte_rate=1), "pcm_mulaw"),
        (fmt(0xFFFE, 2, 8000, 16, extra=extensible(1)), "pcm_s16le"),
        (fmt(0xFFFE, 2, 8000, 32, extra=extensible(3)), "pcm_f32le"),
        (fmt(0x31, 1, 8000, 0, byte_rate=1625), "gsm_ms"),
        (fmt(0x02, 1, 8000, 4, byte_rate=4096), "adpcm_ms"),
        (fmt(0x11, 1, 8000, 4, byte_rate=4055), "adpcm_ima_wav"),
        (fmt(0x55, 1, 8000, 0, byte_rate=2000), "mp3"),
        (fmt(0x4242, 1, 8000, 16, byte_rate=2000), None),
    ],
)
def test_codec_has_ffmpegs_name_and_the_duration_is_computed(format_chunk, codec):
    channels, rate, byte_rate = struct.unpack_from("<HII", format_chunk, 2)
    byte_rate = {"pcm_mulaw": 16_000}.get(codec, byte_rate)  # the header of this one has a wrong rate
    file = riff((b"fmt ", format_chunk), (b"data", bytes(byte_rate * 2)))
    header = read_header(file, len(file))
    assert header.info == AudioInfo(codec=codec, duration=2.0, sample_rate=rate, channels=channels)
    assert header.is_finalized


@pytest.mark.parametrize(
    "subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT", "DOUBLE", "ULAW", "ALAW", "GSM610", "MS_ADPCM"]
)
def test_files_written_by_libsndfile_are_parsed(subtype):
    file = wav(tone(1.5, 8000), subtype=subtype)
    header = read_header(file[:4096], len(file))
    assert header.is_finalized
    assert header.info.duration == pytest.approx(1.5, abs=0.1)  # some codecs fill up a block


@pytest.mark.parametrize("file", [b"", b"RIFF", b"junk" * 100, b"RIFF\0\0\0\0AVI " + bytes(50), b"ID3\x04" + bytes(50)])
def test_file_that_is_not_wav_has_no_header(file):
    assert read_header(file, len(file)) is None


@pytest.mark.parametrize(
    "file",
    [
        riff((b"fmt ", PCM), (b"data", b"")),
        riff((b"fmt ", PCM), (b"data", b""), size=0),
        riff((b"fmt ", PCM)),
        riff((b"fmt ", PCM))[:30],
        riff(),
        riff((b"bext", bytes(602)), (b"fmt ", PCM), (b"fact", bytes(4)), (b"data", b"")),
        riff((b"fmt ", PCM), (b"data", b""), (b"LIST", b"INFOISFT" + bytes(14))),
    ],
    ids=["bare", "bare, size 0", "no data chunk", "cut", "empty", "long", "data first, then tags"],
)
def test_header_without_audio_has_no_available_bytes(file):
    assert read_header(file, len(file)).available_size == 0


@pytest.mark.parametrize("declared", [0, 0xFFFFFFFF, 2**31])
def test_unfinalized_data_size_is_taken_from_the_file_size(declared):
    file = riff((b"fmt ", PCM), (b"data", SECOND), size=declared)
    offset = file.index(b"data") + 4
    header = read_header(file[:offset] + struct.pack("<I", declared) + file[offset + 4 :], len(file))
    assert (header.available_size, header.info.duration) == (16_000, 1.0)
    assert not header.is_finalized


def test_file_that_grew_or_shrank_is_not_finalized():
    file = riff((b"fmt ", PCM), (b"data", SECOND))
    for whole in (file, riff((b"fmt ", PCM), (b"data", SECOND), (b"LIST", b"INFO" + bytes(100)))):
        assert read_header(whole, len(whole)).is_finalized
        grown = read_header(whole, len(whole) + 500)
        assert (grown.info.duration, grown.is_finalized) == (1.0, False)
    truncated = read_header(file, len(file) - 8000)
    assert (truncated.data_offset, truncated.data_size) == (44, 16_000)
    assert (truncated.available_size, truncated.info.duration) == (8_000, 0.5)
    assert not truncated.is_finalized


UNCOUNTED = b"LIST" + struct.pack("<I", 12) + b"INFOISFT" + bytes(4)


@pytest.mark.parametrize(
    ("trailer", "expected"),
    [
        *((bytes(2048), True), (UNCOUNTED, True), (b"\0" + UNCOUNTED, True), (UNCOUNTED + bytes(100), True)),
        *((SECOND, True), (b"\x10\x20" * 500, False), (b"\x01" * 4, False)),
        (b"LIST" + struct.pack("<I", 4000) + bytes(30), False),
    ],
)
def test_chunks_and_zeros_after_the_audio_are_no_audio(trailer, expected):
    whole = riff((b"fmt ", PCM), (b"data", bytes(8000)))
    header = read_header(whole + trailer, len(whole + trailer))
    if not header.is_finalized:
        assert header.trailer_offset == len(whole)
    assert is_trailer(trailer, len(trailer)) is expected


@pytest.mark.parametrize("size", [len(SECOND), len(SECOND) + 8, len(SECOND) + 36, len(SECOND) + 44, len(SECOND) + 45])
def test_header_that_counts_itself_is_finalized(size):
    file = riff((b"fmt ", PCM), (b"data", SECOND), size=0)
    file = file[:40] + struct.pack("<I", size) + file[44:]
    header = read_header(file, len(file))
    assert header.is_finalized == (size <= len(SECOND) + 44)
    assert header.available_size == len(SECOND)


def test_sizes_of_rf64_are_taken_from_the_ds64_chunk():
    sizes = struct.pack("<QQQI", 5_000_000_072, 5_000_000_000, 2_500_000_000, 0)
    file = riff((b"ds64", sizes), (b"fmt ", PCM), (b"data", b""), kind=b"RF64", size=0xFFFFFFFF)
    file = file[:-4] + b"\xff" * 4
    header = read_header(file, len(file) + 5_000_000_000)
    assert (header.data_size, header.info.duration) == (5_000_000_000, 312_500.0)
    assert header.is_finalized


def test_size_is_unknown_if_the_audio_begins_after_the_bytes_that_were_read():
    file = riff((b"fmt ", PCM), (b"junk", bytes(100_000)), (b"data", SECOND))
    header = read_header(file[:65_536], len(file))
    assert (header.available_size, header.info.duration, header.info.codec) == (None, None, "pcm_s16le")


@pytest.mark.parametrize("format_chunk", [fmt(1, 0, 8000, 16), fmt(1, 1, 0, 16), fmt(1, 1, 8000, 0), PCM[:8], b""])
def test_invalid_format_values_are_unknown(format_chunk):
    file = riff((b"fmt ", format_chunk), (b"data", SECOND))
    header = read_header(file, len(file))
    assert header.available_size == len(SECOND)
    assert None in (header.info.sample_rate, header.info.channels, header.info.codec)


def test_implausible_duration_is_unknown():
    file = riff((b"fmt ", fmt(0x31, 1, 8000, 0, byte_rate=1)), (b"data", b""), size=0)
    assert read_header(file, 20_000_000).info.duration is None


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_bytes_are_accepted_without_an_error(junk, file_size):
    for file in (junk, b"RIFF" + junk[:4] + b"WAVE" + junk, riff((b"fmt ", junk), (b"data", junk))):
        read_header(file, file_size)


INFO = b"INFO" + b"".join(
    name + struct.pack("<I", len(text)) + text + bytes(len(text) % 2)
    for name, text in ((b"INAM", b"A call\0"), (b"ISFT", b"device"), (b"ICMT", b"From: 100\0"), (b"IART", b"Zo\xeb"))
)


@pytest.mark.parametrize("chunks", [[(b"LIST", INFO), (b"data", SECOND)], [(b"data", SECOND), (b"LIST", INFO)]])
def test_info_tags_are_read_with_ffmpegs_names(chunks):
    file = riff((b"fmt ", PCM), *chunks)
    assert read_tags(file) == {"title": "A call", "comment": "From: 100", "artist": "Zoë"}
    assert read_tags(file[:48]) == {}


@given(st.binary(max_size=100))
def test_damaged_info_tags_are_read_without_an_error(damage):
    read_tags(riff((b"fmt ", PCM), (b"LIST", b"INFO" + damage)))
    read_tags(damage)
