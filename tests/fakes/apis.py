"""The X API v2 and NewsAPI on a local port, for the real clients to talk to.

    with FakeApis() as apis:
        apis.x.add(apis.x.make_post(1, at, "I like it"))
        apis.fail("search/recent", Fault(429, {"title": "Too Many Requests"}))
        XApi(TOKEN, base_url=apis.url, now=clock).search("like", {})

Shapes are those of the recorded answers. Queries are not evaluated: everything in the corpus is found. What goes
wrong is scripted: each `Fault` is the answer to one request.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from threading import Condition, Event, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.news_api import FakeNews
from tests.fakes.x_api import FakeX, StreamConnection

TOKEN = "test-token-7f3a"
KEY = "test-key-51c8"
DEADLINE_S = 5.0


@dataclass(frozen=True)
class Fault:
    """The answer to one request: a JSON value, raw bytes, or nothing at all.

    `cut` closes the connection in the middle of the answer; `silent` does not answer until the server is closed.
    """

    status: int = 500
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    silent: bool = False


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """What the fakes answer: a status and a JSON value."""

    status: int
    body: Any


class FakeApis:
    """Both services behind one base URL."""

    def __init__(self) -> None:
        self.x = FakeX()
        self.news = FakeNews()
        self.requests: list[Seen] = []
        self._faults: list[tuple[str, deque[Fault]]] = []
        self._changed = Condition()
        self.closing = Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.apis = self
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def fail(self, path: str, *faults: Fault) -> None:
        """The next requests whose path ends with `path` get these answers, in turn."""
        self._faults.append((path, deque(faults)))

    def seen(self, path: str) -> list[Seen]:
        """The requests so far whose path ends with `path`."""
        with self._changed:
            return [request for request in self.requests if request.path.endswith(path)]

    def wait_for_requests(self, path: str, number: int) -> list[Seen]:
        """Waits until there were that many requests."""
        with self._changed:
            found = [seen for seen in self.requests if seen.path.endswith(path)]
            while len(found) < number:
                if not self._changed.wait(DEADLINE_S):
                    raise AssertionError(f"{len(found)} requests to {path}, not {number}")
                found = [seen for seen in self.requests if seen.path.endswith(path)]
            return found

    def note(self, seen: Seen) -> Fault | None:
        """Records a request; the fault it is to get, if any."""
        with self._changed:
            self.requests.append(seen)
            self._changed.notify_all()
            for path, faults in self._faults:
                if seen.path.endswith(path) and faults:
                    return faults.popleft()
        return None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.x.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    apis: FakeApis

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def _handle(self, method: str) -> None:
        apis, url = self.server.apis, urlsplit(self.path)
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(method, url.path, dict(parse_qsl(url.query)), headers, body)
        fault = apis.note(seen)
        if fault is not None:
            self._fault(fault)
        elif url.path == "/2/tweets/search/stream":
            self._stream(apis.x.open(headers.get("authorization") == f"Bearer {TOKEN}"))
        else:
            self._answer(self._route(seen))

    def _route(self, seen: Seen) -> Answer:
        apis = self.server.apis
        if seen.path == "/v2/everything":
            return Answer(*apis.news.everything(seen.params, seen.headers.get("authorization") == KEY))
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(
                401, {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
            )
        if seen.path == "/2/tweets/search/recent":
            return Answer(*apis.x.search(seen.params))
        if seen.path == "/2/tweets/search/stream/rules":
            return Answer(*(apis.x.change_rules(seen.body) if seen.method == "POST" else apis.x.list_rules()))
        return Answer(404, {"title": "Not Found", "detail": seen.path})

    def _answer(self, answer: Answer) -> None:
        self._send(answer.status, json.dumps(answer.body).encode(), {})

    def _fault(self, fault: Fault) -> None:
        if fault.silent:
            self.server.apis.closing.wait()
            self.close_connection = True
            return
        body = fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode()
        self._send(fault.status, body, fault.headers, missing=1000 if fault.cut else 0)
        self.close_connection = self.close_connection or fault.cut

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], missing: int = 0) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json; charset=utf-8", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) + missing))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, opened: StreamConnection | tuple[int, Any]) -> None:
        """A chunked answer without end, as X sends it: one chunk for every line."""
        if isinstance(opened, tuple):
            self._answer(Answer(*opened))
            return
        self.close_connection = True
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        Thread(target=self._watch, args=(opened,), daemon=True).start()
        lines: Queue[bytes | None] = opened.lines
        while (line := lines.get()) is not None:
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            opened.wrote()
        if not opened.cut_off:
            self.wfile.write(b"0\r\n\r\n")
        opened.gone()

    def _watch(self, opened: StreamConnection) -> None:
        """Notices when the client hangs up, which a server that only writes does not."""
        try:
            while self.connection.recv(1):  # not rfile: it could not be closed while it is being read
                pass
        except (OSError, ValueError):
            pass
        opened.gone()
        opened.lines.put(None)
