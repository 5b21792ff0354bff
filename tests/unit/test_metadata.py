"""What a person corrects of a call, and what stays of it when the call is read anew."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from callscribe.metadata import CallMetadata, Origin, combined

WORDS = st.none() | st.sampled_from(["100", "101", "2025550143"])
NAMES = ("caller", "callee", "extension", "party")
READINGS = st.fixed_dictionaries(dict.fromkeys(NAMES, WORDS))
CORRECTIONS = st.dictionaries(st.sampled_from(NAMES), WORDS)
READ = CallMetadata(caller="100", callee="101", started_at=date(2026, 11, 18)).read_in(Origin.NAME)


def test_a_correction_counts_as_a_person_s_and_leaves_the_rest():
    corrected = READ.corrected({"caller": "200", "party": "Ann"})
    assert corrected.known() == READ.known() | {"caller": "200", "party": "Ann"}
    assert corrected.origins == {**READ.origins, "caller": Origin.PERSON, "party": Origin.PERSON}
    assert READ.origins["caller"] is Origin.NAME


def test_what_is_forgotten_has_neither_value_nor_origin():
    forgotten = READ.corrected({"caller": None, "party": None})
    assert (forgotten.caller, set(forgotten.origins)) == (None, {"callee", "started_at"})


def test_what_was_read_elsewhere_is_left_out():
    both = combined(READ, CallMetadata(party="Ann").read_in(Origin.TAGS)).corrected({"caller": "200"})
    assert both.read_only_in(Origin.PERSON, Origin.TAGS).known() == {"caller": "200", "party": "Ann"}
    assert both.read_only_in(Origin.TAGS).origins == {"party": Origin.TAGS}
    assert both.read_only_in() == CallMetadata()


def test_the_time_that_a_person_gives_counts_more_than_any_that_is_read():
    at = datetime(2026, 11, 18, 10, tzinfo=UTC)
    kept = READ.corrected({"started_at": at}).read_only_in(Origin.PERSON)
    read = CallMetadata(started_at=datetime(2026, 11, 19, tzinfo=UTC)).read_in(Origin.SIDECAR)
    assert combined(read, kept).started_at == at


@given(READINGS, CORRECTIONS, READINGS, st.sampled_from([each for each in Origin if each is not Origin.PERSON]))
def test_a_correction_survives_whatever_is_read_later(first, corrections, later, origin):
    corrected = CallMetadata(**first).read_in(Origin.NAME).corrected(corrections)
    assert corrected.origins.keys() == corrected.known().keys()
    anew = combined(CallMetadata(**later).read_in(origin), corrected.read_only_in(Origin.PERSON, Origin.TAGS))
    for name in NAMES:
        value = corrections.get(name)
        assert getattr(anew, name) == (later[name] if value is None else value)
        assert value is None or anew.origins[name] is Origin.PERSON
