"""The two channels of a recording apart: exact, in constant memory, and only where they are worth sending."""

import io
import os
import subprocess
import sys
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from callscribe.errors import PermanentError, RetryableError
from callscribe.recordings.recording import Channel
from functions.process.audio_probe import probe
from functions.process.stereo_split import split_stereo
from testing.made_audio import FORMATS, InMemoryFile, encode, fmt, riff, tone, wav

LEFT, RIGHT = Channel
LOW, HIGH = 300.0, 700.0
"""Hertz of the voices on the left and on the right."""


def voice(samples: Path, rate: int, seconds: float = 8.0) -> np.ndarray[Any, Any]:
    """Somebody who really speaks, on and on."""
    with wave.open(str(next(samples.glob("*.17.wav")))) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        spoken = np.frombuffer(file.readframes(file.getnframes()), np.int16)[:: 16_000 // rate] / 32_768
    return np.resize(spoken, int(seconds * rate))


def read(audio: Any, size: int = 10_000) -> bytes:
    content = bytearray()
    while chunk := audio.read(size):
        assert len(chunk) <= size
        content += chunk
    assert len(content) == audio.length
    return bytes(content)


def heard(content: bytes) -> tuple[int, np.ndarray[Any, Any]]:
    """Sample rate and samples of a mono WAV."""
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), np.int16)


def pitch(content: bytes) -> float:
    """Its loudest frequency in hertz."""
    rate, samples = heard(content)
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples))


def two_voices(rate: int, seconds: float = 3.0) -> tuple[Any, Any]:
    return tone(seconds, rate, LOW), tone(seconds, rate, HIGH)


STEREO = {
    **{extension: encode(extension, *two_voices(rate)) for extension, (_, _, rate) in FORMATS.items()},
    **{
        subtype: wav(*two_voices(8_000), subtype=subtype)
        for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "MS_ADPCM")
    },
    "44.1 kHz": wav(*two_voices(44_100), rate=44_100),
}


@pytest.mark.parametrize("name", STEREO)
def test_each_channel_of_each_format_is_a_file_of_its_own(name: str) -> None:
    with split_stereo(InMemoryFile(STEREO[name])) as stereo:
        assert (stereo.is_dual_mono, stereo.silent_channels) == (False, frozenset())
        assert stereo.duration == pytest.approx(3.0, abs=0.2)
        for channel, hertz in ((LEFT, LOW), (RIGHT, HIGH), (LEFT, LOW)):  # and again
            with stereo.open(channel) as audio:
                content = read(audio)
            rate, samples = heard(content)
            assert rate in (8_000, 16_000)
            assert len(samples) == round(stereo.duration * rate)
            assert pitch(content) == pytest.approx(hertz, abs=5)


def test_16_bit_samples_stay_what_they_are() -> None:
    left, right = two_voices(8_000)
    with split_stereo(InMemoryFile(wav(left, right))) as stereo, stereo.open(RIGHT) as audio:
        _, samples = heard(read(audio))
    assert np.abs(samples / 32_768 - right).max() < 1 / 32_768


def test_what_lies_in_s3_is_copied_to_be_read_again() -> None:
    file = InMemoryFile(STEREO["PCM_16"], is_local=False)
    audio = probe(file).audio
    with split_stereo(audio) as stereo:
        for channel, hertz in ((LEFT, LOW), (RIGHT, HIGH)):
            with stereo.open(channel) as opened:
                assert pitch(read(opened)) == pytest.approx(hertz, abs=5)
    assert file.read_count == 0


def test_a_full_disk_is_said_before_anything_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with (
        pytest.raises(RetryableError, match="EphemeralStorage") as raised,
        split_stereo(InMemoryFile(bytes(1000), is_local=False)),
    ):
        pass
    assert raised.value.code == "audio_unreadable"


@pytest.mark.parametrize("kind", ["wav", "u-law", "mp3", "mp3, joint", "ogg", "m4a"])
def test_one_recording_on_both_sides_is_told_also_when_it_was_compressed(samples: Path, kind: str) -> None:
    extension = kind.partition(",")[0]
    rate = FORMATS[extension][2] if extension in FORMATS else 8_000
    both = [voice(samples, min(rate, 16_000))] * 2
    match kind:
        case "wav":
            content = wav(*both)
        case "u-law":
            content = wav(*both, subtype="ULAW")
        case "ogg":
            content = encode("ogg", *(np.repeat(each, 3) for each in both), b="24000")
        case _:
            content = encode(extension, *both, b="32000", joint_stereo=str(int("joint" in kind)))
    with split_stereo(InMemoryFile(content)) as stereo:
        assert (stereo.is_dual_mono, stereo.silent_channels) == (True, frozenset())


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("other_side", ["crosstalk", "loud crosstalk", "echo", "early echo", "inverted", "silence"])
def test_one_loud_speaker_is_not_taken_for_two_equal_channels(samples: Path, other_side: str, compressed: bool) -> None:
    spoken = voice(samples, 16_000)
    other = {
        "crosstalk": 0.1 * spoken,
        "loud crosstalk": 0.7 * spoken,
        "echo": 0.5 * np.roll(spoken, 4_000),
        "early echo": np.roll(spoken, 30),
        "inverted": -spoken,
        "silence": 0 * spoken,
    }[other_side]
    content = encode("mp3", spoken, other, b="32000") if compressed else wav(spoken, other, rate=16_000)
    with split_stereo(InMemoryFile(content)) as stereo:
        assert not stereo.is_dual_mono
        assert stereo.silent_channels == (frozenset({RIGHT}) if other_side == "silence" else frozenset())


