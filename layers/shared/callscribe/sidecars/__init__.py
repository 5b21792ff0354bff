"""What lies beside a recording and tells of it: which names belong together, and what such a file says.

Pure: bytes in, values out. Whoever lists and opens files is elsewhere.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from callscribe.call_metadata.metadata import CallMetadata, Provenance
from callscribe.sidecars.json_sidecar import parse_json_sidecar, sidecar_error
from callscribe.sidecars.plain_text import decode_text, parse_plain_text
from callscribe.sources.file_types import AUDIO_EXTENSIONS, GRANDSTREAM_INDEX_PREFIX, HIDDEN_PREFIXES
from callscribe.transcripts.transcript import Transcript

MAX_SIDECAR_BYTES = 10_000_000
"""Bytes of a sidecar. The transcript of a day with the times of each word is smaller."""


class SidecarKind(StrEnum):
    """What is in a sidecar, by its name."""

    TEXT = "text"
    """The transcript, plain."""
    JSON = "json"
    XML = "xml"


GENESYS_SUFFIX = "_metadata.json"
"""The one ending that puts no dot behind the name of the audio: Genesys Cloud writes it."""

SUFFIXES: Mapping[str, Sequence[tuple[str, SidecarKind]]] = {
    "txt": ((".transcription.txt", SidecarKind.TEXT), (".txt", SidecarKind.TEXT)),
    "json": ((GENESYS_SUFFIX, SidecarKind.JSON), (".metadata.json", SidecarKind.JSON), (".json", SidecarKind.JSON)),
    "xml": ((".xml", SidecarKind.XML),),
}
"""By what comes behind the last dot, the longer ones first; in small letters."""

INDEX_KEY = re.compile(
    rf"(?P<folder>(?s:.*/)?){re.escape(GRANDSTREAM_INDEX_PREFIX)}(?P<month>[0-9]{{4}}-[0-9]{{2}})\.csv", re.IGNORECASE
)

MONTH_FOLDER = re.compile(r"(?:^|(?<=/))[0-9]{4}-[0-9]{2}(?=/)")


@dataclass(frozen=True, slots=True)
class SidecarName:
    """A sidecar by its name: `tells_of` is its key without the ending, and so that of the audio, maybe all of it."""

    audio_stem: str
    kind: SidecarKind

    def belongs_to(self, audio_key: str) -> bool:
        """Whether it tells of the audio with that key: `a.json` of `a.wav` and `a.mp3`, `a.wav.json` of `a.wav`."""
        return self.audio_stem in (audio_key, _strip_extension(audio_key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What a file beside a recording says. `transcript` is None where it has none, or a blank one."""

    metadata: CallMetadata
    transcript: Transcript | None = None


def group_key(key: str, extensions: Collection[str] = AUDIO_EXTENSIONS) -> str:
    """What an audio and all of its sidecars have in common: `a` for `a.wav`, `a.wav.json` and `a_metadata.json`.

    Their keys begin with it. So in a listing that is sorted by the bytes of the keys they lie in one stretch, that of
    all keys that begin with the stem, and whoever walks it has to remember only the stems that the present key begins
    with. `extensions` are those of audio, in small letters.
    """
    if key[key.rfind(".") + 1 :].lower() not in extensions and (sidecar_name := parse_sidecar_name(key)):
        key = sidecar_name.audio_stem
        if key[key.rfind(".") + 1 :].lower() not in extensions:
            return key
    return _strip_extension(key)


def parse_sidecar_name(key: str) -> SidecarName | None:
    """What a key says of a sidecar; None if it is none. Of any letter case; that there is an audio is not known."""
    for suffix, kind in SUFFIXES.get(key[key.rfind(".") + 1 :].lower(), ()):
        if key[-len(suffix) :].lower() == suffix:
            name = key[key.rfind("/") + 1 : -len(suffix)]
            if name and not name.startswith(HIDDEN_PREFIXES):
                return SidecarName(key[: -len(suffix)], kind)
    return None


def indexed_prefix(key: str) -> str | None:
    """The beginning of the keys that an index tells of: `rec/2026-04/` for `rec/.rd_files_netdisk_2026-04.csv`."""
    match = INDEX_KEY.fullmatch(key)
    return f"{match['folder']}{match['month']}/" if match else None


def iter_index_candidates(key: str) -> Iterator[tuple[str, str]]:
    """The folders of months that a recording is in, as `index_of` has them, and where the index of each should lie."""
    for month in MONTH_FOLDER.finditer(key):
        parent = key[: month.start()]
        yield f"{parent}{month[0]}/", f"{parent}{GRANDSTREAM_INDEX_PREFIX}{month[0]}.csv"


def _strip_extension(key: str) -> str:
    dot = key.rfind(".", key.rfind("/") + 1)
    return key if dot < 0 else key[:dot]


def parse_sidecar(kind: SidecarKind, body: bytes) -> Sidecar:
    """What a sidecar says; its fields have the origin SIDECAR. Raises SidecarError: it is none of its kind."""
    if len(body) > MAX_SIDECAR_BYTES:
        raise sidecar_error(f"it is larger than {MAX_SIDECAR_BYTES // 1_000_000} MB")
    if kind is SidecarKind.JSON:
        metadata, transcript = parse_json_sidecar(body)
        return Sidecar(metadata=metadata.with_provenance(Provenance.SIDECAR), transcript=transcript)
    if kind is SidecarKind.XML:
        from callscribe.sidecars.xml_sidecar import parse_xml_sidecar

        return Sidecar(metadata=parse_xml_sidecar(body).with_provenance(Provenance.SIDECAR))
    text = decode_text(body)
    if text is None:
        raise sidecar_error("it is no text")
    return Sidecar(metadata=CallMetadata(), transcript=parse_plain_text(text))
