"""What lies beside a recording and tells of it: which names belong together, and what such a file says.

Pure: bytes in, values out. Whoever lists and opens files is elsewhere.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from callscribe.ingest import AUDIO, HIDDEN
from callscribe.metadata import CallMetadata, Origin
from callscribe.sidecars.records import read_json, unreadable
from callscribe.sidecars.texts import decoded, prose
from callscribe.transcript import Transcript

LARGEST = 10_000_000
"""Bytes of a sidecar. The transcript of a day with the times of each word is smaller."""


class Kind(StrEnum):
    """What is in a sidecar, by its name."""

    TEXT = "text"
    """The transcript, plain."""
    JSON = "json"
    XML = "xml"


APART = "_metadata.json"
"""The one ending that puts no dot behind the name of the audio: Genesys Cloud writes it."""

ENDINGS: Mapping[str, Sequence[tuple[str, Kind]]] = {
    "txt": ((".transcription.txt", Kind.TEXT), (".txt", Kind.TEXT)),
    "json": ((APART, Kind.JSON), (".metadata.json", Kind.JSON), (".json", Kind.JSON)),
    "xml": ((".xml", Kind.XML),),
}
"""By what comes behind the last dot, the longer ones first; in small letters."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A sidecar by its name: `tells_of` is its key without the ending, and so that of the audio, maybe all of it."""

    tells_of: str
    kind: Kind

    def belongs_to(self, audio: str) -> bool:
        """Whether it tells of the audio with that key: `a.json` of `a.wav` and `a.mp3`, `a.wav.json` of `a.wav`."""
        return self.tells_of in (audio, _without_extension(audio))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What a file beside a recording says. `transcript` is None where it has none, or a blank one."""

    metadata: CallMetadata
    transcript: Transcript | None = None


def stem_of(key: str, extensions: Collection[str] = AUDIO) -> str:
    """What an audio and all of its sidecars have in common: `a` for `a.wav`, `a.wav.json` and `a_metadata.json`.

    Their keys begin with it. So in a listing that is sorted by the bytes of the keys they lie in one stretch, that of
    all keys that begin with the stem, and whoever walks it has to remember only the stems that the present key begins
    with. `extensions` are those of audio, in small letters.
    """
    if key[key.rfind(".") + 1 :].lower() not in extensions and (beside := sidecar_of(key)):
        key = beside.tells_of
        if key[key.rfind(".") + 1 :].lower() not in extensions:
            return key
    return _without_extension(key)


def sidecar_of(key: str) -> Beside | None:
    """What a key says of a sidecar; None if it is none. Of any letter case; that there is an audio is not known."""
    for ending, kind in ENDINGS.get(key[key.rfind(".") + 1 :].lower(), ()):
        if key[-len(ending) :].lower() == ending:
            name = key[key.rfind("/") + 1 : -len(ending)]
            if name and not name.startswith(HIDDEN):
                return Beside(key[: -len(ending)], kind)
    return None


def _without_extension(key: str) -> str:
    dot = key.rfind(".", key.rfind("/") + 1)
    return key if dot < 0 else key[:dot]


def read(kind: Kind, body: bytes) -> Sidecar:
    """What a sidecar says; its fields have the origin SIDECAR. Raises SidecarError: it is none of its kind."""
    if len(body) > LARGEST:
        raise unreadable(f"it is larger than {LARGEST // 1_000_000} MB")
    if kind is Kind.JSON:
        metadata, transcript = read_json(body)
        return Sidecar(metadata=metadata.read_in(Origin.SIDECAR), transcript=transcript)
    if kind is Kind.XML:
        from callscribe.sidecars.archive import read_xml

        return Sidecar(metadata=read_xml(body).read_in(Origin.SIDECAR))
    text = decoded(body)
    if text is None:
        raise unreadable("it is no text")
    return Sidecar(metadata=CallMetadata(), transcript=prose(text))
