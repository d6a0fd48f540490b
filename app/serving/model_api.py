"""Classification over HTTP: the one route, as part of the API and as an application of its own.

Of its own it is mounted on the router's replica at /v1/classify, so that a text goes to the model without another hop.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.classification import Classification, Classify
from app.core.errors import InvalidInput
from app.serving.limits import guard, json_only
from app.serving.schemas import ClassifyRequest, PredictionAnswer, Predictions, answers
from app.settings import Settings


async def _classification(request: Request) -> Classification:
    classification: Classification = request.app.state.classification
    return classification


async def classify(
    classification: Annotated[Classification, Depends(_classification)], asked: ClassifyRequest
) -> Predictions:
    """Classify texts as negative, neutral or positive."""
    if (asked.texts is None) is (asked.text is None):
        raise InvalidInput("give either texts or text", field="texts")
    texts = asked.texts if asked.texts is not None else [asked.text or ""]
    said = await classification.classify(texts, asked.ids, asked.deadline_s)
    return Predictions(predictions=[PredictionAnswer.of(prediction) for prediction in said])


def classify_routes(path: str) -> APIRouter:
    """The route at a path."""
    routes = APIRouter(tags=["model"])
    routes.post(path, responses=answers("classify", 413, 415, 422), dependencies=[Depends(json_only)])(classify)
    return routes


class _AtPrefix:
    """Middleware for an application that is one route: its prefix itself is the address, without a slash behind it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == scope.get("root_path"):
            scope = {**scope, "path": f"{scope['path']}/"}
        await self._app(scope, receive, send)


def build_classify_api(classify: Classify, settings: Settings) -> FastAPI:
    """The application whose only route is classification. Raises ConfigError for a token that is set but empty."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.state.classification = Classification(classify, settings)
    app.include_router(classify_routes("/"))
    app.add_middleware(_AtPrefix)
    guard(app, settings)
    return app
