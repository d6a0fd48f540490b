"""NewsAPI article objects as messages. A message's id is "news:<hash of the URL>", whoever asked for the article."""

from __future__ import annotations

import hashlib
import re

from app.core.text import comparison_text
from app.core.types import JSON, Message
from pipelines.sources.parsing import JsonObject, Unreadable, as_object, required_text, text_or_none, utc_time

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_REMOVED = "[Removed]"
_END_OF_SENTENCE = (".", "!", "?", "…", ":")


def read_article(record: JSON, language: str | None) -> Message:
    """The message of an article in `language`, where that is known. Raises Unreadable, with the reason."""
    if not isinstance(record, dict):
        raise Unreadable("not an article object")
    title = required_text(record, "title").strip()
    if title == _REMOVED:
        raise Unreadable("removed by its publisher")
    url = required_text(record, "url").strip()
    publisher = text_or_none(as_object(record.get("source")).get("name"))
    return Message(
        id="news:" + hashlib.blake2b(url.encode(), digest_size=16).hexdigest(),
        text=_text(title, publisher, record),
        created_at=utc_time(record.get("publishedAt")),
        source="news",
        author=text_or_none(record.get("author")),
        lang=language,
        url=url,
        publisher=publisher,
    )


def _text(title: str, publisher: str | None, record: JsonObject) -> str:
    """The title, with the description where it says more."""
    if publisher:
        title = title.removesuffix(f" - {publisher}")  # NewsAPI's addition; it is a field of its own
    description = _TAG.sub(" ", text_or_none(record.get("description")) or "").strip()
    title_words, description_words = comparison_text(title), comparison_text(description)
    if not description_words or description == _REMOVED or description_words in title_words:
        return title
    if description_words.startswith(title_words):
        return description
    return f"{title} {description}" if title.endswith(_END_OF_SENTENCE) else f"{title}. {description}"
