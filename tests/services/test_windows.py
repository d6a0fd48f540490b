from __future__ import annotations

import pytest

from app.services.windows import step_for


@pytest.mark.parametrize(
    ("seconds", "step"),
    [
        (3_600, 60),
        (300 * 60, 60),
        (300 * 60 + 1, 300),
        (86_400, 300),
        (3 * 86_400, 900),
        (7 * 86_400, 3_600),
        (60 * 86_400, 21_600),
        (365 * 86_400, 86_400),
        (5 * 366 * 86_400, 86_400),
    ],
)
def test_the_finest_step_that_stays_readable(seconds: float, step: int) -> None:
    assert step_for(seconds)[0] == step
