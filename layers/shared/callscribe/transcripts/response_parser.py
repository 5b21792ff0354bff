"""The parser for the responses of WhisperX servers: strict about their shape, lenient otherwise."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

from callscribe.errors import RetryableError
from callscribe.transcripts.caption_parser import parse_captions, parse_time, split_speaker
from callscribe.transcripts.languages import LANGUAGE_CODES, MAX_LANGUAGE_LENGTH, NO_LANGUAGES
from callscribe.transcripts.transcript import MAX_DURATION_SECONDS, Segment, Transcript, Word, assign_words

MAX_WORD_GAP = 1.0
"""Seconds. A longer gap ends a segment, when a response has words but no segments."""

SENTENCE_ENDS = (".", "?", "!", "…")

OTHER_SEGMENT_LISTS = ("speakers", "chunks", "transcription")
"""Members that hold the segments in other responses: insanely-fast-whisper with speakers, transformers, whisper.cpp."""

TRUNCATED = (
    "the response was truncated, or something other than WhisperX responds at this URL. Check the server URL and the "
    "dialect."
)
EMPTY = "the response is empty. See the log of the server, and that of a proxy in front of it."
OTHER_JSON = (
    "its JSON has none of the fields that Callscribe reads, such as text or segments. Check the dialect, and the "
    "output format in the additional options."
)

LANGUAGE_MEMBERS = ("language", "detected_language", "language_code")
TEXT_MEMBERS = ("text", "word")
SPEAKER_MEMBERS = ("speaker", "speaker_id", "speaker_label")
TIME_MEMBERS = (("start", "end"), ("start_time", "end_time"), ("from", "to"))
RANGE_MEMBERS = ("timestamp", "timestamps")
"""Both times in one member: a list in transformers, in which the last end may be null; an object in whisper.cpp."""

MEASURE_SPELLINGS = {
    "avglogprob": "avg_logprob",
    "averagelogprob": "avg_logprob",
    "compressionratio": "compression_ratio",
    "nospeechprob": "no_speech_prob",
    "nospeechprobability": "no_speech_prob",
}
"""Whisper's measures by their names in lower case and without underscores."""


def parse_response(body: bytes, content_type: str = "") -> Transcript:
    """Parse the body of a server's response: JSON or captions with any content type, or lines of text with text/plain.

    Raises: RetryableError, when it is none of these, such as a truncated body or a proxy's HTML page.
    """
    text = _decode(body, content_type)
    if not text.startswith("{") and (captions := parse_captions(text)) is not None:
        return parse_transcript({"segments": captions})
    if content_type.lower().startswith("text/plain") and _is_prose(text):
        lines = (split_speaker(line.strip()) for line in text.splitlines())
        segments = (Segment(text=_clean_text(line), speaker=speaker) for speaker, line in lines)
        return Transcript(segments=tuple(segment for segment in segments if segment.text))
    return parse_transcript(_load_json(text))


def parse_json(body: bytes, content_type: str = "") -> Any:
    """The JSON value of a response body in any encoding. Raises: RetryableError, when it is not JSON."""
    return _load_json(_decode(body, content_type))


def parse_transcript(payload: Any) -> Transcript:
    """Parse the JSON value of a response.

    Segments may be a list, or nested one level deeper. Without segments, `text` or `words` are used instead. Words at
    the top level are assigned to the segments if these have none. A string holds captions.

    Raises: RetryableError, when it has another shape.
    """
    if isinstance(payload, str) and (captions := parse_captions(payload)) is not None:
        payload = {"segments": captions}
    if not isinstance(payload, Mapping):
        raise invalid_response_error(OTHER_JSON)
    segments = _find_segments(payload)
    if not isinstance(segments, Sequence) or not all(isinstance(each, Mapping) for each in segments):
        raise invalid_response_error(OTHER_JSON)
    parsed = [segment for segment in map(_parse_segment, segments) if segment.text]
    if not any(segment.words for segment in parsed):
        parsed = assign_words(_top_level_words(payload), parsed)
    languages = (normalise_language(_clean_text(payload.get(name))) for name in LANGUAGE_MEMBERS)
    return Transcript(segments=tuple(parsed), language=next(filter(None, languages), None))


