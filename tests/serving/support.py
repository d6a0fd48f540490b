"""What the tests of the API share: messages, a classifier that does as the text says, and an ASGI client by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from starlette.types import ASGIApp, Message

from app.adapters.records import Record
from app.core.errors import ClassifierError, Overloaded
from app.core.text import content_hash
from app.core.types import Label, Prediction
from app.core.types import Message as Post
from tests.fakes.clock import START

EVENT = "apple-launch"
TOKEN = "s3cret"


def said(label: Label, model: str = "tiny") -> Prediction:
    shares = {Label.NEGATIVE: (0.8, 0.1, 0.1), Label.NEUTRAL: (0.1, 0.8, 0.1), Label.POSITIVE: (0.1, 0.1, 0.8)}
    return Prediction(label, shares[label], model, "fake")


async def classify(
    texts: Sequence[str], keys: Sequence[str] | None = None, deadline_s: float | None = None
) -> list[Prediction]:
    """Negative with `bad` in it, positive with `good`; some words make it fail."""
    for text in texts:
        if text == "queue full":
            raise Overloaded("the queue is full", retry_after=2.5)
        if text == "broken":
            raise ClassifierError("the model has no answer")
        if text == "crash":
            raise RuntimeError("a secret of the inside")
    labels = [
        Label.NEGATIVE if "bad" in text else Label.POSITIVE if "good" in text else Label.NEUTRAL for text in texts
    ]
    return [said(label) for label in labels]


def record(
    name: str,
    text: str = "good",
    *,
    minutes: float = 0,
    at: datetime = START,
    source: str = "x",
    country: str | None = "US",
    label: Label | None = Label.POSITIVE,
    duplicate_of: str | None = None,
) -> Record:
    post = Post(name, text, at - timedelta(minutes=minutes), source, country=country, duplicate_of=duplicate_of)
    return Record(post, said(label) if label else None, content_hash(text), START)


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


async def drive(
    app: ASGIApp,
    path: str,
    *,
    method: str = "GET",
    prefix: str = "",
    headers: Iterable[tuple[bytes, bytes]] = (),
    chunks: Sequence[bytes] = (b"",),
    on_body: Callable[[bytes], Awaitable[bool]] | None = None,
) -> Answer:
    """One request, chunk by chunk. `on_body` is called with each piece of the answer; True hangs up."""
    answer, gone, waiting = Answer(), asyncio.Event(), list(chunks)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": prefix + path,
        "raw_path": None,
        "root_path": prefix,
        "query_string": b"",
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }

    async def receive() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            piece = message.get("body", b"")
            answer.body += piece
            if on_body is not None and piece and await on_body(piece):
                gone.set()

    async with asyncio.timeout(10):
        await app(scope, receive, send)
    return answer
