"""The one filtered-stream connection that X allows an app, shared by all events.

Every event has a rule, tagged "eventpulse:<event id>", and a lane: a bounded queue of what matched. A thread runs the
connection and fills the lanes; when a lane is full it waits, so X is read no faster than the slowest event is
fetched. Events are fetched in threads of their own and call `tend`, which keeps rules and connection up: no thread of
the hub ever sleeps, and every error is raised to a caller.

Rules with our prefix whose event is gone would go on costing money: they are deleted when their event leaves, or
when their first post arrives. Rules of others are left alone.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Condition, Lock, Thread

from app.core.errors import BadResponse, BudgetExhausted, RateLimited, SourceError, Unauthorized
from pipelines.sources.allowance import Allowance
from pipelines.sources.base import Clock
from pipelines.sources.http import Refusal
from pipelines.sources.parsing import JsonObject, as_object, objects
from pipelines.sources.x_api import IN_STREAM, InvalidRequest, Rule, XApi, XConnection, x_error
from pipelines.sources.x_posts import post_time

TAG_PREFIX = "eventpulse:"
_MAX_BACKOFF_S = 30.0  # X allows 50 connections in 15 minutes
_HOPELESS_WAIT_S = 300.0  # what a person has to mend: a key, a rule, the credits
_SWEEP_WAIT_S = 60.0
_LASTING = timedelta(seconds=60)  # a connection that lived longer was a good one
_JOIN_S = 1.0
# X delivers 99 % of the posts within 7 s, not quite in the order of their times.
DELIVERY = timedelta(seconds=7)
# A pause this long between two lines means that nothing was waiting in the connection's buffers.
_IDLE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the stream for an event. `answer` is empty where the line was not JSON.

    Everything from before `after` was delivered ahead of it.
    """

    answer: JsonObject
    raw: str
    after: datetime
    billed: bool


@dataclass(frozen=True, slots=True)
class _Refused:
    """An error, and until when it is raised again instead of trying."""

    error: SourceError
    until: datetime

    def again(self, now: datetime) -> SourceError | None:
        """The error for another caller, each of whom raises its own, with the time that is left; None when over."""
        wait_s = (self.until - now).total_seconds()
        if wait_s <= 0:
            return None
        if isinstance(self.error, RateLimited):
            return RateLimited(str(self.error), retry_after=wait_s)
        return type(self.error)(str(self.error))


@dataclass(slots=True)
class Lane:
    """An event's part of the hub. Only the hub changes it. `checked` says that the rule was seen at X of late."""

    tag: str
    rule: str
    allowance: Allowance
    items: deque[Item] = field(default_factory=deque)
    rule_id: str | None = None
    ruled_at: datetime | None = None
    checked: bool = False
    refused: _Refused | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """What a lane gave. `since` is when the present connection began to cover the event, `serial` its number.

    `given_to` is the time up to which everything that the connection brought has now been taken. All three are None
    while there is no connection; `status` then says why.
    """

    items: tuple[Item, ...]
    serial: int | None
    since: datetime | None
    given_to: datetime | None
    status: str


