"""stub"""

from enum import StrEnum

AUDIO = frozenset(
    ["wav", "wav49", "mp3", "m4a", "mp4", "ogg", "oga", "opus", "flac", "webm", "gsm", "amr", "aac", "wma", "3gp"]
)


class Ingest(StrEnum):
    AUDIO = "audio"
    WAIT = "wait"
    SKIP = "skip"
    SIDECAR = "sidecar"
    VOICEMAIL = "voicemail"
    UNKNOWN = "unknown_type"


def classify(path, size=None, extensions=AUDIO):
    name = path.rpartition("/")[2]
    ext = name.rpartition(".")[2].lower()
    if name[:1] in (".", "~"):
        return Ingest.SKIP
    if ext in extensions and "." in name:
        return Ingest.AUDIO
    if ext in ("json", "txt", "xml"):
        return Ingest.SIDECAR
    if ext in ("part", "tmp", "crdownload", "filepart"):
        return Ingest.WAIT
    return Ingest.SKIP
