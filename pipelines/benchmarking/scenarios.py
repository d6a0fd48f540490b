"""What is measured: the scenarios, who takes part in each, and what EventPulse is meant to reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

EVENTPULSE = "eventpulse"
FASTAPI_ONNX = "fastapi-onnx"
FASTAPI_HF = "fastapi-transformers"
RAW_BEST = "raw-best"
RAW_USUAL = "raw-usual"

TITLES = {
    EVENTPULSE: "EventPulse",
    FASTAPI_ONNX: "FastAPI + the same ONNX session, one text a call",
    FASTAPI_HF: "FastAPI + Hugging Face pipeline, fp32, one text a call",
    RAW_BEST: "ONNX Runtime in process, sorted by length, 512 tokens a call",
    RAW_USUAL: "ONNX Runtime in process, 32 a call as they arrive",
    "openvino": "OpenVINO in process, sorted by length",
    "torch-cpu": "PyTorch in process, sorted by length",
    "vader": "VADER, a word list, in process",
}
PEERS = {"onnx": FASTAPI_ONNX, "transformers": FASTAPI_HF}
IN_PROCESS = (RAW_BEST, RAW_USUAL, "openvino", "torch-cpu", "vader")
HTTP = (EVENTPULSE, FASTAPI_ONNX, FASTAPI_HF)
REPEATED = 0.3

BATCH, ONE, UNIQUE, DUPLICATES = "batch", "single-1", "unique", "duplicates"
CALLERS = (1, 8, 32)


@dataclass(frozen=True, slots=True)
class Scenario:
    """So many `callers` send requests of `per_request` texts; `whole` turns go through all texts at least once."""

    key: str
    words: str
    sides: tuple[str, ...]
    callers: int = 1
    per_request: int = 1
    repeated: float = 0.0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The ratio of EventPulse to another side that a release is meant to reach."""

    scenario: str
    other: str
    value: float
    measure: Literal["rate", "p50"] = "rate"
    at_most: bool = False


TARGETS = (
    Target(BATCH, RAW_BEST, 0.95),
    Target(BATCH, RAW_USUAL, 2.0),
    Target(BATCH, FASTAPI_HF, 4.0),
    Target("single-32", FASTAPI_ONNX, 1.2),
    Target("single-32", FASTAPI_HF, 3.0),
    Target(ONE, FASTAPI_ONNX, 1.1, "p50", at_most=True),
    Target(DUPLICATES, UNIQUE, 1.4),
)


def scenarios(taking_part: Sequence[str], *, per_request: int = 256) -> tuple[Scenario, ...]:
    """All scenarios with those of their sides that take part."""

    def of(*sides: str) -> tuple[str, ...]:
        return tuple(side for side in sides if side in taking_part)

    batches = f"{per_request} texts a request, one caller"
    single = [
        Scenario(
            f"single-{callers}",
            f"one text a request, {callers} caller{'s' if callers > 1 else ''}",
            of(*HTTP, RAW_BEST) if callers == 1 else of(*HTTP),
            callers,
        )
        for callers in CALLERS
    ]
    return (
        Scenario(BATCH, batches, of(*HTTP, *IN_PROCESS), per_request=per_request, whole=True),
        *single,
        Scenario(UNIQUE, f"{batches}, beside the next", (EVENTPULSE,), per_request=per_request, whole=True),
        Scenario(
            DUPLICATES,
            f"{batches}, {100 * REPEATED:.0f} % of the texts are copies",
            (EVENTPULSE,),
            per_request=per_request,
            repeated=REPEATED,
            whole=True,
        ),
    )
