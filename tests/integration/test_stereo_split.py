"""Splitting stereo recordings: exact samples, constant memory, dual mono and silent channels."""

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
from functions.process.audio.probe import probe
from functions.process.audio.stereo_split import split_stereo
from testing.made_audio import FORMATS, InMemoryFile, encode, fmt, riff, tone, wav

LEFT, RIGHT = Channel
LOW, HIGH = 300.0, 700.0
"""Frequencies on the left and on the right channel, in hertz."""


def voice(samples: Path, rate: int, seconds: float = 8.0) -> np.ndarray[Any, Any]:
    """Recorded speech, repeated to fill `seconds`."""
    with wave.open(str(next(samples.glob("*.17.wav")))) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        speech = np.frombuffer(file.readframes(file.getnframes()), np.int16)[:: 16_000 // rate] / 32_768
    return np.resize(speech, int(seconds * rate))


def read(audio: Any, size: int = 10_000) -> bytes:
    content = bytearray()
    while chunk := audio.read(size):
        assert len(chunk) <= size
        content += chunk
    assert len(content) == audio.length
    return bytes(content)


def decode(content: bytes) -> tuple[int, np.ndarray[Any, Any]]:
    """The sample rate and the samples of a mono WAV file."""
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), np.int16)


def loudest_frequency(content: bytes) -> float:
    """In hertz, of a mono WAV file."""
    rate, samples = decode(content)
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
def test_channels_of_every_format_can_be_opened_separately(name: str) -> None:
    with split_stereo(InMemoryFile(STEREO[name])) as stereo:
        assert (stereo.is_dual_mono, stereo.silent_channels) == (False, frozenset())
        lengths = set()
        for channel, hertz in ((LEFT, LOW), (RIGHT, HIGH), (LEFT, LOW)):  # LEFT again: channels can be reopened
            with stereo.open(channel) as audio:
                content = read(audio)
            rate, samples = decode(content)
            assert rate in (8_000, 16_000)
            assert len(samples) / rate == pytest.approx(3.0, abs=0.2)
            lengths.add(len(samples))
            assert loudest_frequency(content) == pytest.approx(hertz, abs=5)
        assert len(lengths) == 1


def test_16_bit_samples_are_preserved() -> None:
    left, right = two_voices(8_000)
    with split_stereo(InMemoryFile(wav(left, right))) as stereo, stereo.open(RIGHT) as audio:
        _, samples = decode(read(audio))
    assert np.abs(samples / 32_768 - right).max() < 1 / 32_768


def test_audio_in_s3_is_copied_so_that_it_can_be_read_again() -> None:
    file = InMemoryFile(STEREO["PCM_16"], is_local=False)
    audio = probe(file).audio
    with split_stereo(audio) as stereo:
        for channel, hertz in ((LEFT, LOW), (RIGHT, HIGH)):
            with stereo.open(channel) as opened:
                assert loudest_frequency(read(opened)) == pytest.approx(hertz, abs=5)
    assert file.read_count == 0


def test_full_disk_is_reported_before_anything_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with (
        pytest.raises(RetryableError, match="EphemeralStorage") as raised,
        split_stereo(InMemoryFile(bytes(1000), is_local=False)),
    ):
        pass
    assert raised.value.code == "audio_unreadable"


@pytest.mark.parametrize("kind", ["wav", "u-law", "mp3", "mp3, joint", "ogg", "m4a"])
def test_dual_mono_is_detected_in_compressed_audio_too(samples: Path, kind: str) -> None:
    extension = kind.partition(",")[0]
    rate = FORMATS[extension][2] if extension in FORMATS else 8_000
    both = [voice(samples, min(rate, 16_000))] * 2
    match kind:
        case "wav":
            content = wav(*both)
        case "u-law":
            content = wav(*both, subtype="ULAW")
        case "ogg":
            content = encode("ogg", *(np.repeat(samples, 3) for samples in both), b="24000")
        case _:
            content = encode(extension, *both, b="32000", joint_stereo=str(int("joint" in kind)))
    with split_stereo(InMemoryFile(content)) as stereo:
        assert (stereo.is_dual_mono, stereo.silent_channels) == (True, frozenset())


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("other_side", ["crosstalk", "loud crosstalk", "echo", "early echo", "inverted", "silence"])
def test_single_speaker_with_crosstalk_is_not_mistaken_for_dual_mono(
    samples: Path, other_side: str, compressed: bool
) -> None:
    speech = voice(samples, 16_000)
    other = {
        "crosstalk": 0.1 * speech,
        "loud crosstalk": 0.7 * speech,
        "echo": 0.5 * np.roll(speech, 4_000),
        "early echo": np.roll(speech, 30),
        "inverted": -speech,
        "silence": 0 * speech,
    }[other_side]
    content = encode("mp3", speech, other, b="32000") if compressed else wav(speech, other, rate=16_000)
    with split_stereo(InMemoryFile(content)) as stereo:
        assert not stereo.is_dual_mono
        assert stereo.silent_channels == (frozenset({RIGHT}) if other_side == "silence" else frozenset())


