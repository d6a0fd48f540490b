"""What the API refuses, and the one way in which it says so."""

from __future__ import annotations

import logging
import math
import secrets
import uuid
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.adapters.database import mended
from app.core.errors import (
    AppError,
    ClassifierError,
    ConfigError,
    InvalidInput,
    NotFound,
    Overloaded,
    QueryError,
    StoreError,
)
from app.services.alert_feed import FEED_PATH, feed_key
from app.settings import Settings

OPEN_PATHS: Final = frozenset({"/health", "/ready"})
"""What is answered without a token: what asks whether the process lives has none."""

_LONGEST_MESSAGE: Final = 500
_LONGEST_FIELD: Final = 100
_BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})
_CODES: Final[Mapping[int, str]] = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
_WORDS: Final[Mapping[int, str]] = {
    400: "the body could not be read as JSON",
    404: "there is nothing at this address; /docs lists what there is",
    405: "this address does not take this method",
}
_log = logging.getLogger(__name__)


def refusal(
    status: int,
    code: str,
    message: str,
    *,
    field: str | None = None,
    position: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error answer. What it repeats of the request is made short and valid Unicode."""
    said = {
        "code": code,
        "message": _short(message, _LONGEST_MESSAGE),
        "field": None if field is None else _short(field, _LONGEST_FIELD),
        "position": position,
    }
    return JSONResponse({"error": said}, status, headers)


def _short(text: str, longest: int) -> str:
    text = mended(text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


async def on_refusal(_request: Request, error: Exception) -> Response:
    """The answer to an error that was raised on purpose, here or in FastAPI."""
    match error:
        case RequestValidationError():
            return _invalid(error)
        case StarletteHTTPException():
            code = _CODES.get(error.status_code, "refused")
            words = _WORDS.get(error.status_code, error.detail)
            return refusal(error.status_code, code, words, headers=error.headers)
        case QueryError():
            return refusal(422, "invalid_query", str(error), field=error.field, position=error.position)
        case NotFound():
            return refusal(404, "not_found", str(error), field=error.field)
        case InvalidInput():
            return refusal(422, "invalid_input", str(error), field=error.field)
    return _unavailable(error)


def _unavailable(error: Exception) -> Response:
    seconds, code = 5.0, "unavailable"
    match error:
        case Overloaded():
            code = "overloaded"
            seconds = error.retry_after
        case ClassifierError():
            code = "classifier_failed"
        case StoreError():
            code = "store_unavailable"
    _log.warning("%s: %s", code, error)
    return refusal(503, code, str(error), headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def _invalid(error: RequestValidationError) -> Response:
    """The first thing that is wrong; the place of a JSON error is `position`, counted in characters from 0."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"][1:]]
    if first["type"] == "json_invalid":
        reason = first.get("ctx", {}).get("error", "not JSON")
        return refusal(422, "invalid_json", f"the body is not JSON: {reason}", position=int(place[0]))
    message = str(first["msg"]).removeprefix("Value error, ")
    return refusal(422, "invalid_input", message, field=".".join(place) or None)


async def on_failure(request: Request, error: Exception) -> Response:
    """The answer to an error that nobody expected: logged under an id, which is all that the caller gets."""
    number = uuid.uuid4().hex[:12]
    _log.error("failure %s at %s %s", number, request.method, ascii(request.url.path), exc_info=error)
    return refusal(500, "internal", f"something went wrong; the log has it under {number}")


def guard(app: Starlette, settings: Settings) -> None:
    """Limit bodies, ask for the token if there is one, and answer every error in the one shape.

    Raises ConfigError for a token that is set but empty.
    """
    app.add_middleware(BodyLimit, most=settings.max_body_bytes)
    if settings.api_token is not None:
        token = settings.api_token.get_secret_value().strip()
        if not token:
            raise ConfigError("EVENTPULSE_API_TOKEN is empty: give it a value, or leave it out to ask for no token")
        app.add_middleware(BearerToken, token=token)
    _answer_errors(app)


def _answer_errors(app: Starlette) -> None:
    """The outermost middleware, so added last."""
    for kind in (AppError, RequestValidationError, StarletteHTTPException):
        app.add_exception_handler(kind, on_refusal)
    # A handler that the app itself has for Exception answers and raises again: a crash in Ray Serve's eyes.
    app.add_middleware(ExceptionMiddleware, handlers={Exception: on_failure})


async def json_only(request: Request) -> None:
    """Refuse a body that does not say it is JSON; so no page of another site can send one unasked."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise HTTPException(415, "send JSON with the header Content-Type: application/json")


class BodyLimit:
    """Middleware that refuses a body of more than `most` bytes: by its declared length, or while it comes in."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http" or scope["method"] not in _BODY_METHODS:
            await self._app(scope, receive, send)
            return
        if self._declared(scope) > self._most:
            await refusal(413, _CODES[413], self._words(), headers={"Connection": "close"})(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                raise HTTPException(413, self._words(), headers={"Connection": "close"})
            return message

        await self._app(scope, counted, send)

    def _words(self) -> str:
        return f"the body has more than {self._most:,} bytes"

    def _declared(self, scope: Scope) -> int:
        value: bytes = dict(scope["headers"]).get(b"content-length", b"0")
        if not value.isdigit():
            return 0  # whatever comes is counted
        return int(value) if len(value) < 16 else self._most + 1


class BearerToken:
    """Middleware that asks for a token, except at `OPEN_PATHS`, and for a feed's own key at a feed."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on when it has the token."""
        if scope["type"] == "lifespan" or self._open(scope) or self._known(scope) or self._keyed(scope):
            await self._app(scope, receive, send)
            return
        words = "this API asks for a token: send the header Authorization: Bearer <token>"
        answer = refusal(401, "unauthorized", words, headers={"WWW-Authenticate": 'Bearer realm="eventpulse"'})
        await answer(scope, receive, send)

    def _open(self, scope: Scope) -> bool:
        return scope["type"] == "http" and self._path(scope) in OPEN_PATHS

    def _known(self, scope: Scope) -> bool:
        scheme, _, given = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and secrets.compare_digest(given.strip(), self._token)

    def _keyed(self, scope: Scope) -> bool:
        feed = FEED_PATH.fullmatch(self._path(scope)) if scope["type"] == "http" else None
        if feed is None or scope["method"] not in ("GET", "HEAD"):
            return False
        given = parse_qs(bytes(scope["query_string"]).decode("latin-1")).get("key", [""])[0]
        return secrets.compare_digest(given.encode(), feed_key(self._token.decode(), feed["event_id"]).encode())

    @staticmethod
    def _path(scope: Scope) -> str:
        path, prefix = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
        return path.removeprefix(prefix)
