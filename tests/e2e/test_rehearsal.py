"""`make rehearsal`: a deployment to ministack, from the first failure to the deletion."""

import shutil
import subprocess
import sys

import pytest

from local.build import ROOT
from tests.e2e.rehearsal.gaps import resolve_conditions
from tests.e2e.rehearsal.ministack import unavailable_reason

STEPS = (
    "make deploy, guided, which fails half-way",
    "the same again, which succeeds",
    "six sample calls are uploaded",
    "the HTTP API",
    "the key of the WhisperX server is changed",
    "sam delete",
    "Gaps of ministack",
    "Done",
)


@pytest.mark.slow
@pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason()))
@pytest.mark.skipif(not shutil.which("make"), reason="make was not found")
def test_rehearsal_passes_every_step():
    command = [sys.executable, "-m", "tests.e2e.rehearsal"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    positions = [output.find(f"\n== {step}") for step in STEPS]
    assert positions == sorted(positions), output
    assert -1 not in positions, output


def test_conditions_are_resolved_with_the_defaults_of_the_parameters():
    selected = {"Fn::Select": [0, {"Fn::Split": [":", {"Fn::Sub": "${Path}:"}]}]}
    template = {
        "Parameters": {"Path": {"Default": "s3://bucket/"}},
        "Conditions": {
            "UsesBucket": {"Fn::Not": [{"Fn::Equals": [selected, "s3"]}]},
            "Always": {"Fn::Equals": ["a", "a"]},
        },
    }
    assert resolve_conditions(template)
    assert template["Conditions"]["UsesBucket"] == {"Fn::Not": [{"Fn::Equals": ["s3", "s3"]}]}
    assert not resolve_conditions(template)
