"""Server-sent events: what a browser is told of an event while it stays connected."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Final

import anyio
from anyio import to_thread

from app.core.errors import NotFound, StoreError
from app.core.types import JSON
from app.service import Service

POLL_S: Final = 0.1
KEEP_ALIVE_S: Final = 15.0
HEADERS: Final[Mapping[str, str]] = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_log = logging.getLogger(__name__)


async def updates(
    service: Service, event_id: str, *, poll_s: float = POLL_S, keep_alive_s: float = KEEP_ALIVE_S
) -> AsyncIterator[str]:
    """An `update` now and whenever the event's version has changed; ends with `gone` when the event is deleted.

    A comment after each `keep_alive_s` of silence shows proxies and dead connections that somebody is there. When the
    database refuses, the stream ends with `unavailable`, and a browser connects again by itself.
    """
    seen: int | None = None
    spoke = anyio.current_time()
    while True:
        try:
            # Not "greater": an event that was deleted and made again begins anew.
            if await to_thread.run_sync(service.version, event_id) != seen:
                seen, update = await to_thread.run_sync(_update, service, event_id)
                yield update
                spoke = anyio.current_time()
        except NotFound:
            yield frame("gone", {"event_id": event_id})
            return
        except StoreError as error:
            _log.warning("the stream of %r ends: %s", event_id, error)
            yield frame("unavailable", {"event_id": event_id, "message": str(error)})
            return
        if anyio.current_time() - spoke >= keep_alive_s:
            yield ": keep-alive\n\n"
            spoke = anyio.current_time()
        await anyio.sleep(poll_s)


def frame(event: str, data: Mapping[str, JSON]) -> str:
    """One server-sent event."""
    return f"event: {event}\ndata: {json.dumps(data)}\n\n"


def _update(service: Service, event_id: str) -> tuple[int, str]:
    row = service.summary(event_id)
    data: dict[str, JSON] = {
        "event_id": event_id,
        "version": row.version,
        "raw": row.raw,
        "distinct": row.distinct,
        "live_to": row.live_to.isoformat().replace("+00:00", "Z") if row.live_to else None,
    }
    return row.version, frame("update", data)
