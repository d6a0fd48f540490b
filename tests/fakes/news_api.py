"""The state behind the fake NewsAPI: articles, and the limits of a plan."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def make_article(at: datetime, title: str, **more: Any) -> dict[str, Any]:
    """An article of The Daily, with further fields."""
    return {
        "source": {"id": None, "name": "The Daily"},
        "author": "Bo Berg",
        "title": title,
        "description": None,
        "url": f"https://daily.example/{at:%Y%m%d%H%M%S}/{abs(hash(title))}",
        "publishedAt": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "content": "cut [+1311 chars]",
        **more,
    }


class FakeNews:
    """See `tests.fakes.apis`. `max_results` and `earliest` are the limits of a plan; None is none."""

    def __init__(self) -> None:
        self.articles: list[dict[str, Any]] = []
        self.max_results: int | None = None
        self.earliest: datetime | None = None

    def everything(self, params: dict[str, str], authorized: bool) -> tuple[int, Any]:
        """The route of that name, newest first."""
        if not authorized:
            return _error(401, "apiKeyInvalid", "Your API key is invalid or incorrect.")
        begin = datetime.fromisoformat(params["from"]).replace(tzinfo=UTC) if "from" in params else None
        end = datetime.fromisoformat(params["to"]).replace(tzinfo=UTC) if "to" in params else None
        if self.earliest and begin and begin < self.earliest:
            message = (
                "You are trying to request results too far in the past. Your plan permits you to request articles as "
                f"far back as {self.earliest:%Y-%m-%d}, but you have requested {begin:%Y-%m-%d}."
            )
            return _error(426, "parameterInvalid", message)
        page, size = int(params.get("page", "1")), int(params.get("pageSize", "100"))
        if self.max_results is not None and page * size > self.max_results:
            message = (
                "You have requested too many results. Developer accounts are limited to a max of "
                f"{self.max_results} results. You are trying to request results {(page - 1) * size} to {page * size}."
            )
            return _error(426, "maximumResultsReached", message)
        found = sorted(
            (article for article in self.articles if _inside(article, begin, end)),
            key=lambda article: str(article.get("publishedAt")),
            reverse=True,
        )
        return 200, {"status": "ok", "totalResults": len(found), "articles": found[(page - 1) * size : page * size]}


def _inside(article: dict[str, Any], begin: datetime | None, end: datetime | None) -> bool:
    try:
        at = datetime.fromisoformat(article["publishedAt"])
    except (KeyError, TypeError, ValueError):
        return True
    return (begin is None or at >= begin) and (end is None or at <= end)


def _error(status: int, code: str, message: str) -> tuple[int, Any]:
    return status, {"status": "error", "code": code, "message": message}
