"""Merging a listing with the known files, and grouping recordings with their sidecars."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from callscribe.sources import SourceFile
from callscribe.store.known_files import KnownFile
from functions.sync.ingestion import ScannedFile
from functions.sync.scan import FileGrouper, merge_listings

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

keys = st.sets(st.text(min_size=1, max_size=5))


def make_file(key):
    return SourceFile(key=key, size=1000, modified_at=NOW)


@given(keys, keys)
def test_merge_finds_new_known_and_missing_files(listed, recorded):
    files = (make_file(key) for key in sorted(listed, key=str.encode))
    known_files = (KnownFile(key, "v") for key in sorted(recorded, key=str.encode))
    merged = list(merge_listings(files, known_files))
    assert [item.key for item in merged] == sorted(listed | recorded, key=str.encode)
    missing = {item.key for item in merged if isinstance(item, KnownFile)}
    new = {item.key for item in merged if isinstance(item, ScannedFile) and item.known is None}
    assert (missing, new) == (recorded - listed, listed - recorded)
    assert all(item.file.key == item.key for item in merged if isinstance(item, ScannedFile))


names = st.lists(
    st.tuples(st.text("a.-/", min_size=1, max_size=4), st.sampled_from([".wav", ".mp3", ".json", ".txt"])), max_size=12
)


@given(names)
def test_every_recording_is_grouped_with_all_of_its_sidecars(parts):
    listed = sorted({stem + extension for stem, extension in parts}, key=str.encode)
    grouper, groups = FileGrouper(""), []
    for key in listed:
        groups += grouper.add(ScannedFile(key, make_file(key), None), is_sidecar=key.endswith((".json", ".txt")))
        grouper.last_key = key
        assert grouper.resume_after <= key
    groups += grouper.flush()
    sidecars = {audio.key: {sidecar.key for sidecar in group.sidecars} for group in groups for audio in group.audio}
    assert sidecars == {
        key: {key[:-4] + extension for extension in (".json", ".txt")} & set(listed)
        for key in listed
        if key.endswith((".wav", ".mp3"))
    }
    assert sum(len(group.audio) for group in groups) == len(sidecars)
