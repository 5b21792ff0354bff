"""Routes are imported when they are asked for: none is missed, and a start imports none."""

import subprocess
import sys

import pytest

from functions.api.app import ROUTE_MODULES, app, load_all_routes, load_routes
from tests.unit.test_architecture import ROOT

load_all_routes()
INCLUDED = [(route.path, route.func.__module__) for route in app._static_routes + app._dynamic_routes]
ROUTES_OF = "functions.api.routes."


def test_every_module_of_routes_is_named_once():
    named = [name for names in ROUTE_MODULES.values() for name in names]
    assert sorted(named) == sorted(path.stem for path in (ROOT / "functions/api/routes").glob("*.py"))


@pytest.mark.parametrize(("path", "module"), [each for each in INCLUDED if each[1].startswith(ROUTES_OF)])
def test_what_a_path_asks_for_is_in_the_modules_that_its_beginning_names(path, module):
    named = [name for beginning, names in ROUTE_MODULES.items() if path.startswith(beginning) for name in names]
    assert module.removeprefix(ROUTES_OF) in named


def test_nothing_is_included_twice():
    load_routes("/admin")
    load_all_routes()
    assert len(INCLUDED) == len(app._static_routes + app._dynamic_routes)


def test_a_start_imports_no_routes_no_boto3_and_no_tracer_and_leaves_the_collector_running():
    code = "import gc, sys, functions.api.app; print(gc.isenabled(), *sys.modules)"
    env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/shared'}"}
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == "True"
    assert "functions.api.app" in said
    heavy = (ROUTES_OF, "boto3", "aws_xray_sdk")
    assert [name for name in said if name.startswith(heavy)] == []