def test_short_reply_on_one_channel_makes_them_different(samples: Path) -> None:
    mixed = voice(samples, 8_000)
    with_reply = mixed.copy()
    with_reply[40_000:56_000] += tone(2, 8_000, HIGH)
    with split_stereo(InMemoryFile(wav(mixed, with_reply))) as stereo:
        assert not stereo.is_dual_mono


@pytest.mark.parametrize("subtype", ["PCM_16", "ALAW"])
def test_two_silent_channels_are_dual_mono(subtype: str) -> None:
    with split_stereo(InMemoryFile(wav(np.zeros(8_000), np.zeros(8_000), subtype=subtype))) as stereo:
        assert (stereo.is_dual_mono, stereo.silent_channels) == (True, frozenset(Channel))


def test_quiet_channel_is_not_silent() -> None:
    with split_stereo(InMemoryFile(wav(tone(2, 8_000), tone(2, 8_000, HIGH, level=0.003)))) as stereo:
        assert (stereo.is_dual_mono, stereo.silent_channels) == (False, frozenset())


@pytest.mark.parametrize("name", ["mp3", "ogg", "flac", "aac", "webm", "PCM_16", "ULAW"])
def test_damaged_audio_is_decoded_as_far_as_possible(name: str) -> None:
    content = bytearray(STEREO[name])
    middle = len(content) // 2
    content[middle : middle + 500] = os.urandom(500)
    for damaged in (bytes(content), bytes(content[: middle + 1000])):
        with split_stereo(InMemoryFile(damaged)) as stereo:
            durations = []
            for channel in Channel:
                with stereo.open(channel) as audio:
                    rate, samples = decode(read(audio))
                durations.append(len(samples) / rate)
            assert durations[0] == durations[1] > 0.9


def test_file_truncated_between_two_reads_keeps_its_declared_length(tmp_path: Path) -> None:
    class Changing(InMemoryFile):
        missing = 0

        def read_at(self, offset: int, size: int) -> bytes:
            return super().read_at(offset, size)[: max(0, self.length - self.missing - offset)]

    file = Changing(STEREO["PCM_16"])
    with split_stereo(file) as stereo:
        file.missing = file.length // 2
        with stereo.open(LEFT) as audio:
            _, samples = decode(read(audio))
    assert len(samples) == 24_000
    assert not samples[13_000:].any()


@pytest.mark.parametrize(
    "content", [b"", b"junk", os.urandom(5_000), STEREO["mp3"][:20], wav(np.zeros(0), np.zeros(0))]
)
def test_undecodable_file_is_a_permanent_error(content: bytes) -> None:
    with pytest.raises(PermanentError) as raised, split_stereo(InMemoryFile(content)):
        pass
    assert raised.value.code == "not_audio"


def test_playlist_cannot_open_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(STEREO["PCM_16"])
    for playlist in (f"ffconcat version 1.0\nfile '{tmp_path}/a.wav'\n", f"#EXTM3U\n#EXTINF:3,\n{tmp_path}/a.wav\n"):
        with pytest.raises(PermanentError), split_stereo(InMemoryFile(playlist.encode())):
            pass


def test_read_error_is_not_mistaken_for_a_bad_file() -> None:
    class Failing(InMemoryFile):
        def read_at(self, offset: int, size: int) -> bytes:
            raise RetryableError(f"Reading {size} bytes at {offset} failed.", code="audio_unreadable")

    with pytest.raises(RetryableError, match="failed"), split_stereo(Failing(b"RIFF")):
        pass


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    with (tmp_path / "a.wav").open("wb") as file:
        file.write(riff((b"fmt ", fmt(1, 2, 16_000, 32)), (b"data", b""), size=0))
        file.truncate(100_000_000)
    code = """if True:
        import resource, sys
        from callscribe.recordings.recording import Channel
        from callscribe.sources import open_source
        from functions.process.audio.stereo_split import split_stereo
        def max_rss_mb():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        before = max_rss_mb()
        with open_source(sys.argv[1]).open(sys.argv[1][1:] + "/a.wav") as audio, split_stereo(audio) as stereo:
            with stereo.open(Channel.RIGHT) as right:
                while right.read(65_536):
                    pass
        print(max_rss_mb() - before)
    """
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 16
