"""What holds for every test: no Ray and no network unless the test is marked for it, and no settings from outside."""

from __future__ import annotations

import gc
import os
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from app.adapters.store import Store
from app.settings import Settings

settings.register_profile("eventpulse", deadline=None)
settings.load_profile("eventpulse")

_LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty SQLite store."""
    with Store(f"sqlite:///{tmp_path / 'eventpulse.db'}") as made:
        made.migrate()
        yield made


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """The one small Ray that all tests marked `ray` share: two CPUs, no dashboard."""
    ray = pytest.importorskip("ray")  # not at the top: the core tests start without it
    folder = tempfile.mkdtemp(prefix="ep-")  # a short path: Ray puts sockets below it
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_AUTH_MODE", "disabled")
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        environment.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
        ray.init(
            num_cpus=2, include_dashboard=False, _temp_dir=folder, object_store_memory=200_000_000, log_to_driver=False
        )
        yield
        ray.shutdown()
        with warnings.catch_warnings():
            # What Ray leaves open or running is not for the tests to answer for.
            warnings.simplefilter("ignore")
            gc.collect()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the machine that the tests run on."""
    for name in [name for name in os.environ if name.startswith("EVENTPULSE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setitem(Settings.model_config, "env_file", None)


@pytest.fixture(autouse=True)
def own_machine_only(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Ray cluster, and no connection beyond the loopback interface, except in tests that are marked for it."""
    if request.node.get_closest_marker("ray") or request.node.get_closest_marker("e2e"):
        return
    if "ray" in sys.modules:
        monkeypatch.setattr(sys.modules["ray"], "init", _no_ray)
    monkeypatch.setattr(socket.socket, "connect", _guarded(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", _guarded(socket.socket.connect_ex))


def _no_ray(*arguments: object, **options: object) -> None:
    raise RuntimeError("a test without the marker `ray` starts Ray")


def _guarded(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    def guarded(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX and not str(address[0]).startswith(_LOOPBACK):
            raise RuntimeError(f"a test reaches for {address}")
        return connect(self, address)

    return guarded
