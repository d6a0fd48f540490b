from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.apis import FakeApis
from tests.fakes.clock import Clock


@pytest.fixture
def apis() -> Iterator[FakeApis]:
    with FakeApis() as apis:
        yield apis


@pytest.fixture
def clock() -> Clock:
    return Clock()
