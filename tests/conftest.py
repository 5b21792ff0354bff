"""Fixtures and plugins for all tests: the scripted service, and the check of the functions' permissions."""

import gc
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from testing.scripted_service import Reply, ScriptedService
from tests import leftovers
from tests.permissions.plugin import Permissions, watch_servers

ROOT = Path(__file__).parents[1]


# Hypothesis would fail an example that takes longer than 200 ms, and data that is slow to generate.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


def pytest_configure(config: pytest.Config) -> None:
    # a shell starts background jobs with SIGINT ignored, and every process that a test starts would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    watch_servers()
    config.pluginmanager.register(Permissions(config))
    config.pluginmanager.register(leftovers)


def pytest_collection_finish() -> None:
    """Exclude the collected tests and all imports from garbage collection: they stay until the end anyway."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    scripted = ScriptedService()
    yield scripted
    scripted.stop()


@pytest.fixture(scope="module")
def quick_service() -> Iterator[ScriptedService]:
    """One scripted service for all tests of a module."""
    scripted = ScriptedService()
    yield scripted
    scripted.stop()


@pytest.fixture(scope="session")
def reply() -> type[Reply]:
    return Reply


@pytest.fixture
def samples() -> Path:
    return ROOT / "local" / "samples"
