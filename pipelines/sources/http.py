"""A requests session for API clients that hard-code their host and, as tweepy, know no time-out.

An adapter sends every request to the configured base URL with a time-out, and a hook turns every answer other than
2xx into a SourceError before the client sees it. So all errors are read in one way, headers included, and neither
client gets to wait, to retry or to follow a redirect with the key in its hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies

from app.core.errors import BadResponse, ConfigError, SourceError
from pipelines.sources.parsing import JsonObject, as_object

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
_MAX_DETAIL_CHARS = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than 2xx. `headers` have lower-case names; `body` is empty where it was no JSON object."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: JsonObject = field(default_factory=dict)


ErrorOf: TypeAlias = "Callable[[Refusal], SourceError]"


@dataclass(frozen=True, slots=True)
class Service:
    """A web service: its name for people, the host its client hard-codes, and where requests really go.

    `read_timeout_s` is the longest silence of the service, in seconds, before a request counts as failed.
    Raises ConfigError for a base URL that is none.
    """

    name: str
    client_host: str
    base_url: str
    read_timeout_s: float = READ_TIMEOUT_S

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("https://", "http://")):
            raise ConfigError(f"the base URL of {self.name} must begin with https://, not {self.base_url!r}")

    def session(self, error_of: ErrorOf, *, on_response: Callable[[requests.Response], None] | None = None) -> Any:
        """A session for the service's client. `on_response` sees each accepted answer before its body is read.

        Typed Any because it is handed to clients without types.
        """

        def check(response: requests.Response, *_: object, **__: object) -> None:
            if not response.ok or response.is_redirect:
                refusal = _refusal(response)
                response.close()
                raise error_of(refusal)
            if on_response is not None:
                on_response(response)

        session = requests.Session()
        session.mount(self.client_host, _BaseUrlAdapter(self))
        session.hooks["response"] = [check]
        return session

    @contextmanager
    def transport_errors(self) -> Iterator[None]:
        """Turns what requests raises into BadResponse.

        The texts of requests' errors are not passed on: one of them quotes the authorization header.
        """
        try:
            yield
        except requests.JSONDecodeError:
            raise BadResponse(f"{self.name} answered something that is not JSON") from None
        except requests.Timeout:
            raise BadResponse(f"{self.name} did not answer within {self.read_timeout_s:g} s") from None
        except requests.exceptions.ChunkedEncodingError:
            raise BadResponse(f"{self.name} broke off in the middle of an answer") from None
        except requests.ConnectionError:
            raise BadResponse(f"{self.name} can't be reached at {self.base_url}") from None
        except requests.RequestException as error:
            raise BadResponse(f"the request to {self.name} failed ({type(error).__name__})") from None


class _BaseUrlAdapter(HTTPAdapter):
    def __init__(self, service: Service) -> None:
        super().__init__()
        self._service = service

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = self._service.base_url.rstrip("/") + (request.url or "").removeprefix(self._service.client_host)
        request.url = url
        kwargs["timeout"] = (CONNECT_TIMEOUT_S, self._service.read_timeout_s)
        # requests chose the proxies by the client's host; a base URL on this machine must not go through them.
        kwargs["proxies"] = get_environ_proxies(url)
        return super().send(request, *args, **kwargs)


def _refusal(response: requests.Response) -> Refusal:
    headers = {name.lower(): value for name, value in response.headers.items()}
    try:
        body = as_object(response.json())
    except requests.RequestException:  # HTML of a proxy, or a connection cut in the middle
        body = {}
    return Refusal(response.status_code, headers, body)


def shown(text: object, secret: str = "") -> str:
    """What a service said of an error, fit for a message: cut, on one line, and without the secret."""
    line = " ".join(str(text).split())
    return (line.replace(secret, "***") if secret else line)[:_MAX_DETAIL_CHARS]
