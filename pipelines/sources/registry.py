"""Which sources there are, and which of them an event gets.

A pipeline holds one `Sources` as long as it runs, because the sources of its events share the one stream connection
of X. A connector from elsewhere joins by an entry in the table:

    SOURCES["mastodon"] = SourceSpec(missing=lambda settings: "", make=make_mastodon, live=True)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from threading import Lock

from pydantic import SecretStr

from app.core.errors import ConfigError, QueryError
from app.core.query import Dialect, compile_for, parse
from app.core.types import Event
from app.settings import Settings
from pipelines.sources.base import Clock, Feed, Source
from pipelines.sources.newsapi import KEY_VARIABLE, NewsApi
from pipelines.sources.replay import Playback, Replay
from pipelines.sources.x_api import TOKEN_VARIABLE, XApi
from pipelines.sources.x_hub import XHub
from pipelines.sources.x_search import XSearch
from pipelines.sources.x_stream import XStream
from pipelines.sources.x_walk import SETTLE

# News of an event that has just been named: a free key sees articles a day late, so this is about one day of them.
_NEWS_LOOKBACK = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Connection:
    """A source of an event, or why there is none. `problems` are the parts of the query that it can't express."""

    name: str
    source: Source | None
    reason: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What a source is made for. `bounded` says that it is read once, from `since` to `until`, and not watched.

    `remaining` is how many posts may still be read from billed sources, None without limit.
    """

    event: Event
    settings: Settings
    now: Clock
    hub: Callable[[], XHub]
    since: datetime | None
    until: datetime | None
    remaining: int | None
    bounded: bool = False

    def feed(self, query: str) -> Feed:
        """The feed of the event, with the query in the source's own dialect."""
        return Feed(self.event.id, query, self.now, self.since, self.until)

    def query(self, dialect: Dialect) -> tuple[str, tuple[str, ...]]:
        """The event's query in a dialect, and what it can't say. Raises ConfigError where nothing can be asked."""
        compiled = compile_for(parse(self.event.query), dialect, self.event.languages)
        if compiled.text is None:
            raise ConfigError("; ".join(compiled.problems))
        return compiled.text, compiled.problems


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A kind of source. `missing` says which setting it lacks ("" if none); `make` may raise ConfigError, QueryError.

    `live` and `batch` say which pipelines use it.
    """

    missing: Callable[[Settings], str]
    make: Callable[[Order], Connection]
    live: bool = False
    batch: bool = False


def read_budget(event: Event, settings: Settings) -> int:
    """How many posts may be read for money for an event over its whole life."""
    return settings.x_default_read_budget if event.read_budget is None else event.read_budget


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def _missing_key(secret: SecretStr | None, variable: str) -> str:
    value = secret.get_secret_value().strip() if secret else ""
    if not value:
        return f"{variable} is not set"
    if not (value.isascii() and value.isprintable() and " " not in value):
        return f"{variable} holds characters that no key has"
    return ""


def _x_api(order: Order) -> XApi:
    token = order.settings.x_bearer_token
    if token is None:
        raise ConfigError(f"{TOKEN_VARIABLE} is not set")
    return XApi(token.get_secret_value().strip(), base_url=order.settings.x_api_url, now=order.now)


def _x_stream(order: Order) -> Connection:
    rule, problems = order.query(Dialect.X_STREAM)
    try:
        search, _ = order.query(Dialect.X_SEARCH)
    except ConfigError as error:
        search, problems = "", (*problems, f"gaps of the stream can't be filled: {error}")
    source = XStream(order.hub(), _x_api(order), order.feed(search), rule=rule, remaining=order.remaining)
    return Connection("x_stream", source, problems=problems)


def _x_search(order: Order) -> Connection:
    query, problems = order.query(Dialect.X_SEARCH)
    feed, poll_s = order.feed(query), order.settings.x_poll_s
    return Connection(
        "x_search", XSearch(_x_api(order), feed, poll_s=poll_s, remaining=order.remaining), problems=problems
    )


def _newsapi(order: Order) -> Connection:
    query, problems = order.query(Dialect.NEWSAPI)
    settings, key = order.settings, order.settings.newsapi_key
    if key is None:
        raise ConfigError(f"{KEY_VARIABLE} is not set")
    if order.since is None and not order.bounded:
        order = replace(order, since=(order.event.created_at or order.now()) - _NEWS_LOOKBACK)
    languages = order.event.languages
    source = NewsApi(
        key.get_secret_value().strip(),
        order.feed(query),
        base_url=settings.newsapi_url,
        poll_s=None if order.bounded else settings.newsapi_poll_s,
        language=languages[0] if len(languages) == 1 else None,
    )
    return Connection("newsapi", source, problems=problems)


def _replay(order: Order) -> Connection:
    settings = order.settings
    if settings.replay_path is None:
        raise ConfigError("EVENTPULSE_REPLAY_PATH is not set")
    playback = (
        Playback(speed=0.0, since=order.since, until=order.until)
        if order.bounded
        else Playback(speed=settings.replay_speed, times=settings.replay_times)
    )
    source = Replay(settings.replay_path, order.event.id, now=order.now, playback=playback)
    return Connection("replay", source)


SOURCES: dict[str, SourceSpec] = {
    "x_stream": SourceSpec(lambda s: _missing_key(s.x_bearer_token, TOKEN_VARIABLE), _x_stream, live=True),
    "x_search": SourceSpec(lambda s: _missing_key(s.x_bearer_token, TOKEN_VARIABLE), _x_search, batch=True),
    "newsapi": SourceSpec(lambda s: _missing_key(s.newsapi_key, KEY_VARIABLE), _newsapi, live=True, batch=True),
}
REPLAY = SourceSpec(lambda s: "" if s.replay_path else "EVENTPULSE_REPLAY_PATH is not set", _replay)


class Sources:
    """Makes the sources of events. May be used from several threads; each source then by one at a time.

    Close every source when its event ends, and this when the pipeline does.
    """

    def __init__(self, settings: Settings, *, now: Clock = utc_now, table: Mapping[str, SourceSpec] = SOURCES) -> None:
        self._settings = settings
        self._now = now
        self._table = table
        self._hub: XHub | None = None
        self._lock = Lock()

    def live(self, event: Event, *, remaining: int | None) -> list[Connection]:
        """The sources to watch for an event, between its `starts_at` and `ends_at`.

        The recording's event (`settings.replay_event`) has the recording and nothing else. `remaining` is what is
        left of `read_budget`. A source that can't be had is there too, with the reason.
        """
        order = Order(event, self._settings, self._now, self._shared_hub, event.starts_at, event.ends_at, remaining)
        if self._is_replay(event):
            return [_connect("replay", REPLAY, order)]
        return [_connect(name, spec, order) for name, spec in self._table.items() if spec.live]

    def bounded(
        self, event: Event, *, since: datetime | None, until: datetime | None, remaining: int | None
    ) -> list[Connection]:
        """The sources to read once from `since` (None: as far back as they go) to `until` (None: now).

        Each ends with a page that is `finished`.
        """
        # What X search has not settled yet it would make us wait for.
        latest = self._now() - SETTLE
        order = Order(
            event, self._settings, self._now, self._shared_hub, since, min(until or latest, latest), remaining, True
        )
        if self._is_replay(event):
            return [_connect("replay", REPLAY, order)]
        return [_connect(name, spec, order) for name, spec in self._table.items() if spec.batch]

    def close(self) -> None:
        """Ends the stream connection, within two seconds. May be called twice."""
        with self._lock:
            hub = self._hub
        if hub is not None:
            hub.close()

    def _is_replay(self, event: Event) -> bool:
        return self._settings.replay_path is not None and event.name == self._settings.replay_event

    def _shared_hub(self) -> XHub:
        with self._lock:
            if self._hub is None:
                token = self._settings.x_bearer_token
                if token is None:
                    raise ConfigError(f"{TOKEN_VARIABLE} is not set")
                api = XApi(token.get_secret_value().strip(), base_url=self._settings.x_api_url, now=self._now)
                self._hub = XHub(api, now=self._now)
            return self._hub


def _connect(name: str, spec: SourceSpec, order: Order) -> Connection:
    if reason := spec.missing(order.settings):
        return Connection(name, None, reason)
    try:
        return spec.make(order)
    except (ConfigError, QueryError) as error:
        return Connection(name, None, str(error))
