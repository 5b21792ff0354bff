"""Sidecars: files next to a recording that contain its metadata or its transcript.

This package matches sidecars to recordings by name, and parses their contents. It is pure: it takes names and bytes;
others list and open the files.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from callscribe.call_metadata.metadata import CallMetadata, Provenance
from callscribe.sidecars.json_sidecar import parse_json_sidecar, parse_transcript_text, read_record, sidecar_error
from callscribe.sidecars.plain_text import decode_text
from callscribe.sources.file_types import AUDIO_EXTENSIONS, GRANDSTREAM_INDEX_PREFIX, HIDDEN_PREFIXES, has_no_extension
from callscribe.transcripts.transcript import Transcript

MAX_SIDECAR_BYTES = 10_000_000
"""The transcript of a whole day with the times of each word is smaller."""


class SidecarKind(StrEnum):
    """The format of a sidecar, by its name."""

    TEXT = "text"
    """The transcript as plain text."""
    JSON = "json"
    XML = "xml"
    CSV = "csv"
    """A header row and one row."""


GENESYS_SUFFIX = "_metadata.json"
"""Written by Genesys Cloud; the only suffix that does not begin with a dot."""

SUFFIXES: Mapping[str, Sequence[tuple[str, SidecarKind]]] = {
    "txt": (
        (".transcription.txt", SidecarKind.TEXT),
        (".transcript.txt", SidecarKind.TEXT),
        (".txt", SidecarKind.TEXT),
    ),
    "json": ((GENESYS_SUFFIX, SidecarKind.JSON), (".metadata.json", SidecarKind.JSON), (".json", SidecarKind.JSON)),
    "xml": ((".cdr.xml", SidecarKind.XML), (".xml", SidecarKind.XML)),
    "csv": ((".csv", SidecarKind.CSV),),
}
"""Suffixes of sidecars by extension, the longest first; in lower case."""

INDEX_KEY = re.compile(
    rf"(?P<folder>(?s:.*/)?){re.escape(GRANDSTREAM_INDEX_PREFIX)}(?P<month>[0-9]{{4}}-[0-9]{{2}})\.csv", re.IGNORECASE
)

UUID = re.compile("[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)

MONTH_FOLDER = re.compile(r"(?:^|(?<=/))[0-9]{4}-[0-9]{2}(?=/)")


@dataclass(frozen=True, slots=True)
class SidecarName:
    """The parsed key of a sidecar. `audio_stem`: the key of its audio, with or without the extension of the audio."""

    audio_stem: str
    kind: SidecarKind

    def belongs_to(self, audio_key: str) -> bool:
        """Whether it describes this audio: `a.json` belongs to `a.wav` and `a.mp3`, `a.wav.json` only to `a.wav`."""
        return self.audio_stem in (audio_key, _strip_extension(audio_key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """The contents of a sidecar. `transcript` is None if there is none.

    `has_placeholder`: it has a placeholder, or nothing, where it would have the transcript.
    """

    metadata: CallMetadata
    transcript: Transcript | None = None
    has_placeholder: bool = False


def group_key(key: str, extensions: Collection[str] = AUDIO_EXTENSIONS) -> str:
    """The common key of a recording and all of its sidecars: `a` for `a.wav`, `a.wav.json` and `a_metadata.json`.

    The keys of all members begin with it, so in a listing sorted by the bytes of the keys they are in one contiguous
    range, that of all keys with this prefix. Code that iterates over the listing needs to remember only the groups that
    are a prefix of the current key. `extensions` are those of audio, in lower case.
    """
    if key[key.rfind(".") + 1 :].lower() not in extensions and (sidecar_name := parse_sidecar_name(key)):
        key = sidecar_name.audio_stem
        if key[key.rfind(".") + 1 :].lower() not in extensions:
            return key
    return _strip_extension(key)


def parse_sidecar_name(key: str) -> SidecarName | None:
    """Parse a key, in any letter case; None if it is not that of a sidecar. The audio may not exist."""
    for suffix, kind in SUFFIXES.get(key[key.rfind(".") + 1 :].lower(), ()):
        if key[-len(suffix) :].lower() == suffix:
            name = key[key.rfind("/") + 1 : -len(suffix)]
            if name and not name.startswith(HIDDEN_PREFIXES):
                return SidecarName(key[: -len(suffix)], kind)
    return None


def indexed_prefix(key: str) -> str | None:
    """The prefix of the keys that an index describes: `rec/2026-04/` for `rec/.rd_files_netdisk_2026-04.csv`.

    None if this is not the key of an index.
    """
    match = INDEX_KEY.fullmatch(key)
    return f"{match['folder']}{match['month']}/" if match else None


def leg_record_key(key: str) -> str | None:
    """The key of FreeSWITCH's record of leg A of a recording: `a_UUID.cdr.xml` for `UUID.wav`; None for other names.

    It is listed far from its recording, so it is not among the sidecars of a group.
    """
    stem = _strip_extension(key)
    name_start = stem.rfind("/") + 1
    return f"{stem[:name_start]}a_{stem[name_start:]}.cdr.xml" if UUID.fullmatch(stem[name_start:]) else None


def iter_index_candidates(key: str) -> Iterator[tuple[str, str]]:
    """For each folder of a month in a recording's key: its prefix, and the key of the index that would describe it."""
    for month in MONTH_FOLDER.finditer(key):
        parent = key[: month.start()]
        yield f"{parent}{month[0]}/", f"{parent}{GRANDSTREAM_INDEX_PREFIX}{month[0]}.csv"


def _strip_extension(key: str) -> str:
    name_start = key.rfind("/") + 1
    return key if has_no_extension(key[name_start:]) else key[: key.rfind(".")]


def parse_sidecar(kind: SidecarKind, body: bytes, known_start: datetime | date | None = None) -> Sidecar:
    """Parse the contents of a sidecar. The fields have the provenance SIDECAR.

    `known_start`: the start of the call from elsewhere, which may settle the order of day and month.

    Raises: SidecarError, if the contents are not of this kind or are too large.
    """
    if len(body) > MAX_SIDECAR_BYTES:
        raise sidecar_error(f"it is larger than {MAX_SIDECAR_BYTES // 1_000_000} MB")
    if kind in (SidecarKind.JSON, SidecarKind.CSV):
        if kind is SidecarKind.CSV:
            from callscribe.sidecars.csv_sidecar import parse_csv_record

            metadata, transcript, has_placeholder = read_record(parse_csv_record(body), known_start)
        else:
            metadata, transcript, has_placeholder = parse_json_sidecar(body, known_start)
        return Sidecar(
            metadata=metadata.with_provenance(Provenance.SIDECAR),
            transcript=transcript,
            has_placeholder=has_placeholder,
        )
    if kind is SidecarKind.XML:
        from callscribe.sidecars.xml_sidecar import parse_xml_sidecar

        return Sidecar(metadata=parse_xml_sidecar(body, known_start).with_provenance(Provenance.SIDECAR))
    text = decode_text(body)
    if text is None:
        raise sidecar_error("it is not text")
    transcript = parse_transcript_text(text)
    return Sidecar(metadata=CallMetadata(), transcript=transcript, has_placeholder=transcript is None)
