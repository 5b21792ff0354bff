"""Recordings that are refused for another reason than themselves keep their attempts, in every dialect."""

import pytest

from tests.e2e.refused_recordings import CASES, RECORDINGS, run

pytestmark = pytest.mark.slow

FEW = ("no credit (402)", "a proxy's page (400)", "an error without a reason (500)", "a refusal of the format (415)")


def test_refused_recordings_keep_their_attempts():
    results = list(run({name: CASES[name] for name in FEW}))
    assert len(results) == 3 * len(FEW)
    for result in results:
        assert (result.kept, result.code) == (RECORDINGS, CASES[result.case].code), result
