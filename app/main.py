"""The applications that serve_config.yaml names: the classifier, the HTTP API and the dashboard.

The live pipeline is an application too; its builder is `pipelines.stream:live`. Every builder reads `Settings` inside
the replica, so that one environment configures all of them. (Ray reads the builders' annotations to make the arguments:
they must be types, so this module does not postpone their evaluation.)
"""

import functools
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from ray import serve
from ray.serve import Application

from app.adapters.onnx import OnnxClassifier
from app.adapters.store import Store
from app.service import Service
from app.serving.classifier import ClassifierReplica
from app.serving.handles import bind, classifier_handle
from app.settings import Settings


class ModelArguments(BaseModel):
    """Arguments of the application `models`; what is left out comes from the settings."""

    model_config = ConfigDict(extra="forbid")

    model_dir: Path | None = None
    threads: int | None = None


@serve.deployment
class CpuClassifier(ClassifierReplica):
    """The int8 model on the CPU."""

    def __init__(self, arguments: ModelArguments) -> None:
        settings = Settings()
        folder = arguments.model_dir or settings.model_dir
        super().__init__(OnnxClassifier(folder, threads=arguments.threads or settings.model_threads))


def models(arguments: ModelArguments) -> Application:
    """The classifier, without a route: the other applications reach it by handle."""
    return bind(CpuClassifier, arguments)


@functools.cache
def _service() -> tuple[Service, Settings]:
    settings = Settings()
    store = Store(settings.database)
    store.migrate()
    return Service(store, lambda texts: classifier_handle().classify(texts), settings), settings


def _api_app() -> FastAPI:
    from app.serving.api import build_api

    return build_api(*_service())


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
