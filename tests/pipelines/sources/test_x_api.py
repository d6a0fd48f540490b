"""What X's refusals mean, and that the token stays inside."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from app.core.errors import BadResponse, BudgetExhausted, ConfigError, RateLimited, SourceError, Unauthorized
from pipelines.sources.http import Service
from pipelines.sources.x_api import InvalidRequest, XApi
from tests.fakes.apis import TOKEN, FakeApis, Fault
from tests.fakes.clock import START, Clock

RATE_LIMIT = {"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429}
USAGE_CAP = {
    "title": "UsageCapExceeded",
    "period": "Monthly",
    "detail": "Usage cap exceeded: Monthly product cap",
    "type": "https://api.twitter.com/2/problems/usage-capped",
}
UNAUTHORIZED = {"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}
FORBIDDEN = {
    "title": "Client Forbidden",
    "detail": "no access",
    "type": "https://api.x.com/2/problems/client-forbidden",
}
NO_CREDITS = {"title": "CreditsDepleted", "detail": "Your account has no credits", "type": "about:blank"}


@pytest.fixture
def api(apis: FakeApis, clock: Clock) -> Iterator[XApi]:
    api = XApi(TOKEN, base_url=apis.url, now=clock)
    yield api
    api.close()


def error_after(api: XApi, apis: FakeApis, fault: Fault) -> SourceError:
    apis.fail("search/recent", fault)
    with pytest.raises(SourceError) as caught:
        api.search("cats", {})
    assert TOKEN not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("fault", "kind", "says"),
    [
        (Fault(401, UNAUTHORIZED), Unauthorized, "EVENTPULSE_X_BEARER_TOKEN"),
        (Fault(403, FORBIDDEN), Unauthorized, "EVENTPULSE_X_BEARER_TOKEN"),
        (Fault(402, {}), BudgetExhausted, "no reads left"),
        (Fault(402, NO_CREDITS), BudgetExhausted, "CreditsDepleted"),
        (Fault(403, NO_CREDITS), BudgetExhausted, "CreditsDepleted"),
        (Fault(429, USAGE_CAP, {"x-rate-limit-reset": "1"}), BudgetExhausted, "Monthly product cap"),
        (Fault(400, {"errors": [{"message": "no such operator"}]}), InvalidRequest, "no such operator"),
        (Fault(404, {"title": "Not Found"}), BadResponse, "404"),
        (Fault(503, b"<html>over capacity</html>"), BadResponse, "503"),
        (Fault(500, [1, 2]), BadResponse, "500"),
        (Fault(302, {}, {"location": "http://elsewhere.example/"}), BadResponse, "302"),
        (Fault(200, b"{malformed"), BadResponse, "not JSON"),
        (Fault(200, b"<html>login</html>"), BadResponse, "not JSON"),
        (Fault(200, [1]), BadResponse, "not a JSON object"),
        (Fault(200, {"data": []}, cut=True), BadResponse, "broke off"),
    ],
)
def test_a_refusal_says_what_to_do(api: XApi, apis: FakeApis, fault: Fault, kind: type[SourceError], says: str) -> None:
    error = error_after(api, apis, fault)
    assert type(error) is kind
    assert says in str(error)
    assert api.search("cats", {}) == {"meta": {"result_count": 0}}  # the next attempt is a new one


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"x-rate-limit-reset": str(int(START.timestamp()) + 90)}, 91.0),
        ({"x-rate-limit-reset": str(int(START.timestamp()) - 90)}, 1.0),
        ({"x-rate-limit-reset": "1", "retry-after": "7"}, 7.0),
        ({}, 60.0),
    ],
    ids=["until the reset", "the reset is over", "Retry-After", "no header"],
)
def test_a_rate_limit_says_how_long(api: XApi, apis: FakeApis, headers: dict[str, str], wait_s: float) -> None:
    error = error_after(api, apis, Fault(429, RATE_LIMIT, headers))
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait_s


def test_a_reset_header_that_is_no_number_is_passed_over(api: XApi, apis: FakeApis) -> None:
    error = error_after(api, apis, Fault(429, RATE_LIMIT, {"x-rate-limit-reset": "soon"}))
    assert isinstance(error, RateLimited)


def test_nobody_listens() -> None:
    with FakeApis() as gone:
        url = gone.url
    api = XApi(TOKEN, base_url=url, now=Clock())
    with pytest.raises(BadResponse, match="can't be reached"):
        api.search("cats", {})
    api.close()


def test_a_silent_service_is_given_up(apis: FakeApis) -> None:
    apis.fail("recent", Fault(silent=True))
    service = Service("X", "https://api.twitter.com", apis.url, read_timeout_s=0.1)
    session = service.session(lambda refusal: BadResponse("unused"))
    with pytest.raises(BadResponse, match=r"did not answer within 0\.1 s"), service.transport_errors():
        session.get("https://api.twitter.com/2/tweets/search/recent")
    session.close()


def test_an_error_that_quotes_the_token_is_masked(api: XApi, apis: FakeApis) -> None:
    body: dict[str, Any] = {"title": "Oops", "detail": f"Bearer {TOKEN} is odd"}
    assert "***" in str(error_after(api, apis, Fault(500, body)))
    body = {"errors": [{"message": f"{TOKEN} is odd"}]}
    assert "***" in str(error_after(api, apis, Fault(400, body)))


def test_a_token_with_a_line_break_is_not_quoted(apis: FakeApis, clock: Clock) -> None:
    api = XApi("secret\nvalue", base_url=apis.url, now=clock)
    with pytest.raises(BadResponse) as caught:
        api.search("cats", {})
    assert "secret" not in str(caught.value)
    api.close()


def test_the_token_is_not_logged(apis: FakeApis, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    api = XApi(TOKEN, base_url=apis.url, now=clock)
    api.search("cats", {})
    api.rules()
    assert apis.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in caplog.text
    api.close()


def test_a_base_url_must_be_one(clock: Clock) -> None:
    with pytest.raises(ConfigError, match="base URL of X"):
        XApi(TOKEN, base_url="api.x.com", now=clock)


def test_a_rule_that_exists_is_given_back(api: XApi, apis: FakeApis) -> None:
    first = api.add_rule("cats", "eventpulse:1")
    assert api.add_rule("cats", "eventpulse:2").id == first.id
    apis.fail("rules", Fault(201, {"errors": [{"title": "DuplicateRule", "id": "77"}], "meta": {}}))
    assert api.add_rule("dogs", "eventpulse:3").id == "77"


@pytest.mark.parametrize("status", [201, 400])
def test_a_rule_that_x_does_not_take_is_refused_with_its_words(api: XApi, apis: FakeApis, status: int) -> None:
    problem = {"title": "UnprocessableEntity", "details": ["Rules must contain a non-stopword"]}
    apis.fail("rules", Fault(status, {"errors": [problem]}))
    with pytest.raises(InvalidRequest, match="non-stopword"):
        api.add_rule("the", "eventpulse:1")
