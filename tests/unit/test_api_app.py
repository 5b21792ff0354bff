"""Routes are imported when first requested: all can be found, and a cold start imports none."""

import subprocess
import sys

import pytest

from functions.api.app import app
from functions.api.routes import ROUTE_MODULES, load_all_routes, load_routes
from tests.unit.test_architecture import ROOT

load_all_routes(app)
INCLUDED = [(route.path, route.func.__module__) for route in app._static_routes + app._dynamic_routes]
ROUTES_PACKAGE = "functions.api.routes."


def test_every_route_module_is_listed_once():
    listed = [name for names in ROUTE_MODULES.values() for name in names]
    modules = {path.stem for path in (ROOT / "functions/api/routes").glob("*.py")} - {"__init__"}
    assert sorted(listed) == sorted(modules)


@pytest.mark.parametrize(("path", "module"), [route for route in INCLUDED if route[1].startswith(ROUTES_PACKAGE)])
def test_every_route_is_in_a_module_listed_for_its_prefix(path, module):
    listed = [name for prefix, names in ROUTE_MODULES.items() if path.startswith(prefix) for name in names]
    assert module.removeprefix(ROUTES_PACKAGE) in listed


def test_routes_are_included_only_once():
    load_routes(app, "/admin")
    load_all_routes(app)
    assert len(INCLUDED) == len(app._static_routes + app._dynamic_routes)


def test_cold_start_imports_no_routes_no_boto3_and_no_tracer_and_leaves_gc_enabled():
    code = "import gc, sys, functions.api.app; print(gc.isenabled(), *sys.modules)"
    env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/shared'}"}
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=True).stdout.split()
    assert output[0] == "True"
    assert "functions.api.app" in output
    heavy = (ROUTES_PACKAGE, "boto3", "aws_xray_sdk")
    assert [name for name in output if name.startswith(heavy)] == []
