"""The state behind the fake X API: posts, rules and stream connections."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from queue import Queue
from threading import Condition
from typing import Any

DEADLINE_S = 5.0
EPOCH = datetime(2010, 11, 4, 1, 42, 54, 657000, tzinfo=UTC)
INVALID = "https://api.x.com/2/problems/invalid-request"


def post_id(at: datetime, number: int = 0) -> str:
    """A post id of a time, as X makes them."""
    return str(((at - EPOCH) // timedelta(milliseconds=1) << 22) + number)


def make_post(at: datetime, text: str, *, number: int = 0, **more: Any) -> dict[str, Any]:
    """A post object of @ann (user 7), with further fields."""
    own = post_id(at, number)
    return {
        "id": own,
        "text": text,
        "created_at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "author_id": "7",
        "lang": "en",
        "edit_history_tweet_ids": [own],
        **more,
    }


class StreamConnection:
    """A connection of a client to the stream; what is sent into it arrives in order."""

    def __init__(self, fake: FakeX) -> None:
        self.lines: Queue[bytes | None] = Queue()
        self.cut_off = False
        self.closed = False
        self.written = 0
        self._fake = fake

    def send(self, line: bytes) -> None:
        """A raw line."""
        self.lines.put(line + b"\r\n")

    def post(self, post: dict[str, Any], *tags: str, includes: dict[str, Any] | None = None) -> None:
        """A post that matches the rules with these tags."""
        rules = [{"id": rule["id"], "tag": rule.get("tag", "")} for rule in self._fake.rules if rule.get("tag") in tags]
        body = {"data": post, "includes": includes or self._fake.includes, "matching_rules": rules}
        self.send(json.dumps(body).encode())

    def heartbeat(self) -> None:
        """What X sends every 20 seconds."""
        self.lines.put(b"\r\n")

    def error(self, title: str, detail: str = "for operational reasons") -> None:
        """An error inside the stream."""
        problem = {"title": title, "detail": detail, "type": f"https://api.x.com/2/problems/{title}"}
        self.send(json.dumps({"errors": [problem]}).encode())

    def close(self, *, cut: bool = False) -> None:
        """Ends the answer; `cut` breaks it off in the middle."""
        self.cut_off = cut
        self.lines.put(None)

    def wrote(self) -> None:
        with self._fake.changed:
            self.written += 1
            self._fake.changed.notify_all()

    def gone(self) -> None:
        with self._fake.changed:
            self.closed = True
            self._fake.changed.notify_all()

    def wait_closed(self) -> None:
        """Waits until one of the two sides has hung up."""
        self._fake.wait(lambda: self.closed, "the stream connection is still open")

    def wait_written(self, number: int) -> None:
        """Waits until that many lines have been written to the network."""
        self._fake.wait(lambda: self.written >= number, "the lines were not written")


class FakeX:
    """See `tests.fakes.apis`. Posts may be added at any time; the newest are found first."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.posts: list[dict[str, Any]] = []
        self.includes: dict[str, Any] = {
            "users": [{"id": "7", "username": "ann", "location": "Leeds, UK"}],
            "places": [{"id": "p1", "country_code": "GB"}],
        }
        self.partial_errors: list[dict[str, Any]] = []
        self.rules: list[dict[str, Any]] = []
        self.connections: list[StreamConnection] = []
        self.horizon: datetime | None = None  # nothing older can be asked for
        self.dead_tokens: set[str] = set()
        self._rule_number = 1000

    def add(self, *posts: dict[str, Any]) -> None:
        """Puts posts into the search index."""
        with self.changed:
            self.posts.extend(posts)

    def wait(self, condition: Any, complaint: str) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, DEADLINE_S), complaint

    def connection(self, number: int = 0) -> StreamConnection:
        """The stream connection with this number, waiting for it to come."""
        self.wait(lambda: len(self.connections) > number, f"there was no stream connection {number}")
        return self.connections[number]

    def open(self, authorized: bool) -> StreamConnection | tuple[int, Any]:
        if not authorized:
            return 401, {"title": "Unauthorized", "status": 401, "detail": "Unauthorized"}
        with self.changed:
            if not all(connection.closed for connection in self.connections):
                return 429, {
                    "title": "ConnectionException",
                    "detail": "This stream is currently at the maximum allowed connection limit.",
                    "connection_issue": "TooManyConnections",
                    "type": "https://api.x.com/2/problems/streaming-connection",
                }
            if not self.rules:
                return 409, {"title": "RuleConfigurationIssue", "detail": "no rules"}
            connection = StreamConnection(self)
            self.connections.append(connection)
            self.changed.notify_all()
            return connection

    def close(self) -> None:
        with self.changed:
            for connection in self.connections:
                connection.close()

    def search(self, params: dict[str, str]) -> tuple[int, Any]:
        """Recent search: windows by id or time, pages newest first, and X's refusals."""
        size = int(params.get("max_results", "10"))
        if not 10 <= size <= 100:
            return _invalid(f"The `max_results` query parameter value [{size}] is not between 10 and 100")
        if "since_id" in params and "start_time" in params:
            return _invalid("`since_id` and `start_time` can't be used together")
        lower = int(params.get("since_id") or 0)
        if "start_time" in params:
            lower = int(post_id(datetime.fromisoformat(params["start_time"]))) - 1
        if lower and self.horizon and lower < int(post_id(self.horizon)) - 1:
            return _invalid("'since_id' must be a tweet id created in the last 7 days")
        token = params.get("next_token", "")
        if token and token in self.dead_tokens:
            return _invalid("The `next_token` query parameter value is not valid")
        upper = int(token.removeprefix("page-")) if token else 1 << 63
        if "end_time" in params:
            upper = min(upper, int(post_id(datetime.fromisoformat(params["end_time"]))))
        return 200, self._page(lower, upper, size)

    def _page(self, lower: int, upper: int, size: int) -> dict[str, Any]:
        with self.changed:
            found = sorted(
                (post for post in self.posts if lower < int(post.get("id") or lower + 1) < upper),
                key=lambda post: int(post.get("id") or 0),
                reverse=True,
            )
            errors, self.partial_errors = self.partial_errors, []
        page, rest = found[:size], found[size:]
        meta: dict[str, Any] = {"result_count": len(page)}
        answer: dict[str, Any] = {"meta": meta}
        if page:
            meta |= {"newest_id": page[0].get("id"), "oldest_id": page[-1].get("id")}
            answer |= {"data": page, "includes": self.includes}
        if rest:
            meta["next_token"] = f"page-{page[-1]['id']}"
        if errors:
            answer["errors"] = errors
        return answer

    def list_rules(self) -> tuple[int, Any]:
        with self.changed:
            meta = {"sent": "2024-01-15T10:30:00.000Z"}
            return 200, {"data": list(self.rules), "meta": meta} if self.rules else {"meta": meta}

    def change_rules(self, body: dict[str, Any]) -> tuple[int, Any]:
        with self.changed:
            if "delete" in body:
                ids = body["delete"]["ids"]
                self.rules = [rule for rule in self.rules if rule["id"] not in ids]
                self.changed.notify_all()
                return 200, {"meta": {"summary": {"deleted": len(ids), "not_deleted": 0}}}
            added, errors = [], []
            for rule in body["add"]:
                same = next((known for known in self.rules if known["value"] == rule["value"]), None)
                if same:
                    errors.append({"value": rule["value"], "id": same["id"], "title": "DuplicateRule"})
                    continue
                self._rule_number += 1
                added.append({"id": str(self._rule_number), **rule})
            self.rules += added
            self.changed.notify_all()
        if errors:
            return 400, {"title": "Invalid Request", "detail": "duplicate", "type": INVALID, "errors": errors}
        return 201, {"data": added, "meta": {"summary": {"created": len(added), "not_created": len(errors)}}}


def _invalid(message: str) -> tuple[int, Any]:
    return 400, {"errors": [{"message": message}], "title": "Invalid Request", "detail": message, "type": INVALID}
