"""The API on a real service and a real store in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.adapters.store import Store
from app.core.types import Event
from app.service import Service
from app.serving.api import build_api
from app.settings import Settings
from tests.fakes.clock import Clock
from tests.serving.support import EVENT, classify


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{tmp_path}/eventpulse.db", now=Clock()) as made:
        made.migrate()
        made.put_event(Event(EVENT, "Apple launch", "apple"))
        yield made


@pytest.fixture
def settings() -> Settings:
    return Settings(max_text_chars=40, max_batch=3, max_body_bytes=2_000, api_token=None, _env_file=None)


@pytest.fixture
def service(store: Store, settings: Settings) -> Service:
    return Service(store, classify, settings, now=Clock())


@pytest.fixture
def app(service: Service, settings: Settings) -> FastAPI:
    return build_api(service, classify, settings)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as made:
        yield made
