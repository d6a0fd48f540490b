"""Makes samples/lumen-watch-launch.jsonl, the same bytes on every run: `python -m samples.build`.

The texts in samples/texts were written by hand. This adds what a stream has besides texts: when each is sent, by
whom and from where, and who passes it on as a retweet, a quote or a near copy. README.md tells the story.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random

from app.core.query import matches, parse
from samples.corpus import beats, comments, headlines
from samples.people import START_HOUR, Crowd
from samples.stream import Post, articles, originals, repeats

EVENT_NAME = "Lumen Watch launch"
EVENT_QUERY = 'LumenWatch OR #LumenWatch OR "lumen watch" OR Haldenvik OR @haldenvik'
OUTPUT = Path(__file__).parent / "lumen-watch-launch.jsonl"
START = datetime(2025, 9, 16, START_HOUR, tzinfo=UTC)
SEED = 20250916
FIRST_POST = 90_000_000_000_000_001

# The phases of the story, each with the hour after its last.
PHASES = {
    "anticipation": 11,
    "keynote": 14,
    "hands-on": 18,
    "night": 26,
    "first-buyers": 40,
    "crisis": 50,
    "statement": 55,
    "decay": 72,
}


def main() -> None:
    """Write the sample."""
    OUTPUT.write_text(render(), encoding="utf-8", newline="")


def render() -> str:
    """The whole sample as JSON lines."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records())


def records() -> Iterator[dict[str, object]]:
    """The messages in order of time, as the columns of a recording."""
    rng = Random(SEED)
    crowd = Crowd(rng)
    rows, sites = headlines()
    written = [*originals(beats(), crowd, rng), *articles(rows, sites, rng)]
    passed_on = repeats(written, crowd, comments(), partial(matches, parse(EVENT_QUERY)), rng)
    posts = sorted([*written, *passed_on], key=lambda post: post.at)
    number = FIRST_POST
    for post in posts:
        yield _record(post, number, crowd)
        number += post.source == "x"


def phase_of(created_at: str) -> str:
    """The phase that a `created_at` of the sample falls into."""
    hour = (datetime.fromisoformat(created_at) - START) / timedelta(hours=1)
    return next(phase for phase, end in PHASES.items() if hour < end)


def _record(post: Post, number: int, crowd: Crowd) -> dict[str, object]:
    author = post.author
    return {
        "id": f"news:{post.slug}" if post.source == "news" else f"x:{number}",
        "text": post.text,
        "created_at": (START + timedelta(seconds=int(post.at * 3600))).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "source": post.source,
        "author": author.handle if author else None,
        "lang": post.lang,
        "location": author.location if author else None,
        "country": crowd.country(author) if author else None,
        "url": post.url or f"https://social.example/status/{number}",
        "publisher": post.publisher,
        "intended_label": post.label,
        "off_topic": post.off_topic,
    }


if __name__ == "__main__":
    main()
