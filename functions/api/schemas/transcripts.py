"""The transcript document, as it is stored and returned."""

from typing import Any

from pydantic import Field

from callscribe.transcripts import quality
from callscribe.transcripts.transcript import SegmentFlag
from functions.api.schemas.base import ResponseModel

FLAG_MEANINGS = {
    SegmentFlag.BEYOND_RECORDING: "the server's times are after the end of the recording; they are cut off there",
    SegmentFlag.REPETITION: "it repeats itself, within the segment or across several, or its compression ratio exceeds "
    f"{quality.MAX_COMPRESSION_RATIO}",
    SegmentFlag.TOO_FAST: f"more than {quality.MAX_WORDS_PER_SECOND:.0f} words per second",
    SegmentFlag.SUBTITLE_PHRASE: "nothing but a phrase known from subtitles of videos, or a description of sounds",
    SegmentFlag.LOW_CONFIDENCE: f"an average log probability below {quality.MIN_AVG_LOGPROB}",
    SegmentFlag.LIKELY_NO_SPEECH: f"a probability of no speech above {quality.MAX_NO_SPEECH_PROB}",
}

TIME = "Seconds from the start of the recording; null if unknown."


class TranscriptWord(ResponseModel):
    """A word."""

    text: str
    start: float | None = Field(description=TIME)
    end: float | None
    speaker: str | None


class TranscriptSegment(ResponseModel):
    """A stretch of speech. The three measures are the server's own, and absent if it does not report them."""

    text: str
    start: float | None = Field(description=TIME, examples=[1.04])
    end: float | None = Field(examples=[1.94])
    speaker: str | None = Field(
        description="`caller`, `agent` or `callee` if the channels were transcribed separately; otherwise the server's "
        "label, with numbers as `SPEAKER_00`.",
        examples=["agent"],
    )
    channel: str | None = Field(description="`left` or `right` if the channels were transcribed separately.")
    words: list[TranscriptWord]
    avg_logprob: float | None = Field(None, alias="avg_logprob", examples=[-0.27])
    compression_ratio: float | None = Field(None, alias="compression_ratio", examples=[1.42])
    no_speech_prob: float | None = Field(None, alias="no_speech_prob", examples=[0.02])
    flags: list[SegmentFlag] = Field(
        [],
        description="Why the segment may not have been said. Absent in transcripts of earlier versions. "
        + "; ".join(f"`{flag}`: {meaning}" for flag, meaning in FLAG_MEANINGS.items())
        + ".",
    )


class TranscriptOrigin(ResponseModel):
    """What produced a transcript: the server, in an attempt; or a sidecar."""

    recording_id: str
    version: str
    created_at: str = Field(description="UTC.", examples=["2026-11-18T14:30:27.000Z"])
    sidecar: bool = Field(default=False, description="It was read from a sidecar. All further members are absent.")
    attempt: int = Field(0, description="The attempt that completed it.", examples=[1])
    dialect: str = Field("", examples=["asr"])
    settings: dict[str, Any] = Field({}, description="The request options; only the names of additional ones.")
    echo_segments: int = Field(
        0,
        description="From how many segments text was left out because the channel repeated the other party, heard "
        "faintly on it.",
    )
    near_silence: bool = Field(
        default=False,
        description="The recording, or a channel, holds less than a second of sound and the server failed on it, so it "
        "was completed without speech.",
    )


class TranscriptDocument(ResponseModel):
    """A whole transcript."""

    language: str | None = Field(description="ISO 639-1 code if known; otherwise as reported.", examples=["en"])
    duration: float | None = Field(description="Seconds.", examples=[6.4])
    text: str = Field(description="One line per segment.")
    no_speech: bool
    segments: list[TranscriptSegment]
    missing_channels: list[str] = Field([], description="Channels of a stereo recording that could not be transcribed.")
    produced_by: TranscriptOrigin
