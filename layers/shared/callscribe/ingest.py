"""What to do with a file, by its name: which are recordings, which are not, and which are not yet."""

import re
from collections.abc import Set as AbstractSet
from enum import StrEnum

AUDIO = frozenset("wav wav49 mp3 m4a mp4 ogg oga opus flac webm gsm amr aac wma 3gp".split())  # noqa: SIM905 — legible
"""Endings of recordings, in small letters."""

UNKNOWN = frozenset(
    "raw pcap pcapng sln slin sln16 slin16 ulaw alaw ul al pcm g722 g723 g726 g729 ilbc spx vox dss au aif aiff "  # noqa: SIM905 — legible
    "caf ds2 awb mka mkv mov avi ts 3gpp 3g2 mp2 mpga ac3 ape wv".split()
)
"""Sound, or what may be: without a header, or of a kind that is not among the recordings'."""

SIDECARS = frozenset(("json", "txt", "xml", "csv"))
"""Endings of what lies beside audio and tells of it."""

PARTIAL = frozenset(
    "part partial tmp temp filepart crdownload download opdownload dlpart aria2 uploading upload incomplete inprogress "  # noqa: SIM905 — legible
    "writing transferring copying lftp-pget-status !ut".split()
)
"""Endings that a transfer puts behind a name until it is done."""

HIDDEN = (".", "~")
"""Beginnings of names that are not recordings: hidden files, resource forks, an editor's leftovers."""

WAV = frozenset(("wav", "wav49"))
"""Those of them that begin with a header which tells their length."""

BARE_HEADER = 44
"""Bytes of a WAV file that holds no audio yet."""

GRANDSTREAM_INDEX = ".rd_files_netdisk_"
"""With this the hidden table begins in which a Grandstream UCM tells of a month's recordings."""

_TRANSFER = r"""
    \.(?P<rsync>.+)\.[A-Za-z0-9]{6}             # rsync's temporary name: .out-1-2.wav.Xa3f9k
    | (?P<aws>[^.].*)\.[0-9A-Fa-f]{8}           # that of the AWS command line: out-1-2.wav.6eF64A57
    | \.in\.(?P<proftpd>.+)\.                   # ProFTPD's: .in.out-1-2.wav.
    | \.(?:goutputstream-|pureftpd-upload\.).*
    """
_MESSAGE = r"msg[0-9]{4,}\.[a-z0-9]+"
_MAILBOX = frozenset("inbox old urgent work family friends deleted tmp".split())  # noqa: SIM905 — legible
_VOICEMAIL = frozenset(("voicemail", "voicemails"))
_TRASH = (".snapshot", ".trash", ".stversions")
"""Beginnings of folders whose recordings lie, or lay, elsewhere too."""
_DELAYED = ".~tmp~"
"""Where rsync keeps files until all of them have arrived."""

FEWEST_DIGITS = 8
"""Of a name that tells a call's day or id; a prompt for callers has fewer."""


class Ingest(StrEnum):
    """What becomes of a file."""

    AUDIO = "audio"
    """A recording."""
    WAIT = "wait"
    """Not complete yet, or still without any sound: it is looked at again."""
    SKIP = "skip"
    """Nothing that a call needs."""
    SIDECAR = "sidecar"
    """It tells of a recording, or of many, and is read with them."""
    VOICEMAIL = "voicemail"
    """A message, not a call."""
    UNKNOWN_TYPE = "unknown_type"
    """It may well be a recording, but not of a kind that can be sent."""


def classify(path: str, size: int | None = None, extensions: AbstractSet[str] = AUDIO) -> Ingest:
    """By the name and, where it is known, the size in bytes. `extensions` are in small letters, without a dot.

    An age is not looked at: that a file has stopped growing is for the source to say.
    """
    # asked of every file of every listing, so an ordinary recording is told by a few searches
    small = path.lower()
    dot = small.rfind(".")
    ending = small[dot + 1 :]
    at = small.rfind("/") + 1
    if (
        ending in extensions
        and dot > at
        and small[at] not in HIDDEN
        and small[0] != "."
        and "/." not in small
        and "voicemail" not in small
        and "freeswitch/" not in small
        and "\\" not in small
        and not small.startswith("msg", at)
    ):
        return _by_size(ending, size)
    *folders, name = path.replace("\\", "/").split("/")
    return _thoroughly([folder.lower() for folder in folders], name, size, extensions)


def _thoroughly(folders: list[str], name: str, size: int | None, extensions: AbstractSet[str]) -> Ingest:
    """Hidden files and what lies beside audio first; what is left is sound, of one kind or another, or nothing."""
    stem, _, ending = name.lower().rpartition(".")
    if ending in PARTIAL or _DELAYED in folders or _in_transfer(name, extensions):
        return Ingest.WAIT
    if name.startswith(GRANDSTREAM_INDEX) and ending == "csv":
        return Ingest.SIDECAR
    if not stem or name.startswith(HIDDEN) or any(folder.startswith(_TRASH) for folder in folders):
        return Ingest.SKIP
    if ending in SIDECARS:
        return Ingest.SIDECAR
    if ending in extensions or ending in UNKNOWN or ending in AUDIO:
        return _sound(folders, name, size, extensions)
    return Ingest.SKIP


def _sound(folders: list[str], name: str, size: int | None, extensions: AbstractSet[str]) -> Ingest:
    stem, _, ending = name.lower().rpartition(".")
    if _is_voicemail(folders, name.lower()):
        return Ingest.VOICEMAIL
    if ending not in extensions:
        return Ingest.UNKNOWN_TYPE
    return Ingest.SKIP if _is_prompt(folders, stem) else _by_size(ending, size)


def _by_size(ending: str, size: int | None) -> Ingest:
    if size is not None and (size == 0 or (size <= BARE_HEADER and ending in WAV)):
        return Ingest.WAIT
    return Ingest.AUDIO


def _in_transfer(name: str, extensions: AbstractSet[str]) -> bool:
    match = re.fullmatch(_TRANSFER, name, re.VERBOSE | re.DOTALL)
    if match is None:
        return False
    final = next((each for each in match.groups() if each is not None), None)
    return final is None or final.lower().rpartition(".")[2] in extensions


def _is_voicemail(folders: list[str], name: str) -> bool:
    if not _VOICEMAIL.isdisjoint(folders):
        return True
    return bool(folders and folders[-1] in _MAILBOX and re.fullmatch(_MESSAGE, name))


def _is_prompt(folders: list[str], stem: str) -> bool:
    """FusionPBX keeps what callers are played beside the archive: `freeswitch/recordings/DOMAIN/recording1.wav`."""
    return folders[-3:-1] == ["freeswitch", "recordings"] and sum(map(str.isdigit, stem)) < FEWEST_DIGITS
