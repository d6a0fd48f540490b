from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.classification import Classification
from app.core.errors import InvalidInput
from app.core.types import Label, Prediction
from app.settings import Settings

pytestmark = pytest.mark.anyio


class Model:
    """Calls everything positive and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Sequence[str], Sequence[str] | None, float | None]] = []

    async def __call__(
        self, texts: Sequence[str], keys: Sequence[str] | None = None, deadline_s: float | None = None
    ) -> list[Prediction]:
        self.asked.append((texts, keys, deadline_s))
        return [Prediction(Label.POSITIVE, (0.1, 0.2, 0.7), "m-1", "fake") for _ in texts]


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def classification(model: Model) -> Classification:
    return Classification(model, Settings(max_batch=3, max_text_chars=10, classify_deadline_s=20))


async def test_texts_go_to_the_model_with_their_ids(classification: Classification, model: Model) -> None:
    assert [said.label for said in await classification.classify(["a", "b"], ["1", "2"])] == [Label.POSITIVE] * 2
    assert model.asked == [(["a", "b"], ["1", "2"], 20)]


@pytest.mark.parametrize(("asked", "given"), [(None, 20), (5.0, 5), (100.0, 20)])
async def test_a_caller_may_ask_for_less_time_but_not_for_more(
    classification: Classification, model: Model, asked: float | None, given: float
) -> None:
    await classification.classify(["a"], deadline_s=asked)
    assert model.asked[0][2] == given


@pytest.mark.parametrize(
    ("texts", "ids", "field"),
    [
        ([], None, "texts"),
        (["x"] * 4, None, "texts"),
        (["x", "x" * 11], None, "texts.1"),
        (["x", "x", " \n"], None, "texts.2"),
        (["x", "y"], ["1"], "ids"),
    ],
)
async def test_what_is_beyond_the_limits_is_refused_by_name(
    classification: Classification, model: Model, texts: list[str], ids: list[str] | None, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await classification.classify(texts, ids)
    assert refused.value.field == field
    assert not model.asked
