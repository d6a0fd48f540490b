"""The X API v2 through tweepy: the one place that knows tweepy, and the one that reads X's errors.

tweepy has no types; everything that leaves this module is typed. Its own reconnecting (it sleeps up to 320 s) is
never reached: a refusal becomes a SourceError before tweepy sees it (`pipelines.sources.http`), and a lost connection
ends the one attempt.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

import requests
import tweepy
from urllib3.exceptions import ReadTimeoutError

from app.core.errors import BadResponse, BudgetExhausted, RateLimited, SourceError, Unauthorized
from app.core.types import JSON
from pipelines.sources.base import Clock
from pipelines.sources.http import Refusal, Service, shown
from pipelines.sources.parsing import JsonObject, objects, text_or_none
from pipelines.sources.x_posts import STREAM_FIELDS

TOKEN_VARIABLE = "EVENTPULSE_X_BEARER_TOKEN"
_TWEEPY_HOST = "https://api.twitter.com"
# The status of an error that came inside the stream, after the 200.
IN_STREAM = 0
_UNAUTHORIZED = (401, 403)
_BAD_REQUEST, _PAYMENT_REQUIRED, _TOO_MANY = 400, 402, 429
# Where a 429 names no time: a window of X's limits is 15 minutes, and tweepy waits a minute for a start.
_DEFAULT_WAIT_S = 60.0
_OUT_OF_CREDITS = re.compile(r"usage.?cap|credits?.?(depleted|exhausted)|out of credits|spend(ing)?.?(cap|limit)", re.I)


class InvalidRequest(BadResponse):
    """X refuses the request itself (400): a query, a rule or a page token that it does not take."""


class _DuplicateRule(InvalidRequest):
    """The stream has a rule with this value; `rule_id` is its id."""

    def __init__(self, message: str, rule_id: str) -> None:
        super().__init__(message)
        self.rule_id = rule_id


def x_error(refusal: Refusal, *, now: Clock, token: str = "") -> SourceError:
    """What a refusal, or an error inside a 200, means. `token` is kept out of the message."""
    problems = objects(refusal.body.get("errors"))
    problem = refusal.body if refusal.body.get("title") or not problems else problems[0]
    kind = " ".join(str(problem.get(key) or "") for key in ("title", "type", "detail", "message"))
    parts = (problem.get("title"), problem.get("detail") or problem.get("message"))
    said = shown(": ".join(str(part) for part in parts if part) or "no reason given", token)
    if refusal.status == _PAYMENT_REQUIRED or _OUT_OF_CREDITS.search(kind):
        return BudgetExhausted(f"the X account has no reads left ({said})")
    if refusal.status in _UNAUTHORIZED:
        return Unauthorized(f"X refused the token ({refusal.status} {said}): check {TOKEN_VARIABLE}")
    if refusal.status == _TOO_MANY:
        return _rate_limited(refusal, problem, said, now)
    if refusal.status == _BAD_REQUEST:
        return _invalid_request(problems, said, token)
    if refusal.status == IN_STREAM:
        return BadResponse(f"X ended the stream ({said})")
    return BadResponse(f"X answered {refusal.status} ({said})")


def _invalid_request(problems: list[JsonObject], said: str, token: str) -> InvalidRequest:
    for problem in problems:
        if problem.get("title") == "DuplicateRule" and (rule_id := text_or_none(problem.get("id"))):
            return _DuplicateRule("X has this stream rule already", rule_id)
    details = [each.get("details") or each.get("detail") or each.get("message") for each in problems]
    return InvalidRequest(f"X refused the request: {shown('; '.join(map(str, filter(None, details))) or said, token)}")


def _rate_limited(refusal: Refusal, problem: JsonObject, said: str, now: Clock) -> RateLimited:
    if problem.get("connection_issue") == "TooManyConnections" or "streaming-connection" in str(problem.get("type")):
        return RateLimited("another program holds the one stream connection of this X app", retry_after=_DEFAULT_WAIT_S)
    wait = _DEFAULT_WAIT_S
    reset, retry_after = refusal.headers.get("x-rate-limit-reset", ""), refusal.headers.get("retry-after", "")
    if retry_after.isdigit():
        wait = float(retry_after)
    elif reset.isdigit():
        wait = max(1.0, int(reset) - now().timestamp() + 1.0)
    return RateLimited(f"X asks to wait ({said})", retry_after=wait)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of the filtered stream, as X holds it."""

    id: str
    value: str
    tag: str | None = None


class StreamListener(Protocol):
    """What a stream connection tells; called in the thread that runs it. An error raised here ends the connection."""

    def connected(self) -> None:
        """X has accepted the connection."""

    def heartbeat(self) -> None:
        """X has said that it is still there."""

    def line(self, raw: bytes) -> None:
        """X has sent something."""


