"""Classification over HTTP: the one route, as part of the API and as an application of its own.

Of its own it is mounted on the router's replica at /v1/classify, so that a text goes to the model without another hop.
"""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.classification import Classification, Classify
from app.core.errors import InvalidInput
from app.serving.limits import guard, json_only
from app.serving.schemas import ClassifyRequest, PredictionAnswer, Predictions, answers
from app.settings import Settings


async def _classification(request: Request) -> Classification:
    classification: Classification = request.app.state.classification
    return classification


async def _answer(classification: Classification, asked: ClassifyRequest) -> Predictions:
    if (asked.texts is None) is (asked.text is None):
        raise InvalidInput("give either texts or text", field="texts")
    texts = asked.texts if asked.texts is not None else [asked.text or ""]
    said = await classification.classify(texts, asked.ids, asked.deadline_s)
    return Predictions(predictions=[PredictionAnswer.of(prediction) for prediction in said])


async def classify(
    classification: Annotated[Classification, Depends(_classification)], asked: ClassifyRequest
) -> Predictions:
    """Classify texts as negative, neutral or positive."""
    return await _answer(classification, asked)


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


async def _classify_alone(request: Request) -> Response:
    """The same without FastAPI: on two cores its way to and from a plain function costs a single text a fifth of it."""
    await json_only(request)
    asked = _read(await request.body())
    made = await _answer(request.app.state.classification, asked)
    return Response(made.model_dump_json(), media_type="application/json")


def _read(body: bytes) -> ClassifyRequest:
    """Raises RequestValidationError in the words of FastAPI, so that both routes refuse alike."""
    try:
        return ClassifyRequest.model_validate(json.loads(body))
    except json.JSONDecodeError as error:
        found = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "no JSON", "ctx": {"error": error.msg}}
        raise RequestValidationError([found]) from error
    except UnicodeDecodeError as error:
        raise HTTPException(400) from error
    except ValidationError as error:
        errors = error.errors(include_url=False)
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in errors]) from error


def build_classify_api(classify: Classify, settings: Settings) -> Starlette:
    """The application whose only route is classification. Raises ConfigError for a token that is set but empty."""
    app = Starlette(routes=[Route("/", _classify_alone, methods=["POST"])])
    app.router.redirect_slashes = False
    app.state.classification = Classification(classify, settings)
    app.add_middleware(_AtPrefix)
    guard(app, settings)
    return app
