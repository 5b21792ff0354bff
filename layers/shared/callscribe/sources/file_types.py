"""What to do with a file, by its name: which are recordings, which are not, and which are not yet."""

import re
from collections.abc import Set as AbstractSet
from enum import StrEnum

AUDIO_EXTENSIONS = frozenset("wav wav49 mp3 m4a mp4 ogg oga opus flac webm gsm amr aac wma 3gp".split())  # noqa: SIM905 — legible
"""Endings of recordings, in small letters."""

UNSUPPORTED_EXTENSIONS = frozenset(
    "raw pcap pcapng sln slin sln16 slin16 ulaw alaw ul al pcm g722 g723 g726 g729 ilbc spx vox dss au aif aiff "  # noqa: SIM905 — legible
    "caf ds2 awb mka mkv mov avi ts 3gpp 3g2 mp2 mpga ac3 ape wv".split()
)
"""Sound, or what may be: without a header, or of a kind that is not among the recordings'."""

SIDECAR_EXTENSIONS = frozenset(("json", "txt", "xml", "csv"))
"""Endings of what lies beside audio and tells of it."""

PARTIAL_EXTENSIONS = frozenset(
    "part partial tmp temp filepart crdownload download opdownload dlpart aria2 uploading upload incomplete inprogress "  # noqa: SIM905 — legible
    "writing transferring copying lftp-pget-status !ut".split()
)
"""Endings that a transfer puts behind a name until it is done."""

HIDDEN_PREFIXES = (".", "~")
"""Beginnings of names that are not recordings: hidden files, resource forks, an editor's leftovers."""

WAV_EXTENSIONS = frozenset(("wav", "wav49"))
"""Those of them that begin with a header which tells their length."""

WAV_HEADER_BYTES = 44
"""Bytes of a WAV file that holds no audio yet."""

GRANDSTREAM_INDEX_PREFIX = ".rd_files_netdisk_"
"""With this the hidden table begins in which a Grandstream UCM tells of a month's recordings."""

_TEMPORARY_NAME = r"""
    \.(?P<rsync>.+)\.[A-Za-z0-9]{6}             # rsync's temporary name: .out-1-2.wav.Xa3f9k
    | (?P<aws>[^.].*)\.[0-9A-Fa-f]{8}           # that of the AWS command line: out-1-2.wav.6eF64A57
    | \.in\.(?P<proftpd>.+)\.                   # ProFTPD's: .in.out-1-2.wav.
    | \.(?:goutputstream-|pureftpd-upload\.).*
    """
_VOICEMAIL_NAME = r"msg[0-9]{4,}\.[a-z0-9]+"
_MAILBOX_FOLDERS = frozenset("inbox old urgent work family friends deleted tmp".split())  # noqa: SIM905 — legible
_VOICEMAIL_FOLDERS = frozenset(("voicemail", "voicemails"))
_TRASH_PREFIXES = (".snapshot", ".trash", ".stversions")
"""Beginnings of folders whose recordings lie, or lay, elsewhere too."""
_RSYNC_DELAYED_FOLDER = ".~tmp~"
"""Where rsync keeps files until all of them have arrived."""

MIN_CALL_DIGITS = 8
"""Of a name that tells a call's day or id; a prompt for callers has fewer."""


class FileKind(StrEnum):
    """What becomes of a file."""

    AUDIO = "audio"
    """A recording."""
    INCOMPLETE = "wait"
    """Not complete yet, or still without any sound: it is looked at again."""
    IGNORED = "skip"
    """Nothing that a call needs."""
    SIDECAR = "sidecar"
    """It tells of a recording, or of many, and is read with them."""
    VOICEMAIL = "voicemail"
    """A message, not a call."""
    UNKNOWN_TYPE = "unknown_type"
    """It may well be a recording, but not of a kind that can be sent."""


def classify(path: str, size: int | None = None, extensions: AbstractSet[str] = AUDIO_EXTENSIONS) -> FileKind:
    """By the name and, where it is known, the size in bytes. `extensions` are in small letters, without a dot.

    An age is not looked at: that a file has stopped growing is for the source to say.
    """
    # asked of every file of every listing, so an ordinary recording is told by a few searches
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
    ):
        return _classify_by_size(extension, size)
    *folders, name = path.replace("\\", "/").split("/")
    return _classify_slow([folder.lower() for folder in folders], name, size, extensions)


def _classify_slow(folders: list[str], name: str, size: int | None, extensions: AbstractSet[str]) -> FileKind:
    """Hidden files and what lies beside audio first; what is left is sound, of one kind or another, or nothing."""
    stem, _, extension = name.lower().rpartition(".")
    if extension in PARTIAL_EXTENSIONS or _RSYNC_DELAYED_FOLDER in folders or _is_in_transfer(name, extensions):
        return FileKind.INCOMPLETE
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
    return bool(folders and folders[-1] in _MAILBOX_FOLDERS and re.fullmatch(_VOICEMAIL_NAME, name))


def _is_prompt(folders: list[str], stem: str) -> bool:
    """FusionPBX keeps what callers are played beside the archive: `freeswitch/recordings/DOMAIN/recording1.wav`."""
    return folders[-3:-1] == ["freeswitch", "recordings"] and sum(map(str.isdigit, stem)) < MIN_CALL_DIGITS
