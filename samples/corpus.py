"""What was written by hand: the posts and headlines of samples/texts, read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

TEXTS = Path(__file__).parent / "texts"
LABELS = {"neg": "negative", "neu": "neutral", "pos": "positive"}

# Remarks in front of a passed-on post: language, then label.
Comments: TypeAlias = dict[str, dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Line:
    """A post as it was written. `by` names one of the cast; `hot` is how eagerly it is passed on, 0 never."""

    text: str
    label: str
    home: str
    lang: str = "en"
    by: str | None = None
    hot: int = 1
    spam: bool = False
    off_topic: bool = False


@dataclass(frozen=True, slots=True)
class Beat:
    """Posts that are sent in this order between two hours of the story."""

    start: float
    end: float
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """An article as it was written; the publishers of `also` print its title again."""

    hour: float
    label: str
    publisher: str
    title: str
    more: str = ""
    also: Sequence[str] = ()
    lang: str = "en"
    slug: str | None = None
    hot: int = 1


def beats() -> list[Beat]:
    """All posts, file by file."""
    return [beat for path in sorted(TEXTS.glob("[0-9]*.yaml")) for beat in _beats(load(path))]


def headlines() -> tuple[list[Headline], dict[str, str]]:
    """All headlines, and the site of each publisher."""
    content = load(TEXTS / "news.yaml")
    rows = [Headline(*row[:4], **_options(row[4:])) for row in content["headlines"]]
    return rows, content["publishers"]


def comments() -> Comments:
    """The remarks that people put in front of a post."""
    content: Comments = load(TEXTS / "comments.yaml")
    return content


def load(path: Path) -> Any:
    """The content of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _beats(content: Any) -> Iterator[Beat]:
    off_topic = content.get("off_topic", False)
    for beat in content["beats"]:
        lines = (
            Line(text, LABELS[label], home, off_topic=off_topic, **_options(rest))
            for label, home, text, *rest in beat["texts"]
        )
        start, end = beat["hours"]
        yield Beat(start, end, tuple(lines))


def _options(rest: list[dict[str, Any]]) -> dict[str, Any]:
    return rest[0] if rest else {}
