"""The applications that serve_config.yaml names: the models, the HTTP API and the dashboard.

The live pipeline is an application too; its builder is `pipelines.stream:live`. Every builder reads `Settings` inside
the replica, so that one environment configures all of them. (Ray reads the builders' annotations to make the arguments:
they must be types, so this module does not postpone their evaluation.)
"""

import functools
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.serve import Application
from starlette.applications import Starlette

from app.adapters.backends import Backend, load
from app.adapters.classifiers import Classifier
from app.adapters.shadow_log import ShadowLog, shadow_folder
from app.adapters.store import Store
from app.adapters.telemetry import InsightMetrics, Telemetry
from app.core.types import Prediction
from app.service import Service
from app.serving.arms import Arm
from app.serving.classifier import ClassifierReplica
from app.serving.handles import GRACE_S, RemotePreprocessor, RemoteReplicas, application_handle, bind, router_handle
from app.serving.lane import Lane
from app.serving.ledger import Ledger, Report
from app.serving.model_api import build_classify_api
from app.serving.preprocess import Preprocessor
from app.serving.router import CHAMPION, Router, Routing
from app.settings import Settings

_log = logging.getLogger(__name__)


class ArmArguments(BaseModel):
    """Arguments of the application of an arm; what is left out comes from the settings.

    `backend` is what computes on the CPU; `gpu` asks for a replica on a GPU instead.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    model_dir: Path | None = None
    threads: int | None = None
    backend: Backend = "onnx"
    gpu: bool = False


class ModelArguments(ArmArguments):
    """Arguments of the application `models`.

    `gpu` adds GPU replicas to those on the CPU, if the cluster has a GPU. `fused` keeps the preprocessor and one CPU
    model inside the router's process, which saves two hops where all of it runs on one machine; otherwise each is a
    deployment of its own, and `calls` is how many calls may be under way to each of them.
    """

    fused: bool = True
    calls: int = Field(default=4, ge=1)


def _folder(arguments: ArmArguments) -> Path:
    return arguments.model_dir or Settings().model_dir


def _cpu_classifier(arguments: ArmArguments) -> Classifier:
    return load(_folder(arguments), arguments.backend, threads=arguments.threads or Settings().model_threads)


def _cpu_replica(arguments: ArmArguments) -> ClassifierReplica:
    return ClassifierReplica(_cpu_classifier(arguments))


@serve.deployment(name="Preprocessor")
class PreprocessorDeployment(Preprocessor):
    """Texts to token ids."""

    def __init__(self, arguments: ArmArguments) -> None:
        super().__init__(_folder(arguments))


@serve.deployment
class CpuClassifier(ClassifierReplica):
    """A model on the CPU."""

    def __init__(self, arguments: ArmArguments) -> None:
        super().__init__(_cpu_classifier(arguments))


@serve.deployment(ray_actor_options={"num_gpus": 1})
class GpuClassifier(ClassifierReplica):
    """A model on a GPU."""

    def __init__(self, arguments: ArmArguments) -> None:
        super().__init__(load(_folder(arguments), "torch-cuda", threads=1))


@serve.deployment(name="Router")
@serve.ingress()
class RouterDeployment:
    """The router and the route /v1/classify; what is not among `stages`, by name, is in this process."""

    def __init__(self, arguments: ModelArguments, stages: Mapping[str, Any]) -> None:
        self._settings = Settings()
        self._arguments = arguments
        local = Preprocessor(_folder(arguments))
        self._tokenizer = local.tokenizer
        self._backends: dict[str, Any] = {
            "cpu": RemoteReplicas(stages["cpu"]) if "cpu" in stages else _cpu_replica(arguments)
        }
        if "gpu" in stages:
            self._backends["gpu"] = RemoteReplicas(stages["gpu"])
        self._ledger = Ledger(
            uuid.uuid4().hex[:8],
            telemetry=Telemetry(),
            log=ShadowLog(shadow_folder(self._settings.state_dir)),
        )
        self._router = Router(
            RemotePreprocessor(stages["preprocessor"]) if "preprocessor" in stages else local,
            self._connect,
            self._ledger,
            cached=self._settings.cached_texts,
            deadline_s=self._settings.classify_deadline_s,
        )

    def __serve_build_asgi_app__(self) -> Starlette:
        """Called by Serve after the constructor."""
        return build_classify_api(self.classify, self._settings)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Called by Serve with the `user_config` of serve_config.yaml, at the start and whenever it changes."""
        self._router.reconfigure(Routing.model_validate(user_config))

    async def classify(
        self, texts: Sequence[str], keys: Sequence[str] | None = None, deadline_s: float | None = None
    ) -> list[Prediction]:
        """One prediction a text: see `app.serving.router.Router.classify`."""
        return await self._router.classify(texts, keys, deadline_s)

    async def languages(self) -> frozenset[str]:
        """The languages that the champion was trained for."""
        return await self._router.languages()

    async def report(self, since: float) -> Report:
        """What has happened since that Unix time."""
        return self._ledger.report(since)

    def check_health(self) -> None:
        """Called by Serve: raises ClassifierError when the model in this process hangs."""
        if isinstance(self._backends["cpu"], ClassifierReplica):
            self._backends["cpu"].check_health()

    def __del__(self) -> None:
        """Called by Serve when the replica ends in peace."""
        self._ledger.close()

    def _connect(self, name: str) -> Arm:
        """The champion of this application, or the application of another arm."""
        backends = self._backends if name == CHAMPION else {"replicas": RemoteReplicas(application_handle(name))}
        return Arm(name, {kind: self._lane(backend) for kind, backend in backends.items()})

    def _lane(self, backend: Any) -> Lane:
        calls = backend.calls if isinstance(backend, ClassifierReplica) else self._arguments.calls
        return Lane(backend, self._tokenizer, calls=calls, most_waiting=self._settings.waiting_texts)


