"""The merge of two sorted streams, and files that come with what lies beside them."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from callscribe.sources import SourceFile
from callscribe.store.known_files import KnownFile
from functions.sync.file_groups import FileGrouper, ScannedFile, merge_listings

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

keys = st.sets(st.text(min_size=1, max_size=5))


def a_file(key):
    return SourceFile(key=key, size=1000, modified_at=NOW)


@given(keys, keys)
def test_the_merge_tells_what_is_new_what_is_known_and_what_is_gone(listed, recorded):
    found = (a_file(key) for key in sorted(listed, key=str.encode))
    known = (KnownFile(key, "v") for key in sorted(recorded, key=str.encode))
    seen = list(merge_listings(found, known))
    assert [each.key for each in seen] == sorted(listed | recorded, key=str.encode)
    gone = {each.key for each in seen if isinstance(each, KnownFile)}
    new = {each.key for each in seen if isinstance(each, ScannedFile) and each.known is None}
    assert (gone, new) == (recorded - listed, listed - recorded)
    assert all(each.file.key == each.key for each in seen if isinstance(each, ScannedFile))


names = st.lists(
    st.tuples(st.text("a.-/", min_size=1, max_size=4), st.sampled_from([".wav", ".mp3", ".json", ".txt"])), max_size=12
)


@given(names)
def test_every_file_comes_with_all_that_lies_beside_it(parts):
    listed = sorted({stem + ending for stem, ending in parts}, key=str.encode)
    families, ended = FileGrouper(""), []
    for key in listed:
        ended += families.add(ScannedFile(key, a_file(key), None), is_sidecar=key.endswith((".json", ".txt")))
        families.last_key = key
        assert families.resume_after <= key
    ended += families.flush()
    got = {each.key: {side.key for side in family.sidecars} for family in ended for each in family.audio}
    assert got == {
        key: {key[:-4] + ending for ending in (".json", ".txt")} & set(listed)
        for key in listed
        if key.endswith((".wav", ".mp3"))
    }
    assert sum(len(family.audio) for family in ended) == len(got)