def normalise_language(value: str) -> str | None:
    """The ISO 639-1 code of a code, tag or name if it is known, otherwise the text itself; None if it names none."""
    text = value.strip().removeprefix("<|").removesuffix("|>").strip()
    name = re.sub(r"[\s_]+", "_", text).lower()
    if name in NO_LANGUAGES:
        return None
    return LANGUAGE_CODES.get(name) or LANGUAGE_CODES.get(re.split("[-_]", name)[0]) or text[:MAX_LANGUAGE_LENGTH]


def invalid_response_error(cause: str) -> RetryableError:
    """The error for a successful response that is not a transcript. `cause` says what it is, and what to do."""
    return RetryableError(
        f"The WhisperX server responded with success but without a transcript: {cause}", code="invalid_response"
    )


def _find_segments(payload: Mapping[str, Any]) -> Any:
    """The segments, in whichever member they are; otherwise some made from `text` or `words`."""
    segments = payload.get("segments")
    if isinstance(segments, Mapping):
        segments = segments.get("segments")
    lists = [segments, *(payload.get(name) for name in OTHER_SEGMENT_LISTS)]
    text, words = payload.get("text"), payload.get("words")
    if segments:
        return segments
    for others in lists[1:]:
        if isinstance(others, list) and others and all(isinstance(each, Mapping) and "text" in each for each in others):
            return _split_into_sentences(text or "", others) if _are_words(text, others) else others
    if text is None:
        text = next((each for each in lists if each is not None), None)
    if isinstance(words, Sequence) and words and (isinstance(text, str) or not text):
        return _split_into_sentences(text or "", [word for word in words if isinstance(word, Mapping)])
    if isinstance(text, str):
        captions = parse_captions(text)
        return [{"text": text}] if captions is None else captions
    return text