class XHub:
    """See the module. Times are from `now`; `silence_s` is how long X may be silent (it speaks every 20 s)."""

    def __init__(self, api: XApi, *, now: Clock, queue_size: int = 1000, silence_s: float = 30.0) -> None:
        self._api = api
        self._now = now
        self._queue_size = queue_size
        self._silence_s = silence_s
        self._rules_lock = Lock()  # held during requests about rules
        self._changed = Condition()  # guards everything below; never held during a request
        self._lanes: list[Lane] = []
        self._doomed: set[str] = set()
        self._sweep_at: datetime | None = None
        self._reader: _Reader | None = None
        self._serial = 0
        self._failures = 0
        self._retry_at: datetime | None = None
        self._problem: _Refused | None = None
        self._status = "connecting"
        self._closed = False

    def join(self, event_id: str, rule: str, allowance: Allowance) -> Lane:
        """A lane for an event. No request is made before `tend`."""
        lane = Lane(TAG_PREFIX + event_id, rule, allowance)
        with self._changed:
            self._lanes.append(lane)
        return lane

    def leave(self, lane: Lane) -> None:
        """Ends a lane, and the connection with the last one. The rule is deleted when the hub is next tended."""
        with self._changed:
            if lane.gone:
                return
            lane.gone = True
            lane.items.clear()
            self._lanes.remove(lane)
            if lane.rule_id and all(other.rule_id != lane.rule_id for other in self._lanes):
                self._doomed.add(lane.rule_id)
            if not self._lanes and self._reader is not None:
                self._reader.end()
            self._changed.notify_all()

    def close(self) -> None:
        """Ends the connection, within two seconds. May be called twice."""
        with self._changed:
            reader, self._reader, self._closed = self._reader, None, True
            self._changed.notify_all()
        if reader is not None:
            reader.end()
            reader.join()
        self._api.close()

    def tend(self, lane: Lane) -> None:
        """Sees to it that the lane's rule is set and the stream is connected. Returns without waiting for the stream.

        Raises SourceError for what went wrong, as long as the hub has not tried again.
        """
        if self._doomed or not lane.checked:
            with self._rules_lock:
                self._sweep()
                self._sync_rule(lane)
        with self._changed:
            if self._closed or lane.gone:
                raise BadResponse("the stream is closed")
            if self._reader is not None and self._reader.is_alive():
                return
            if self._problem and (error := self._problem.again(self._now())):
                raise error
            if self._retry_at is None or self._retry_at <= self._now():
                self._serial += 1
                self._problem = None
                self._reader = _Reader(self, self._serial)
                self._reader.start()

    def take(self, lane: Lane, limit: int) -> Taken:
        """Up to `limit` items of the lane, oldest first, and how far the stream is. Does not wait."""
        with self._changed:
            items = tuple(lane.items.popleft() for _ in range(min(limit, len(lane.items))))
            self._changed.notify_all()
            reader = self._covering(lane)
            if reader is None or reader.opened_at is None or lane.ruled_at is None:
                return Taken(items, None, None, None, self._status)
            since = max(reader.opened_at, lane.ruled_at)
            given_to = lane.items[0].after if lane.items else reader.given_to
            return Taken(items, reader.serial, since, max(since, given_to or since), "")

    def wait(self, lane: Lane, serial: int | None, timeout_s: float) -> None:
        """Waits up to `timeout_s` seconds for something to take, for another connection than that of `serial`, or for
        the end of the present one.
        """
        with self._changed:
            present = self._reader if self._reader is not None and self._reader.is_alive() else None

            def news() -> bool:
                covering = self._covering(lane)
                ended = present is not None and not present.is_alive()
                return bool(lane.items) or lane.gone or ended or (covering is not None and covering.serial != serial)

            self._changed.wait_for(news, timeout_s)

    def _covering(self, lane: Lane) -> _Reader | None:
        """The reader of the connection that brings the lane's posts now."""
        reader = self._reader
        if reader is None or reader.opened_at is None or not reader.is_alive() or lane.ruled_at is None:
            return None
        return reader

    def _sweep(self) -> None:
        """Deletes the rules of events that are gone; a refusal is no trouble of the events that are there."""
        with self._changed:
            self._doomed -= {lane.rule_id for lane in self._lanes if lane.rule_id}
            doomed = sorted(self._doomed)
        if not doomed or (self._sweep_at is not None and self._now() < self._sweep_at):
            return
        try:
            self._api.delete_rules(doomed)
        except SourceError as error:
            self._sweep_at = self._now() + timedelta(seconds=_wait_after(error, _SWEEP_WAIT_S))
            return
        with self._changed:
            self._doomed.difference_update(doomed)

    def _sync_rule(self, lane: Lane) -> None:
        if not lane.checked and not lane.gone:
            if lane.refused and (error := lane.refused.again(self._now())):
                raise error
            try:
                rule = self._own_rule(lane)
            except SourceError as refused:
                wait_s = _HOPELESS_WAIT_S if isinstance(refused, InvalidRequest) else _wait_after(refused)
                lane.refused = _Refused(refused, self._now() + timedelta(seconds=wait_s))
                raise
            with self._changed:
                lane.checked = True
                if lane.rule_id != rule.id:
                    lane.rule_id, lane.ruled_at = rule.id, self._now()

    def _own_rule(self, lane: Lane) -> Rule:
        """The lane's rule as X holds it; one with our tag and another value is from an earlier query."""
        ours = [rule for rule in self._api.rules() if rule.tag == lane.tag]
        same = next((rule for rule in ours if rule.value == lane.rule), None)
        stale = [rule.id for rule in ours if rule is not same]
        if stale:
            self._api.delete_rules(stale)
        return same or self._api.add_rule(lane.rule, lane.tag)

    # What follows is called by the reader, in its thread.

    def connect(self, reader: _Reader) -> XConnection:
        """A connection that reports to `reader`."""
        return self._api.connect(reader, silence_s=self._silence_s)

    def opened(self, reader: _Reader) -> None:
        """The connection stands."""
        with self._changed:
            reader.opened_at = reader.given_to = reader.read_at = self._now()
            self._changed.notify_all()

    def alive(self, reader: _Reader) -> None:
        """The connection gave a sign of life."""
        with self._changed:
            reader.advance(self._now(), idle=self._idle(reader), post_id=None)
            self._changed.notify_all()

    def _idle(self, reader: _Reader) -> bool:
        return reader.read_at is not None and self._now() - reader.read_at >= _IDLE

    def deliver(self, reader: _Reader, raw: bytes) -> None:
        """Puts a line into the lanes it is for; waits where one is full. Raises SourceError where X says it stops."""
        text = raw.decode("utf-8", "replace")
        try:
            answer = as_object(json.loads(text))
        except ValueError:
            answer = {}
        if answer.get("errors") and not answer.get("data"):
            raise x_error(Refusal(status=IN_STREAM, body=answer), now=self._now)
        rules = objects(answer.get("matching_rules"))
        data = as_object(answer.get("data"))
        with self._changed:
            idle, after = self._idle(reader), reader.given_to or self._now()
            # A line that can't be read could be for anybody: the first event keeps it as a dead letter.
            lanes = self._routed(rules) if data else self._lanes[:1]
            for number, lane in enumerate(lanes):
                # X charges a post once, however many rules it matches: it is billed to the first event.
                self._put(reader, lane, Item(answer, text, after, billed=bool(data) and number == 0))
            # Only now: while a lane was full, nothing from after this line had been given to anybody.
            reader.advance(self._now(), idle=idle, post_id=str(data.get("id")))
            if self._lanes and all(lane.allowance.used_up for lane in self._lanes):
                reader.end()

    def _routed(self, rules: Iterable[JsonObject]) -> list[Lane]:
        ids, tags = {str(rule.get("id")) for rule in rules}, {rule.get("tag") for rule in rules}
        lanes = [lane for lane in self._lanes if lane.rule_id in ids or lane.tag in tags]
        if not lanes:
            ours = [rule for rule in rules if str(rule.get("tag") or "").startswith(TAG_PREFIX)]
            self._doomed.update(str(rule["id"]) for rule in ours if rule.get("id"))
        return lanes

    def _put(self, reader: _Reader, lane: Lane, item: Item) -> None:
        def room() -> bool:
            return len(lane.items) < self._queue_size or lane.gone or reader.stopped or self._closed

        self._changed.wait_for(room)
        if lane.gone:
            return
        if item.billed:
            lane.allowance.spend(1)
        lane.items.append(item)
        self._changed.notify_all()

    def ended(self, reader: _Reader, error: SourceError | None) -> None:
        """The connection is gone; decides when the next one is tried."""
        with self._changed:
            now = self._now()
            lasted = reader.opened_at is not None and now - reader.opened_at >= _LASTING
            wait_s = 0.0 if lasted or self._failures == 0 else min(_MAX_BACKOFF_S, 2.0**self._failures)
            self._failures = 0 if lasted or error is None else self._failures + 1
            self._status = f"reconnecting: {error}" if error else "disconnected"
            refused = error is not None and (reader.opened_at is None or not isinstance(error, BadResponse))
            if error is not None and refused:
                wait_s = _wait_after(error, wait_s)
            self._retry_at = now + timedelta(seconds=wait_s)
            self._problem = _Refused(error, self._retry_at) if error is not None and refused else None
            for lane in self._lanes:
                lane.checked = False  # somebody may have changed the rules meanwhile
            self._changed.notify_all()


