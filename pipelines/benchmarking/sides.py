"""The sides, each in processes of its own: over HTTP (EventPulse and the peers) or in process."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import psutil

from app.adapters.ports import free_port
from app.core.errors import AppError
from app.core.types import CLASSES
from pipelines.benchmarking import peers
from pipelines.benchmarking.children import Child, environment, pss_mb
from pipelines.benchmarking.statistics import Turn

ASKED_AT_ONCE = 256
_ASK_S = 120.0
_UP_S = 180.0

Probabilities = tuple[float, ...]


class Work(Protocol):
    """What a turn asks for: see `pipelines.benchmarking.scenarios.Scenario`."""

    @property
    def callers(self) -> int:
        """Callers at the same time."""

    @property
    def per_request(self) -> int:
        """Texts in a request or call."""

    @property
    def repeated(self) -> float:
        """The share of texts that are copies of earlier ones."""


class LeftOut(AppError):
    """A side can't take part; the text is the reason."""


class Side(Protocol):
    """One way to classify."""

    @property
    def name(self) -> str:
        """Its short name."""

    @property
    def kind(self) -> Literal["http", "process"]:
        """Over HTTP or called in process."""

    @property
    def startup_s(self) -> float | None:
        """Seconds from its start to its first answer; None if it was running already."""

    @property
    def backend(self) -> str:
        """What computes."""

    def turn(self, work: Work, start: int, seconds: float, texts: int) -> Turn:
        """Classify texts, numbered from `start`, until both `seconds` and `texts` have passed."""

    def ask(self, texts: Sequence[str]) -> list[Probabilities]:
        """The probabilities of each text, in the order of the classes."""

    def memory_mb(self) -> tuple[float, float | None]:
        """PSS of all it needs, and of the part that only answers if that can be told."""

    def close(self) -> None:
        """End what was started for it."""


class Generator:
    """The load generator: one process for all sides."""

    def __init__(self, base: Sequence[str], logs: Path) -> None:
        self._child = Child("pipelines.benchmarking.load", [], environment(1), logs / "load.log")
        self._child.tell({"texts": list(base)})

    def turn(self, **job: Any) -> Turn:
        """One turn of a `pipelines.benchmarking.load.Job`."""
        return turn_of(self._child.ask(job))

    def close(self) -> None:
        """End it."""
        self._child.close()


def turn_of(said: Mapping[str, Any]) -> Turn:
    """A turn as a child writes it."""
    return Turn(said["texts"], said["seconds"], tuple(said["latencies_s"]), said["failures"])