def models(arguments: ModelArguments) -> Application:
    """Preprocessor, router and the champion's replicas."""
    stages: dict[str, Application] = {}
    if not arguments.fused:
        stages["preprocessor"] = bind(PreprocessorDeployment, arguments)
        stages["cpu"] = bind(CpuClassifier, arguments)
    if arguments.gpu:
        resources: Callable[[], dict[str, float]] = ray.cluster_resources  # which Ray leaves untyped
        if ray.is_initialized() and resources().get("GPU", 0) >= 1:
            stages["gpu"] = bind(GpuClassifier, arguments)
        else:
            _log.warning("gpu is on, but this cluster has no GPU: the models run on the CPU alone")
    return bind(RouterDeployment, arguments, stages)


def arm(arguments: ArmArguments) -> Application:
    """Another version of the model, for a canary or as a shadow: the router finds it by the application's name."""
    return bind(GpuClassifier if arguments.gpu else CpuClassifier, arguments)


@functools.cache
def _service() -> tuple[Service, Settings]:
    settings = Settings()
    store = Store(settings.database)
    store.migrate()
    service = Service(store, _classify, settings)
    insight = InsightMetrics()
    service.insight.took = lambda step, seconds: insight.seconds.observe(seconds, {"step": step.value})
    return service, settings


async def _classify(
    texts: Sequence[str], keys: Sequence[str] | None = None, deadline_s: float | None = None
) -> list[Prediction]:
    longest = Settings().classify_deadline_s
    return await router_handle(longest + GRACE_S).classify(texts, keys, deadline_s)


def _api_app() -> FastAPI:
    from app.serving.api import build_api

    service, settings = _service()
    return build_api(service, _classify, settings)


def _dashboard_app() -> FastAPI:
    from app.dashboard.mount import dashboard_app

    return dashboard_app(_service()[0])


@serve.deployment
@serve.ingress(_api_app)
class Api:
    """The HTTP API."""


@serve.deployment
@serve.ingress(_dashboard_app)
class Dashboard:
    """The dashboard. One replica only: Gradio keeps a visitor's session in the process."""


def api(arguments: dict[str, str]) -> Application:
    """The HTTP API; it takes no arguments."""
    return bind(Api)


def dashboard(arguments: dict[str, str]) -> Application:
    """The dashboard; it takes no arguments."""
    return bind(Dashboard)
