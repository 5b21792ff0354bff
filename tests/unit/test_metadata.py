"""What a person corrects of a call, and what stays of it when the call is read anew."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import CallMetadata, Provenance, merge

WORDS = st.none() | st.sampled_from(["100", "101", "2025550143"])
NAMES = ("caller", "callee", "extension", "party")
READINGS = st.fixed_dictionaries(dict.fromkeys(NAMES, WORDS))
CORRECTIONS = st.dictionaries(st.sampled_from(NAMES), WORDS)
READ = CallMetadata(caller="100", callee="101", started_at=date(2026, 11, 18)).with_provenance(Provenance.NAME)


def test_a_correction_counts_as_a_person_s_and_leaves_the_rest():
    corrected = READ.with_corrections({"caller": "200", "party": "Ann"})
    assert corrected.non_empty() == READ.non_empty() | {"caller": "200", "party": "Ann"}
    assert corrected.provenance == {**READ.provenance, "caller": Provenance.USER, "party": Provenance.USER}
    assert READ.provenance["caller"] is Provenance.NAME


def test_what_is_forgotten_has_neither_value_nor_origin():
    forgotten = READ.with_corrections({"caller": None, "party": None})
    assert (forgotten.caller, set(forgotten.provenance)) == (None, {"callee", "started_at"})


def test_what_was_read_elsewhere_is_left_out():
    both = merge(READ, CallMetadata(party="Ann").with_provenance(Provenance.TAGS)).with_corrections({"caller": "200"})
    assert both.only_from(Provenance.USER, Provenance.TAGS).non_empty() == {"caller": "200", "party": "Ann"}
    assert both.only_from(Provenance.TAGS).provenance == {"party": Provenance.TAGS}
    assert both.only_from() == CallMetadata()


def test_the_time_that_a_person_gives_counts_more_than_any_that_is_read():
    at = datetime(2026, 11, 18, 10, tzinfo=UTC)
    kept = READ.with_corrections({"started_at": at}).only_from(Provenance.USER)
    read = CallMetadata(started_at=datetime(2026, 11, 19, tzinfo=UTC)).with_provenance(Provenance.SIDECAR)
    assert merge(read, kept).started_at == at


@given(READINGS, CORRECTIONS, READINGS, st.sampled_from([each for each in Provenance if each is not Provenance.USER]))
def test_a_correction_survives_whatever_is_read_later(first, corrections, later, origin):
    corrected = CallMetadata(**first).with_provenance(Provenance.NAME).with_corrections(corrections)
    assert corrected.provenance.keys() == corrected.non_empty().keys()
    anew = merge(CallMetadata(**later).with_provenance(origin), corrected.only_from(Provenance.USER, Provenance.TAGS))
    for name in NAMES:
        value = corrections.get(name)
        assert getattr(anew, name) == (later[name] if value is None else value)
        assert value is None or anew.provenance[name] is Provenance.USER
