"""Which files are recordings, by name and size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callscribe.ingest import AUDIO, Ingest, classify

CALL = "out-5551234567-101-20230517-142530-1684333530.12"

TABLE = {
    Ingest.AUDIO: [
        *(f"2023/05/17/{CALL}.{ending}" for ending in sorted(AUDIO)),
        *(
            f"{CALL}.WAV",
            f"C:\\Recordings\\{CALL}.Mp3",
            f"s3://bucket/voice/{CALL}.wav",
            f"./{CALL}.wav",
            f"../{CALL}.wav",
        ),
        *(
            "192.168.1.100.wav",
            "20230517142530.wav",
            "prompts/customer-connecting-outbound.mp3",
            "DCIM/VID_20230517_142530.mp4",
        ),
        *("[Doe, John]_102-15551234567_20240305101500(77).wav", "voicemail-offer.mp3", "msg0001.wav", "messages/a.wav"),
        "/var/lib/freeswitch/recordings/pbx.example.com/archive/2023/May/17/6f2c0a0e-7c1b-4a57-9d53-0c2d4f1b9a11.wav",
        "/usr/local/freeswitch/recordings/1001.2023-05-17-14-25-30.wav",
        "/var/lib/freeswitch/recordings/pbx.example.com/1001.2023-05-17-14-25-30.wav",
        "/home/me/.local/share/recordings/a.wav",
        *("café.wav", "\udce9.wav", "a b.wav"),
    ],
    Ingest.WAIT: [
        "20251121-141152_(469)906-0158_Incoming_Auto_2254843027051.mp3.crdownload",
        *(f".{CALL}.wav.Xa3f9k", f"~{CALL}.wav.tmp", f"{CALL}.wav.part", f"{CALL}.wav.filepart", f"{CALL}.MP3.PART"),
        *(
            f"{CALL}.wav.6eF64A57",
            f".in.{CALL}.wav.",
            f"2023/.~tmp~/{CALL}.wav",
            f".~tmp~/{CALL}.wav",
            ".goutputstream-ABC123",
            f"{CALL}.part",
        ),
        f"sub/.{CALL}.wav.tmp",
    ],
    Ingest.SKIP: [
        *(
            f"2023/05/17/._{CALL}.wav",
            f".{CALL}.wav",
            f"~{CALL}.wav",
            f"{CALL}.wav~",
            "Thumbs.db",
            ".DS_Store",
            "desktop.ini",
        ),
        *(
            f"{CALL}.mp3.md5",
            f"{CALL}.log",
            "Daily Catch UP-20250605_150956-Meeting Transcript.vtt",
            "a.srt",
            "a.pdf",
            "README",
        ),
        *(
            "",
            "folder/",
            ".wav",
            "wav",
            "a.",
            ".~lock.a.csv#",
            f".snapshot/hourly/{CALL}.wav",
            f".Trash-1000/files/{CALL}.wav",
        ),
        "/var/lib/freeswitch/recordings/pbx.example.com/recording1.wav",
    ],
    Ingest.SIDECAR: [
        *(f"{CALL}.json", f"{CALL}.txt", f"{CALL}.transcription.txt", "4712345678_1.XML", "0d4f7a55_metadata.json"),
        *(
            ".rd_files_netdisk_2026-04.csv",
            "2026/.rd_files_netdisk_2026-04.csv",
            "voicemail/default/201/INBOX/msg0000.txt",
        ),
    ],
    Ingest.VOICEMAIL: [
        "/var/spool/asterisk/voicemail/default/1001/INBOX/msg0000.wav",
        "/var/spool/asterisk/voicemail/default/1001/INBOX/msg0000.slin",
        "/var/spool/asterisk/voicemail/default/1001/greet.wav",
        "/var/lib/freeswitch/storage/voicemail/default/pbx.example.com/1001/msg_6f2c0a0e.wav",
        *("default/201/INBOX/msg0000.WAV", "default/201/Old/msg0012.gsm", "C:\\Voicemail\\201\\a.wav"),
    ],
    Ingest.UNKNOWN_TYPE: [
        *(
            f"{CALL}.raw",
            f"{CALL}.RAW",
            "4c1f6b1ce5ac600157f0009033300204-009033300204-17-Reception.pcap",
            "a.sln",
            "a.ulaw",
        ),
    ],
}


@pytest.mark.parametrize(("path", "expected"), [(path, each) for each, paths in TABLE.items() for path in paths])
def test_a_name_says_what_becomes_of_the_file(path, expected):
    assert classify(path) is expected


@pytest.mark.parametrize("ending", ["wav", "WAV", "wav49"])
def test_a_bare_header_waits_for_its_sound(ending):
    assert [classify(f"{CALL}.{ending}", size) for size in (0, 44, 45)] == [Ingest.WAIT, Ingest.WAIT, Ingest.AUDIO]


def test_a_file_without_a_header_may_be_short_but_not_empty():
    assert [classify(f"{CALL}.gsm", size) for size in (0, 33)] == [Ingest.WAIT, Ingest.AUDIO]


def test_the_size_makes_no_recording_of_what_is_none():
    assert [classify(name, 0) for name in (f"{CALL}.json", f"{CALL}.raw", f".{CALL}.wav")] == [
        *(Ingest.SIDECAR, Ingest.UNKNOWN_TYPE, Ingest.SKIP)
    ]


def test_a_kind_that_is_not_among_the_site_s_is_told_as_one():
    assert classify("a.mp4", extensions=frozenset({"wav"})) is Ingest.UNKNOWN_TYPE
    assert classify("a.WAV", extensions=frozenset({"wav"})) is Ingest.AUDIO
    assert classify("a.raw", extensions=frozenset({"raw"})) is Ingest.AUDIO


PIECES = st.sampled_from(["./~\\", "wav", ".part", "INBOX", "msg0000", "voicemail", "freeswitch/", "\udce9"])


@given(st.one_of(st.text(), st.lists(PIECES).map("".join)), st.one_of(st.none(), st.integers(0)))
def test_no_name_is_too_strange_to_be_told(path, size):
    assert classify(path, size) in Ingest
