"""Columns of messages for the tests of the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from app.core.posts import Posts
from app.core.types import Label


@dataclass(frozen=True)
class Said:
    """One message; `family` is its own unless it repeats another. `hour` is since the start of everything."""

    text: str
    author: str = ""
    hour: float = 0.0
    family: str = ""
    label: Label = Label.NEGATIVE
    source: str = "x"
    country: str = ""
    domain: str = ""


def columns(said: list[Said], hours: float = 1.0, weight: float = 1.0, name: str = "m") -> Posts:
    """The messages as columns, in the order in which they are given; ids are m0, m1 ..."""
    ids = [f"{name}{number}" for number in range(len(said))]
    return Posts(
        ids=ids,
        texts=[each.text for each in said],
        created_at=np.array([timedelta(hours=each.hour) // timedelta(microseconds=1) for each in said], dtype=np.int64),
        families=[each.family or id_ for each, id_ in zip(said, ids, strict=True)],
        authors=[each.author for each in said],
        domains=[each.domain for each in said],
        sources=[each.source for each in said],
        countries=[each.country for each in said],
        labels=[each.label for each in said],
        hours=hours,
        weight=weight,
    )
