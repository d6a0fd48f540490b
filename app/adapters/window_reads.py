"""Reading all messages of a window at once, as columns: what evidence is made of.

    store.windows.read("vision-pro", MessageFilter(start, end), most=100_000)

Where there are more messages than are wanted, those of some seconds are read, chosen by the number of the second, so
that the same ones are read each time and every hour and kind of message has its chance.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, Row, case, func, select

from app.adapters.database import Database
from app.adapters.message_reads import conditions
from app.adapters.records import UNRESOLVED, MessageFilter
from app.adapters.schema import messages
from app.core.posts import Posts
from app.core.types import Label

_M = messages.c
_COLUMNS: Final = (
    *(_M.id, _M.text, _M.created_at, func.coalesce(_M.duplicate_of, _M.id), _M.author, _M.source, _M.country),
    *(_M.label, case((_M.publisher.is_not(None), _M.url))),
)
_SECOND: Final = 1_000_000
# Knuth's multiplicative hash: the seconds that fall below a share of 2**32 lie evenly over any stretch of time.
_STRIDE: Final = 2_654_435_761
_MODULUS: Final = 2**32
_MARGIN: Final = 0.95  # seconds are not equally full: aim a little below what may be read
_LABELS: Final = {label.value: label for label in Label}
_HOST: Final = re.compile(r"https?://(?:www\.)?([^\s/?#:]+)", re.IGNORECASE)
_SHORTENERS: Final = frozenset(
    ("t.co", "bit.ly", "buff.ly", "dlvr.it", "fb.me", "goo.gl", "ift.tt", "is.gd", "ow.ly", "tinyurl.com", "trib.al")
)


class WindowReads:
    """The part of a `Store` that reads whole windows, as `store.windows`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, event_id: str, where: MessageFilter, most: int) -> Posts:
        """The messages in [where.start, where.end) that fit the filter, in order of time, at most `most`.

        The cost grows with the messages of the window. Raises InvalidInput like `Store.messages`, and ValueError for a
        window that is open or empty.
        """
        with self._database.snapshot() as connection:
            return read(connection, event_id, where, most)


def read(connection: Connection, event_id: str, where: MessageFilter, most: int) -> Posts:
    """The messages of a window; see `WindowReads.read`."""
    if where.start is None or where.end is None or where.end <= where.start:
        raise ValueError("a window that is read begins and ends")
    fits = [_M.event_id == event_id, *conditions(connection.dialect.name, where)]
    there = connection.scalar(select(func.count()).select_from(messages).where(*fits)) or 0
    query = select(*_COLUMNS).where(*fits).order_by(_M.created_at, _M.id).limit(most)
    rows: Sequence[Row[*tuple[Any, ...]]] = []
    if there > most:
        seconds = _M.created_at // _SECOND * _STRIDE % _MODULUS
        rows = connection.execute(query.where(seconds < int(_MARGIN * most / there * _MODULUS))).all()
    if not rows:  # few are there, or all of many in a second or two
        rows = connection.execute(query).all()
    return _posts(rows, (where.end - where.start) / timedelta(hours=1), there)


def _posts(rows: Sequence[Row[*tuple[Any, ...]]], hours: float, there: int) -> Posts:
    columns = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
    ids, texts, created_at, families, authors, sources, countries, labels, articles = columns
    return Posts(
        ids=ids,
        texts=texts,
        created_at=np.array(created_at, dtype=np.int64),
        families=families,
        authors=[author or "" for author in authors],
        domains=[domain_of(text, article) for text, article in zip(texts, articles, strict=True)],
        sources=sources,
        countries=["" if country == UNRESOLVED else country for country in countries],
        labels=[_LABELS[label] for label in labels],
        hours=hours,
        weight=there / len(rows) if rows else 1.0,
    )


def domain_of(text: str, article: str | None) -> str:
    """The host that a message points to: that of its first link, or of the article it is; "" where it does not tell.

    A shortener does not tell, nor does the address of a post: it is that of the network.
    """
    found = _HOST.search(text if article is None else article) if article or "://" in text else None
    host = found[1].lower() if found else ""
    return "" if host in _SHORTENERS or "." not in host else host
