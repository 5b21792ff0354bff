"""Corrections of call metadata by a user, and their precedence when the metadata is read again."""

from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from callscribe.call_metadata.metadata import CallMetadata, Provenance, merge

VALUES = st.none() | st.sampled_from(["100", "101", "2025550143"])
FIELDS = ("caller", "callee", "extension", "party")
METADATA = st.fixed_dictionaries(dict.fromkeys(FIELDS, VALUES))
CORRECTIONS = st.dictionaries(st.sampled_from(FIELDS), VALUES)
FROM_NAME = CallMetadata(caller="100", callee="101", started_at=date(2026, 11, 18)).with_provenance(Provenance.NAME)


def test_correction_has_provenance_user_and_leaves_other_fields():
    corrected = FROM_NAME.with_corrections({"caller": "200", "party": "Ann"})
    assert corrected.non_empty() == FROM_NAME.non_empty() | {"caller": "200", "party": "Ann"}
    assert corrected.provenance == {**FROM_NAME.provenance, "caller": Provenance.USER, "party": Provenance.USER}
    assert FROM_NAME.provenance["caller"] is Provenance.NAME


def test_cleared_field_has_neither_value_nor_provenance():
    cleared = FROM_NAME.with_corrections({"caller": None, "party": None})
    assert (cleared.caller, set(cleared.provenance)) == (None, {"callee", "started_at"})


def test_only_from_selects_fields_by_provenance():
    merged = merge(FROM_NAME, CallMetadata(party="Ann").with_provenance(Provenance.TAGS))
    corrected = merged.with_corrections({"caller": "200"})
    assert corrected.only_from(Provenance.USER, Provenance.TAGS).non_empty() == {"caller": "200", "party": "Ann"}
    assert corrected.only_from(Provenance.TAGS).provenance == {"party": Provenance.TAGS}
    assert corrected.only_from() == CallMetadata()


def test_start_entered_by_a_user_takes_precedence_over_any_other():
    started_at = datetime(2026, 11, 18, 10, tzinfo=UTC)
    correction = FROM_NAME.with_corrections({"started_at": started_at}).only_from(Provenance.USER)
    from_sidecar = CallMetadata(started_at=datetime(2026, 11, 19, tzinfo=UTC)).with_provenance(Provenance.SIDECAR)
    assert merge(from_sidecar, correction).started_at == started_at


@given(METADATA, CORRECTIONS, METADATA, st.sampled_from([each for each in Provenance if each is not Provenance.USER]))
def test_correction_survives_when_the_metadata_is_read_again(first, corrections, later, provenance):
    corrected = CallMetadata(**first).with_provenance(Provenance.NAME).with_corrections(corrections)
    assert corrected.provenance.keys() == corrected.non_empty().keys()
    from_user = corrected.only_from(Provenance.USER, Provenance.TAGS)
    merged = merge(CallMetadata(**later).with_provenance(provenance), from_user)
    for name in FIELDS:
        value = corrections.get(name)
        assert getattr(merged, name) == (later[name] if value is None else value)
        assert value is None or merged.provenance[name] is Provenance.USER
