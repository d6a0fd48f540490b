"""The application `models` as serve_config.yaml composes it, in Serve's local testing mode, with the shipped model."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from ray import serve

from app.core.types import Label, Prediction
from app.main import ArmArguments, ModelArguments, arm, models

MODEL = Path(__file__).resolve().parents[1] / "models" / "default"
TEXTS = ["I love it", "This is terrible 😡", "The match begins at 8", "I love it"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTPULSE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("EVENTPULSE_MODEL_DIR", str(MODEL))


def ask(handle: Any, method: str, *arguments: object) -> Any:
    """What a method of the ingress deployment gives."""

    async def asked() -> Any:
        return await getattr(handle, method).remote(*arguments)

    return asyncio.run(asked())


@pytest.mark.parametrize("fused", [True, False])
def test_texts_are_classified_fused_or_composed(fused: bool) -> None:
    handle = serve.run(models(ModelArguments(fused=fused)), _local_testing_mode=True)
    said: list[Prediction] = ask(handle, "classify", TEXTS)
    assert [each.label for each in said] == [Label.POSITIVE, Label.NEGATIVE, Label.NEUTRAL, Label.POSITIVE]
    assert {(each.arm, each.backend) for each in said} == {("champion", "onnx-int8")}
    assert ask(handle, "languages") == {"en"}
    assert ask(handle, "report", 0.0).arms["champion"].texts == len(TEXTS)


def test_without_a_gpu_the_models_come_up_and_say_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        handle = serve.run(models(ModelArguments(gpu=True)), _local_testing_mode=True)
    assert "no GPU" in caplog.text
    assert [each.label for each in ask(handle, "classify", ["I love it"])] == [Label.POSITIVE]


def test_an_arm_is_an_application_of_replicas() -> None:
    handle = serve.run(arm(ArmArguments(model_dir=MODEL, threads=1)), name="challenger", _local_testing_mode=True)
    assert [each.label for each in ask(handle, "classify", ["I love it"])] == [Label.POSITIVE]
    assert ask(handle, "about").backend == "onnx-int8"