class _Reader:
    """The thread of one connection."""

    def __init__(self, hub: XHub, serial: int) -> None:
        self.serial = serial
        self.opened_at: datetime | None = None
        self.read_at: datetime | None = None
        self.given_to: datetime | None = None
        self.stopped = False
        self._hub = hub
        self._connection = hub.connect(self)
        self._done = False
        self._thread = Thread(target=self._run, name=f"x-stream-{serial}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def is_alive(self) -> bool:
        return not self._done

    def end(self) -> None:
        """Ends the connection; does not wait for it."""
        self.stopped = True
        self._connection.stop()

    def join(self) -> None:
        """Waits a moment for the thread; one that is still connecting ends by its own time-out."""
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        error: SourceError | None = BadResponse("the reader of the stream failed")
        try:
            self._connection.run()
            error = None
        except SourceError as caught:
            error = None if self.stopped else caught
        finally:
            self._done = True
            self._hub.ended(self, error)

    def advance(self, now: datetime, *, idle: bool, post_id: str | None) -> None:
        """Everything is in the lanes up to a time: that of this post, or now where nothing was waiting to be read.

        The clock alone would not do: after a full lane the lines in the connection's buffers are old ones.
        """
        reached = now if idle else post_time(post_id) if post_id else None
        if reached is not None and self.given_to is not None:
            self.given_to = max(self.given_to, min(reached, now) - DELIVERY)
        self.read_at = now

    def connected(self) -> None:
        self._hub.opened(self)

    def heartbeat(self) -> None:
        self._hub.alive(self)

    def line(self, raw: bytes) -> None:
        self._hub.deliver(self, raw)


def _wait_after(error: SourceError, backoff_s: float = 5.0) -> float:
    if isinstance(error, RateLimited):
        return error.retry_after
    if isinstance(error, (Unauthorized, BudgetExhausted)):
        return _HOPELESS_WAIT_S
    return max(1.0, backoff_s)