class XApi:
    """Recent search, stream rules and stream connections of one X app. One thread at a time, except `connect`.

    All methods raise SourceError; none waits longer than the time-outs of `pipelines.sources.http`.
    """

    def __init__(self, token: str, *, base_url: str, now: Clock) -> None:
        # tweepy writes the headers of every request, with the token, to this logger at DEBUG.
        logging.getLogger("tweepy.client").setLevel(logging.INFO)
        self._token = token
        self._now = now
        self._service = Service("X", _TWEEPY_HOST, base_url)
        session = self._service.session(self._error)
        self._search: Any = tweepy.Client(bearer_token=token, return_type=dict)
        self._rules: Any = tweepy.StreamingClient(token, return_type=dict)
        self._search.session = self._rules.session = self._session = session

    def _error(self, refusal: Refusal) -> SourceError:
        return x_error(refusal, now=self._now, token=self._token)

    def _answer(self, call: Callable[[], object]) -> JsonObject:
        with self._service.transport_errors():
            answer = call()
        if not isinstance(answer, dict):
            raise BadResponse("X answered something that is not a JSON object")
        return answer

    def search(self, query: str, params: dict[str, Any]) -> JsonObject:
        """A page of recent search. `params` are tweepy's, for example start_time, since_id, next_token."""
        return self._answer(lambda: self._search.search_recent_tweets(query, **params))

    def rules(self) -> list[Rule]:
        """All rules of the app, our own and others'."""
        return _rules(self._answer(self._rules.get_rules).get("data"))

    def add_rule(self, value: str, tag: str) -> Rule:
        """Adds a rule; one that exists with this value is given back as it is. Raises InvalidRequest if refused."""
        try:
            answer = self._answer(lambda: self._rules.add_rules(tweepy.StreamRule(value=value, tag=tag)))
            if added := _rules(answer.get("data")):
                return added[0]
            # With a 201 X may still say that it did not take the rule.
            raise self._error(Refusal(_BAD_REQUEST, body=answer))
        except _DuplicateRule as error:
            return Rule(error.rule_id, value)

    def delete_rules(self, ids: list[str]) -> None:
        """Deletes rules by id; ids that do not exist any more are left to X."""
        self._answer(lambda: self._rules.delete_rules(ids))

    def connect(self, listener: StreamListener, *, silence_s: float) -> XConnection:
        """A stream connection, not yet opened, which ends after `silence_s` seconds without a sign of life."""
        service = Service("X", _TWEEPY_HOST, self._service.base_url, read_timeout_s=silence_s)
        return XConnection(self._token, service, self._error, listener)

    def close(self) -> None:
        """Lets go of the connections. May be called twice."""
        self._session.close()


def _rules(data: JSON) -> list[Rule]:
    return [
        Rule(str(item["id"]), str(item.get("value") or ""), text_or_none(item.get("tag")))
        for item in objects(data)
        if item.get("id")
    ]


class XConnection:
    """One connection to the filtered stream: `run` in a thread of its own, `stop` from any other."""

    def __init__(
        self, token: str, service: Service, error_of: Callable[[Refusal], SourceError], listener: StreamListener
    ) -> None:
        self._service = service
        self._lock = Lock()
        self._stopped = False
        self._response: requests.Response | None = None
        self._ended: Exception | None = None
        client: Any = tweepy.StreamingClient(token, max_retries=0)
        client.session = service.session(error_of, on_response=self._accepted)
        # Callbacks as attributes: a subclass of an untyped class is untyped itself.
        client.on_connect = listener.connected
        client.on_keep_alive = listener.heartbeat
        client.on_data = listener.line
        client.on_closed = self._on_closed
        client.on_connection_error = self._on_connection_error
        client.on_exception = self._on_exception
        client.on_disconnect = _nothing
        self._client = client

    def run(self) -> None:
        """Blocks until the connection ends, and says why: returns after `stop`, else raises SourceError.

        An exception of the listener comes out as it is.
        """
        if not self._stopped:
            self._client.filter(**STREAM_FIELDS)
        if self._stopped:
            return
        if self._response is not None and isinstance(self._ended, requests.RequestException):
            silent = isinstance(next(iter(self._ended.args), None), ReadTimeoutError)
            why = f"was silent for {self._service.read_timeout_s:g} s" if silent else "broke off"
            raise BadResponse(f"the stream {why}")
        with self._service.transport_errors():
            raise self._ended or BadResponse("X closed the stream")

    def stop(self) -> None:
        """Ends the connection without waiting for it; a blocked read returns at once."""
        with self._lock:
            self._stopped = True
            self._client.disconnect()
            if self._response is not None:
                try:
                    self._response.raw.shutdown()
                except (OSError, RuntimeError, ValueError):
                    pass  # it ended by itself in this moment

    def _accepted(self, response: requests.Response) -> None:
        with self._lock:
            self._response = response
            if self._stopped:
                response.close()
                raise BadResponse("stopped while connecting")

    def _on_closed(self, _response: object) -> None:
        self._client.disconnect()  # else tweepy would connect again, at once and without end

    def _on_connection_error(self) -> None:
        self._ended = _current_error()
        self._client.disconnect()

    def _on_exception(self, error: Exception) -> None:
        self._ended = error


def _current_error() -> Exception | None:
    """Tweepy calls on_connection_error without the error, from the block that handles it."""
    error = sys.exception()
    return error if isinstance(error, Exception) else None


def _nothing() -> None:
    """Tweepy logs these moments; the hub reports them."""
