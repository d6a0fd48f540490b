"""What a browser holds open on a page of the dashboard: its feeds, asked anew a second after each answer.

That is all there is: `app/dashboard/assets/live.js` asks `live/FEED?QUERY` with the digests of the panels that it has,
and gets those that have changed. Drawing them costs the reader's machine, not the server's, and is left out here.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

FEEDS: Final[Mapping[str, Mapping[str, float]]] = {
    "": {"overview": 1.0},
    "event": {"event": 1.0, "why": 10.0},
    "map": {"map": 1.0},
    "compare": {"compare": 1.0},
    "incidents": {"incidents": 1.0, "incident-why": 10.0},
    "sources": {"sources": 1.0},
}
"""By page: its feeds, and how many seconds after an answer each is asked again."""

_LONGEST_S: Final = 20.0
_CANONICAL: Final = "query"


@dataclass
class Viewer:
    """A page that somebody looks at. `saw` gets the panels that have changed, by name, as they arrive.

    `took` are the seconds of each answer, `failed` counts those that did not come.
    """

    url: str
    page: str
    query: Mapping[str, str]
    saw: Callable[[Mapping[str, str]], None] = lambda panels: None
    took: list[float] = field(default_factory=list)
    failed: int = 0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_LONGEST_S)
        self._asked = urlencode(self.query)
        self._had: dict[str, dict[str, str]] = {feed: {} for feed in FEEDS[self.page]}

    def look(self, stop: threading.Event, opened: Callable[[], None] = lambda: None) -> None:
        """Open the page and go on until `stop`; `opened` is called when every feed has answered once."""
        self._get(f"/{self.page}?{self._asked}", {})
        for feed in self._had:
            self.ask(feed)
        opened()
        due = {feed: time.monotonic() + every_s for feed, every_s in FEEDS[self.page].items()}
        while not stop.is_set():
            feed = min(due, key=lambda name: due[name])
            if stop.wait(max(0.0, due[feed] - time.monotonic())):
                break
            self.ask(feed)
            due[feed] = time.monotonic() + FEEDS[self.page][feed]
        self._connection.close()

    def ask(self, feed: str) -> None:
        """Ask a feed once."""
        had = self._had[feed]
        begin = time.monotonic()
        try:
            body = self._get(
                f"/live/{feed}?{self._asked}", {"x-have": " ".join(f"{name}={digest}" for name, digest in had.items())}
            )
        except (OSError, http.client.HTTPException):
            self.failed += 1
            self._connection.close()
            return
        self.took.append(time.monotonic() - begin)
        changed: dict[str, tuple[str, str]] = json.loads(body) if body else {}
        had.update({name: digest for name, (digest, _) in changed.items()})
        if _CANONICAL in changed:
            self._asked = changed[_CANONICAL][1]
        if changed:
            self.saw({name: text for name, (_, text) in changed.items()})

    def _get(self, path: str, headers: Mapping[str, str]) -> bytes:
        self._connection.request("GET", path, headers=dict(headers))
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status not in (200, 204):
            raise http.client.HTTPException(f"{path}: {answer.status}")
        return body
