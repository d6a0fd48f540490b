from __future__ import annotations

import pytest

from app.core.errors import ClassifierError, Overloaded
from app.serving.arms import Arm
from app.serving.lane import Lane
from tests.fakes.serving import TOKENIZER, FakeBackend, ManualClock, prepared

pytestmark = pytest.mark.anyio


class TimedLane(Lane):
    """A lane that says how long it would take."""

    def __init__(self, backend: FakeBackend, wait: float) -> None:
        super().__init__(backend, TOKENIZER, clock=ManualClock())
        self._wait = wait

    def wait_s(self, tokens: int = 0) -> float:
        return self._wait


@pytest.fixture
def cpu() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def gpu() -> FakeBackend:
    return FakeBackend()


def arm(cpu: FakeBackend, gpu: FakeBackend, cpu_wait: float = 0.0, gpu_wait: float = 0.0) -> Arm:
    return Arm("new", {"cpu": TimedLane(cpu, cpu_wait), "gpu": TimedLane(gpu, gpu_wait)}, clock=ManualClock())


@pytest.mark.parametrize(
    ("cpu_wait", "gpu_wait", "asked"),
    [(1, 0, "cpu"), (5, 1, "gpu"), (5, 9, "cpu"), (9, 5, "gpu")],
    ids=["the cheapest in time", "the only one in time", "the quickest of the late", "the same with the GPU"],
)
async def test_the_cheapest_hardware_that_meets_the_deadline_answers(
    cpu: FakeBackend, gpu: FakeBackend, cpu_wait: float, gpu_wait: float, asked: str
) -> None:
    (said,) = await arm(cpu, gpu, cpu_wait, gpu_wait).predict(prepared("a"), expires=1003.0)
    assert said.arm == "new"
    assert [len(cpu.calls), len(gpu.calls)] == ([1, 0] if asked == "cpu" else [0, 1])


@pytest.mark.parametrize("failure", [Overloaded("full"), ClassifierError("broken")])
async def test_another_kind_of_replica_answers_when_one_refuses(
    cpu: FakeBackend, gpu: FakeBackend, failure: ClassifierError
) -> None:
    cpu.failure = failure
    assert [said.label for said in await arm(cpu, gpu).predict(prepared("a"), 1003.0)] == [gpu.said("a").label]


async def test_the_error_of_the_last_one_is_told(cpu: FakeBackend, gpu: FakeBackend) -> None:
    cpu.failure, gpu.failure = Overloaded("the CPU is full"), Overloaded("the GPU is full")
    with pytest.raises(Overloaded, match="the GPU is full"):
        await arm(cpu, gpu).predict(prepared("a"), 1003.0)


async def test_an_arm_knows_its_model(cpu: FakeBackend, gpu: FakeBackend) -> None:
    assert await arm(cpu, gpu).model() == "m-1"
    assert await arm(cpu, gpu).languages() == {"en"}
