"""Classify files by name and size: recordings, sidecars, incomplete files, and files to ignore."""

import re
from collections.abc import Set as AbstractSet
from enum import StrEnum

AUDIO_EXTENSIONS = frozenset("wav wav49 mp3 m4a mp4 ogg oga opus flac webm gsm amr aac wma 3gp".split())  # noqa: SIM905 — legible
"""Extensions of recordings, in lower case."""

NO_EXTENSION = "none"
"""Among the extensions of a setting: files without an extension, such as `1684333530.12`, are recordings, too."""

UNSUPPORTED_EXTENSIONS = frozenset(
    "raw pcap pcapng sln slin sln16 slin16 ulaw alaw ul al pcm g722 g723 g726 g729 ilbc spx vox dss au aif aiff "  # noqa: SIM905 — legible
    "caf ds2 awb mka mkv mov avi ts 3gpp 3g2 mp2 mpga ac3 ape wv".split()
)
"""Extensions of files that are or may be audio: without a header, or in a format that is not supported."""

SIDECAR_EXTENSIONS = frozenset(("json", "txt", "xml", "csv"))
"""Extensions of sidecars and indexes."""

INCOMPLETE_EXTENSIONS = frozenset(
    "part partial tmp temp filepart crdownload download opdownload dlpart aria2 uploading upload incomplete inprogress "  # noqa: SIM905 — legible
    "writing transferring copying lftp-pget-status !ut".split()
)
"""Extensions that a transfer appends to a name until it is complete."""

HIDDEN_PREFIXES = (".", "~")
"""Prefixes of names that are not recordings: hidden files, resource forks, backups of an editor."""

WAV_EXTENSIONS = frozenset(("wav", "wav49"))
"""Extensions of recordings that begin with a header which contains their length."""

WAV_HEADER_BYTES = 44
"""The size of a WAV file without audio."""

GRANDSTREAM_INDEX_PREFIX = ".rd_files_netdisk_"
"""The prefix of the hidden index that a Grandstream UCM writes for each month of recordings."""

_TEMPORARY_NAME = r"""
    \.(?P<rsync>.+)\.[A-Za-z0-9]{6}             # rsync: .out-1-2.wav.Xa3f9k
    | (?P<aws>[^.].*)\.[0-9A-Fa-f]{8}           # AWS CLI: out-1-2.wav.6eF64A57
    | \.in\.(?P<proftpd>.+)\.                   # ProFTPD: .in.out-1-2.wav.
    | \.(?:goutputstream-|pureftpd-upload\.).*
    """
_VOICEMAIL_NAME = r"msg[0-9]{4,}\.[a-z0-9]+"
_MAILBOX_FOLDERS = frozenset("inbox old urgent work family friends deleted tmp".split())  # noqa: SIM905 — legible
_VOICEMAIL_FOLDERS = frozenset(("voicemail", "voicemails"))
_GREETINGS = frozenset(("unavail", "recorded_name"))
_MAILBOX_GREETINGS = _GREETINGS | {"busy", "greet", "temp", *(f"greeting_{number}" for number in range(1, 10))}
"""What the owner of a mailbox has recorded for callers, in Asterisk and FreeSWITCH. Words that others may use for a
recording are a greeting only in a folder that is a mailbox, such as `default/1001`."""
_TRASH_PREFIXES = (".snapshot", ".trash", ".stversions")
"""Prefixes of folders with copies, or deleted or old versions, of recordings."""
_RSYNC_DELAYED_FOLDER = ".~tmp~"
"""Where rsync --delay-updates keeps files until all of them are transferred."""

MIN_CALL_DIGITS = 8
"""Digits in the name of a recording, which contains a date or a call id. The name of a voice prompt has fewer."""


class FileKind(StrEnum):
    """How sync handles a file."""

    AUDIO = "audio"
    """A recording."""
    INCOMPLETE = "incomplete"
    """In transfer, or still without audio; the next run checks it again."""
    IGNORED = "ignored"
    """Unrelated to a call."""
    SIDECAR = "sidecar"
    """Describes one or many recordings, and is read with them."""
    VOICEMAIL = "voicemail"
    """A message or a greeting, not a call."""
    UNKNOWN_TYPE = "unknown_type"
    """Probably a recording, but its format cannot be transcribed."""