def _are_words(text: Any, chunks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether each chunk is one word of the text, as transformers returns them on request."""
    return isinstance(text, str) and len(chunks) > 1 and text.split() == [_find_text(chunk) for chunk in chunks]


def _split_into_sentences(text: str, words: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Split words without segments into segments: at pauses, at the ends of sentences, and where the speaker changes.

    The text has the punctuation that words may lack, so it is split together with them. If it does not have as many
    words, everything is one segment.
    """
    tokens = text.split() or [_find_text(word) for word in words]
    if len(tokens) != len(words):
        return [_segment_from_words([text], words)]
    boundaries = [
        index
        for index in range(1, len(words))
        if tokens[index - 1].endswith(SENTENCE_ENDS)
        or _gap_before(words, index) > MAX_WORD_GAP
        or _parse_speaker(words[index - 1]) != _parse_speaker(words[index])
    ]
    return [
        _segment_from_words(tokens[begin:end], words[begin:end])
        for begin, end in pairwise([0, *boundaries, len(words)])
    ]


def _segment_from_words(tokens: Sequence[str], words: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    times = {"start": _find_times(words[0])[0], "end": _find_times(words[-1])[1]} if words else {}
    return {"text": " ".join(tokens), "words": words, **times}


def _gap_before(words: Sequence[Mapping[str, Any]], index: int) -> float:
    """Seconds between a word and the previous one; 0 if times are missing."""
    end, start = _parse_seconds(_find_times(words[index - 1])[1]), _parse_seconds(_find_times(words[index])[0])
    return start - end if start is not None and end is not None else 0.0


def _top_level_words(payload: Mapping[str, Any]) -> tuple[Word, ...]:
    """The words that are listed outside the segments: OpenAI's `words`, or WhisperX's `word_segments`."""
    for container in (payload, payload.get("segments")):
        if isinstance(container, Mapping):
            for name in ("words", "word_segments"):
                if words := _parse_words(container.get(name)):
                    return words
    return ()


def _decode(body: bytes, content_type: str) -> str:
    """Decode with the first encoding that fits: the one detected for JSON, the declared charset, or a Western one."""
    charset_match = re.search(r"charset\s*=\s*\"?([\w.:-]+)", content_type, re.IGNORECASE)
    for encoding in (json.detect_encoding(body), charset_match[1] if charset_match else "", "cp1252"):
        with suppress(ValueError, LookupError):
            return body.decode(encoding)
    return body.decode("latin-1")


def _is_prose(text: str) -> bool:
    """Whether it may be speech, rather than JSON, HTML or XML, or a fragment of these."""
    stripped = text.strip()
    if not stripped or stripped[0] in '{<"' or not all(char.isprintable() or char.isspace() for char in stripped):
        return False
    if stripped[0] == "[":
        return split_speaker(stripped)[0] is not None
    try:
        json.loads(stripped)
    except ValueError:
        return True
    return False


def _load_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise invalid_response_error(TRUNCATED if text.strip() else EMPTY) from error


def _parse_segment(raw: Mapping[str, Any]) -> Segment:
    words = _parse_words(raw.get("words"))
    start, end = _parse_times(raw)
    speakers_of_words = {word.speaker for word in words}
    return Segment(
        text=_find_text(raw) or " ".join(word.text for word in words if word.text),
        start=start,
        end=end,
        speaker=_parse_speaker(raw) or (speakers_of_words.pop() if len(speakers_of_words) == 1 else None),
        words=words,
        **dict(_parse_measures(raw)),
    )


def _parse_words(raw: Any) -> tuple[Word, ...]:
    return tuple(_parse_word(word) for word in raw if isinstance(word, Mapping)) if isinstance(raw, Sequence) else ()


def _parse_word(raw: Mapping[str, Any]) -> Word:
    start, end = _parse_times(raw)
    return Word(text=_find_text(raw), start=start, end=end, speaker=_parse_speaker(raw))


def _find_text(raw: Mapping[str, Any]) -> str:
    return next(filter(None, (_clean_text(raw.get(name)) for name in TEXT_MEMBERS)), "")


def _clean_text(value: Any) -> str:
    """Text without surrounding spaces or lone surrogates, which JSON can contain but which cannot be stored."""
    return value.encode(errors="replace").decode().strip() if isinstance(value, str) else ""


def _parse_speaker(raw: Mapping[str, Any]) -> str | None:
    """The speaker's label. A number becomes WhisperX's own form: 0 is `SPEAKER_00`."""
    values = (raw.get(name) for name in SPEAKER_MEMBERS)
    value = next((value for value in values if value not in (None, "")), None)
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1:
        value = str(int(value))
    label = _clean_text(value)
    if re.fullmatch("[0-9]{1,4}", label):
        return f"SPEAKER_{int(label):02}"
    return None if re.fullmatch(r"\?|-[0-9]+", label) else label or None  # what servers call an unknown speaker


def _parse_measures(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Whisper's measures of a segment, which some servers nest one level deeper."""
    for members in (*(value for value in raw.values() if isinstance(value, Mapping)), raw):
        for name, value in members.items():
            measure = MEASURE_SPELLINGS.get(name.lower().replace("_", ""))
            if measure and isinstance(value, int | float) and math.isfinite(value):
                yield measure, float(value)


def _parse_times(raw: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Start and end. An end before the start is dropped."""
    start, end = map(_parse_seconds, _find_times(raw))
    return start, None if start is not None and end is not None and end < start else end


def _find_times(raw: Mapping[str, Any]) -> tuple[Any, Any]:
    """Start and end as they are, in members of their own or together in one."""
    for start, end in TIME_MEMBERS:
        if raw.get(start) is not None or raw.get(end) is not None:
            return raw.get(start), raw.get(end)
    for name in RANGE_MEMBERS:
        match raw.get(name):
            case [start, end]:
                return start, end
            case Mapping() as times:
                return _find_times({key: value for key, value in times.items() if key not in RANGE_MEMBERS})
    return None, None


def _parse_seconds(value: Any) -> float | None:
    """A time in seconds; None if it is not a valid one. JSON from Python servers may contain NaN."""
    seconds = parse_time(value) if isinstance(value, str) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < MAX_DURATION_SECONDS:
        return None
    return float(seconds)
