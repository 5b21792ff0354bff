"""What lies beside a recording and tells of it: which names belong together, and what such a file says.

Pure: bytes in, values out. Whoever lists and opens files is elsewhere.
"""

from dataclasses import dataclass
from enum import StrEnum

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


ENDINGS = (
    (".transcription.txt", Kind.TEXT),
    (".txt", Kind.TEXT),
    ("_metadata.json", Kind.JSON),
    (".metadata.json", Kind.JSON),
    (".json", Kind.JSON),
    (".xml", Kind.XML),
)
"""In small letters, the longer ones first."""

HIDDEN = (".", "~")
"""So begin names that are nobody's sidecar."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A sidecar by its key: without the ending, that is its `stem`."""

    stem: str
    kind: Kind

    def belongs_to(self, audio: str) -> bool:
        """Whether it tells of the audio file with that key: `a.json` and `a.wav.json` of `a.wav`."""
        return self.stem in (audio, stem_of(audio))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What a file beside a recording says. `transcript` is None where it has none, or a blank one."""

    metadata: CallMetadata
    transcript: Transcript | None = None


def stem_of(audio: str) -> str:
    """The key of an audio file without its extension.

    In a listing that is sorted by the bytes of the keys, the audio and all of its sidecars lie among the keys that
    begin with the stem, and those are all in one stretch. So whoever walks it has to remember only those stems that
    the present key begins with: never more than it has characters.
    """
    folder, slash, name = audio.rpartition("/")
    return folder + slash + (name.rpartition(".")[0] or name)


def sidecar_of(key: str) -> Beside | None:
    """What a key says of a sidecar; None if it is none. Of any letter case; that there is an audio is not known."""
    name = key.rpartition("/")[2]
    for ending, kind in ENDINGS:
        if name[-len(ending) :].lower() == ending and len(name) > len(ending) and not name.startswith(HIDDEN):
            return Beside(key[: -len(ending)], kind)
    return None


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