def classify(path: str, size: int | None = None, extensions: AbstractSet[str] = AUDIO_EXTENSIONS) -> FileKind:
    """Classify a file by its name and, if known, its size in bytes.

    `extensions`: in lower case, without a dot; NO_EXTENSION includes files without one whose name has digits as a call.

    Does not consider the file's age: `incomplete_reason` in functions/sync/ingestion.py does.
    """
    # runs for every file of every listing, so an ordinary recording is recognised by a few string searches
    lower_path = path.lower()
    dot = lower_path.rfind(".")
    extension = lower_path[dot + 1 :]
    name_start = lower_path.rfind("/") + 1
    if (
        extension in extensions
        and dot > name_start
        and lower_path[name_start] not in HIDDEN_PREFIXES
        and lower_path[0] != "."
        and "/." not in lower_path
        and "voicemail" not in lower_path
        and "freeswitch/" not in lower_path
        and "\\" not in lower_path
        and not lower_path.startswith("msg", name_start)
        and lower_path[name_start:dot] not in _MAILBOX_GREETINGS
    ):
        return _classify_by_size(extension, size)
    *folders, name = path.replace("\\", "/").split("/")
    return _classify_slow([folder.lower() for folder in folders], name, size, extensions)


def has_no_extension(name: str) -> bool:
    """Whether a file name has no extension.

    Digits after a dot are part of an id, at the end or not: `1684333530.12`, `20230517142530-1684333530.12-1001-in`.
    """
    _, dot, extension = name.rpartition(".")
    return not dot or extension.replace("_", "-").partition("-")[0].isdecimal()


def _classify_slow(folders: list[str], name: str, size: int | None, extensions: AbstractSet[str]) -> FileKind:
    """Classify hidden files and sidecars first; the rest is audio, supported or not, or is ignored."""
    stem, _, extension = name.lower().rpartition(".")
    if extension in INCOMPLETE_EXTENSIONS or _RSYNC_DELAYED_FOLDER in folders or _is_in_transfer(name, extensions):
        return FileKind.INCOMPLETE
    if NO_EXTENSION in extensions and has_no_extension(name) and sum(map(str.isdigit, name)) >= MIN_CALL_DIGITS:
        name = f"{name}.{NO_EXTENSION}"
        stem, _, extension = name.lower().rpartition(".")
    if name.startswith(GRANDSTREAM_INDEX_PREFIX) and extension == "csv":
        return FileKind.SIDECAR
    if not stem or name.startswith(HIDDEN_PREFIXES) or any(folder.startswith(_TRASH_PREFIXES) for folder in folders):
        return FileKind.IGNORED
    if extension in SIDECAR_EXTENSIONS:
        return FileKind.SIDECAR
    if extension in extensions or extension in UNSUPPORTED_EXTENSIONS or extension in AUDIO_EXTENSIONS:
        return _classify_audio(folders, name, size, extensions)
    return FileKind.IGNORED


def _classify_audio(folders: list[str], name: str, size: int | None, extensions: AbstractSet[str]) -> FileKind:
    stem, _, extension = name.lower().rpartition(".")
    if _is_voicemail(folders, name.lower()):
        return FileKind.VOICEMAIL
    if extension not in extensions:
        return FileKind.UNKNOWN_TYPE
    return FileKind.IGNORED if _is_prompt(folders, stem) else _classify_by_size(extension, size)


def _classify_by_size(extension: str, size: int | None) -> FileKind:
    if size is not None and (size == 0 or (size <= WAV_HEADER_BYTES and extension in WAV_EXTENSIONS)):
        return FileKind.INCOMPLETE
    return FileKind.AUDIO


def _is_in_transfer(name: str, extensions: AbstractSet[str]) -> bool:
    match = re.fullmatch(_TEMPORARY_NAME, name, re.VERBOSE | re.DOTALL)
    if match is None:
        return False
    final_name = next((each for each in match.groups() if each is not None), None)
    return final_name is None or final_name.lower().rpartition(".")[2] in extensions


def _is_voicemail(folders: list[str], name: str) -> bool:
    if not _VOICEMAIL_FOLDERS.isdisjoint(folders):
        return True
    greetings = _MAILBOX_GREETINGS if folders and folders[-1].isdecimal() else _GREETINGS
    if name.rpartition(".")[0] in greetings:
        return True
    return bool(folders and folders[-1] in _MAILBOX_FOLDERS and re.fullmatch(_VOICEMAIL_NAME, name))


def _is_prompt(folders: list[str], stem: str) -> bool:
    """Whether this is a voice prompt, such as `freeswitch/recordings/DOMAIN/recording1.wav`.

    FusionPBX keeps them next to the archive of recordings.
    """
    return folders[-3:-1] == ["freeswitch", "recordings"] and sum(map(str.isdigit, stem)) < MIN_CALL_DIGITS