def test_a_short_answer_on_one_side_makes_them_different(samples: Path) -> None:
    mixed = voice(samples, 8_000)
    with_answer = mixed.copy()
    with_answer[40_000:56_000] += tone(2, 8_000, HIGH)
    with split_stereo(InMemoryFile(wav(mixed, with_answer))) as stereo:
        assert not stereo.is_dual_mono


@pytest.mark.parametrize("subtype", ["PCM_16", "ALAW"])
def test_silence_on_both_sides_is_equal(subtype: str) -> None:
    with split_stereo(InMemoryFile(wav(np.zeros(8_000), np.zeros(8_000), subtype=subtype))) as stereo:
        assert (stereo.is_dual_mono, stereo.silent_channels) == (True, frozenset(Channel))


def test_a_quiet_side_is_not_silent() -> None:
    with split_stereo(InMemoryFile(wav(tone(2, 8_000), tone(2, 8_000, HIGH, level=0.003)))) as stereo:
        assert (stereo.is_dual_mono, stereo.silent_channels) == (False, frozenset())


@pytest.mark.parametrize("name", ["mp3", "ogg", "flac", "aac", "webm", "PCM_16", "ULAW"])
def test_damaged_audio_is_decoded_as_far_as_it_goes(name: str) -> None:
    content = bytearray(STEREO[name])
    middle = len(content) // 2
    content[middle : middle + 500] = os.urandom(500)
    for damaged in (bytes(content), bytes(content[: middle + 1000])):
        with split_stereo(InMemoryFile(damaged)) as stereo:
            assert stereo.duration > 0.9
            lengths = []
            for channel in Channel:
                with stereo.open(channel) as audio:
                    lengths.append(len(read(audio)))
            assert len(set(lengths)) == 1


def test_a_file_that_changes_between_two_readings_keeps_the_length_that_was_said(tmp_path: Path) -> None:
    class Changing(InMemoryFile):
        cut = 0

        def read_at(self, offset: int, size: int) -> bytes:
            return super().read_at(offset, size)[: max(0, self.length - self.cut - offset)]

    file = Changing(STEREO["PCM_16"])
    with split_stereo(file) as stereo:
        file.cut = file.length // 2
        with stereo.open(LEFT) as audio:
            _, samples = heard(read(audio))
    assert len(samples) == 24_000
    assert not samples[13_000:].any()


@pytest.mark.parametrize(
    "content", [b"", b"junk", os.urandom(5_000), STEREO["mp3"][:20], wav(np.zeros(0), np.zeros(0))]
)
def test_what_cannot_be_decoded_is_said(content: bytes) -> None:
    with pytest.raises(PermanentError) as raised, split_stereo(InMemoryFile(content)):
        pass
    assert raised.value.code == "not_audio"


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(STEREO["PCM_16"])
    for playlist in (f"ffconcat version 1.0\nfile '{tmp_path}/a.wav'\n", f"#EXTM3U\n#EXTINF:3,\n{tmp_path}/a.wav\n"):
        with pytest.raises(PermanentError), split_stereo(InMemoryFile(playlist.encode())):
            pass


def test_a_disk_that_fails_is_not_taken_for_a_bad_file() -> None:
    class Failing(InMemoryFile):
        def read_at(self, offset: int, size: int) -> bytes:
            raise RetryableError(f"Reading broke off at {offset} of {size}.", code="audio_unreadable")

    with pytest.raises(RetryableError, match="broke off"), split_stereo(Failing(b"RIFF")):
        pass


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("wb") as file:
        file.write(riff((b"fmt ", fmt(1, 2, 16_000, 32)), (b"data", b""), size=0))
        file.truncate(100_000_000)
    code = """if True:
        import resource, sys
        from callscribe.recordings.recording import Channel
        from callscribe.sources import open_source
        from functions.process.stereo_split import split_stereo
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        before = peak()
        with open_source(sys.argv[1]).open(sys.argv[1][1:] + "/a.wav") as audio, split_stereo(audio) as stereo:
            with stereo.open(Channel.RIGHT) as right:
                while right.read(65_536):
                    pass
        print(peak() - before)
    """
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 16