class HttpSide:
    """A server at a URL that answers POST `path`, asked by the load generator.

    `processes` gives all that it runs in, and those that only answer (none if that can't be told).
    """

    kind: Literal["http"] = "http"

    def __init__(
        self,
        name: str,
        url: str,
        generator: Generator,
        processes: Callable[[], tuple[Sequence[psutil.Process], Sequence[psutil.Process]]],
        close: Callable[[], None],
        *,
        backend: str = "",
        startup_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.backend = backend
        self.startup_s = startup_s
        self.close = close
        self._url = url
        self._generator = generator
        self._processes = processes
        self._headers = dict(headers or {})

    def turn(self, work: Work, start: int, seconds: float, texts: int) -> Turn:
        """See `Side`."""
        return self._generator.turn(
            url=self._url,
            start=start,
            callers=work.callers,
            per_request=work.per_request,
            seconds=seconds,
            texts=texts,
            repeated=work.repeated,
            headers=self._headers,
        )

    def ask(self, texts: Sequence[str]) -> list[Probabilities]:
        """See `Side`. Raises LeftOut when the answer is no prediction."""
        said: list[Probabilities] = []
        for first in range(0, len(texts), ASKED_AT_ONCE):
            said += [scores_of(each) for each in post(self._url, texts[first : first + ASKED_AT_ONCE], self._headers)]
        return said

    def memory_mb(self) -> tuple[float, float | None]:
        """See `Side`."""
        everything, core = self._processes()
        return pss_mb(everything), pss_mb(core) if core else None


class ProcessSide:
    """A classifier in a child process, called there without a server. Raises LeftOut when it can't be loaded."""

    kind: Literal["process"] = "process"

    def __init__(self, name: str, base: Sequence[str], model: Path, threads: int, logs: Path) -> None:
        self.name = name
        begun = time.monotonic()
        arguments = ["--side", name, "--model", str(model), "--threads", str(threads)]
        self._child = Child("pipelines.benchmarking.inprocess", arguments, environment(threads), logs / f"{name}.log")
        try:
            loaded = self._child.ask({"texts": list(base)})
            if reason := loaded.get("left_out"):
                raise LeftOut(reason)
        except AppError as error:
            self._child.close()
            raise LeftOut(str(error)) from error
        self.backend: str = loaded["backend"]
        self.startup_s: float | None = time.monotonic() - begun

    def turn(self, work: Work, start: int, seconds: float, texts: int) -> Turn:
        """See `Side`."""
        calls = {"start": start, "per_call": work.per_request, "seconds": seconds, "texts": texts}
        return turn_of(self._child.ask({"turn": calls}))

    def ask(self, texts: Sequence[str]) -> list[Probabilities]:
        """See `Side`."""
        return [tuple(each) for each in self._child.ask({"ask": list(texts)})]

    def memory_mb(self) -> tuple[float, float | None]:
        """See `Side`."""
        return pss_mb(self._child.processes()), None

    def close(self) -> None:
        """End the child."""
        self._child.close()


def peer(name: str, generator: Generator, model: Path, threads: int, logs: Path) -> HttpSide:
    """Start a peer of `pipelines.benchmarking.peers`. Raises LeftOut when it does not come up."""
    if name == "transformers" and (reason := peers.missing(model)):
        raise LeftOut(reason)
    port = free_port()
    arguments = ["--peer", name, "--model", str(model), "--port", str(port), "--threads", str(threads)]
    begun = time.monotonic()
    child = Child("pipelines.benchmarking.peers", arguments, environment(threads), logs / f"peer-{name}.log")
    child.ignore_output()
    url = f"http://127.0.0.1:{port}{peers.PATH}"
    try:
        wait_for_answer(url, child, _UP_S)
    except AppError as error:
        child.close()
        raise LeftOut(str(error)) from error
    backend = "onnx, the same session" if name == "onnx" else "torch-fp32"
    took = time.monotonic() - begun
    return HttpSide(
        f"fastapi-{name}", url, generator, lambda: (child.processes(), ()), child.close, backend=backend, startup_s=took
    )


def wait_for_answer(url: str, child: Child, seconds: float, headers: Mapping[str, str] | None = None) -> None:
    """Until the server classifies. Raises ChildEnded when it ends, LeftOut when it takes longer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            post(url, ["Is anybody there?"], headers or {})
            return
        except LeftOut as error:
            if not child.running:
                raise child.ended() from error
            if time.monotonic() > deadline:
                raise LeftOut(f"no answer within {seconds:.0f} s: {error}") from error
        time.sleep(0.1)


def post(url: str, texts: Sequence[str], headers: Mapping[str, str]) -> list[dict[str, Any]]:
    """The predictions of some texts, untimed. Raises LeftOut."""
    request = urllib.request.Request(
        url,
        data=json.dumps({"texts": list(texts)}).encode(),
        headers={"Content-Type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=_ASK_S) as answer:
            said: list[dict[str, Any]] = json.load(answer)["predictions"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LeftOut(f"{url} did not classify: {error}") from error
    return said


def scores_of(prediction: Mapping[str, Any]) -> Probabilities:
    """The probabilities of an answer, in the order of the classes."""
    return tuple(float(prediction["probabilities"][label.value]) for label in CLASSES)
