"""From texts to a stream: when each post is sent, who passes it on, and how."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from unicodedata import normalize

from samples.corpus import Beat, Comments, Headline, Line
from samples.people import Author, Crowd

# Messages of each hour, original and passed on.
VOLUME = (
    *(8, 9, 11, 13, 14, 16, 18, 19, 22, 28, 48),  # anticipation
    *(125, 145, 90),  # keynote
    *(66, 52, 42, 34),  # hands-on
    *(26, 21, 16, 12, 9, 8, 8, 11),  # night
    *(24, 27, 25, 23, 22, 23, 25, 24, 23, 22, 21, 21, 22, 22),  # first buyers
    *(270, 205, 158, 112, 90, 72, 56, 48, 50, 56),  # crisis
    *(135, 100, 70, 54, 44),  # statement
    *(38, 34, 30, 28, 25, 23, 22, 21, 20, 18, 16, 14, 13, 12, 11, 10, 10),  # decay
)
BREAK = 40.06  # the moment of the viral post: nothing of its hour is passed on before
FORGOTTEN = 7  # half-lives after which nobody passes a post on
RETWEET_CHARS = 140
MAX_CHARS = 280
_KINDS = {"retweet": 68, "quote": 18, "tagged": 10, "copy": 4}
_CUT_LINK = re.compile(r"https?:\S*$")
_TAGS = ("#wearables", "#tech", "#smartwatch", "#gadgets", "#Haldenvik", "#SmartWatch #Tech", "#watchfam")


@dataclass(frozen=True, slots=True)
class Post:
    """A message with its time in hours of the story. Posts have an author, articles a publisher and a slug."""

    at: float
    text: str
    label: str
    lang: str
    source: str = "x"
    author: Author | None = None
    publisher: str | None = None
    slug: str | None = None
    url: str | None = None
    hot: int = 1
    spam: bool = False
    off_topic: bool = False


@dataclass(slots=True)
class _Popular:
    """A post that may be passed on: by whom it has been, and how often it still may be."""

    post: Post
    left: int
    handles: set[str]

    def pull(self, hour: float) -> float:
        """How strongly it is passed on at an hour."""
        age = (hour - self.post.at) / (0.8 + 0.06 * min(self.post.hot, 40))  # in half-lives
        if not 0 < age < FORGOTTEN or not self.left:
            return 0.0
        reply = 0.3 if self.post.text.startswith("@") else 1.0
        return float(reply * self.post.hot * 0.5**age)


def originals(beats: list[Beat], crowd: Crowd, rng: Random) -> Iterator[Post]:
    """The posts that were written, each with a time within its beat and an author."""
    for beat in beats:
        for at, line in zip(_times(beat, rng), beat.lines, strict=True):
            yield Post(
                at=at,
                text=line.text,
                label=line.label,
                lang=line.lang,
                author=_author(line, crowd),
                hot=0 if line.off_topic else line.hot,
                spam=line.spam,
                off_topic=line.off_topic,
            )


def articles(headlines: list[Headline], sites: dict[str, str], rng: Random) -> Iterator[Post]:
    """The headlines, and the copies that other publishers print of them."""
    for headline in headlines:
        slug = headline.slug or slugify(headline.title)
        text = f"{headline.title}. {headline.more}" if headline.more else headline.title
        first = Post(
            at=headline.hour,
            text=text,
            label=headline.label,
            lang=headline.lang,
            source="news",
            publisher=headline.publisher,
            slug=slug,
            url=f"https://{sites[headline.publisher]}/{slug}",
            hot=2 * headline.hot,
        )
        yield first
        for publisher in headline.also:
            yield replace(
                first,
                at=headline.hour + rng.uniform(0.05, 0.9),
                text=f"{headline.title} - {publisher}",
                publisher=publisher,
                slug=f"{slug}--{slugify(publisher)}",
                url=f"https://{sites[publisher]}/{slug}",
                hot=0,
            )


def repeats(
    posts: list[Post], crowd: Crowd, comments: Comments, matches: Callable[[str], bool], rng: Random
) -> list[Post]:
    """Posts that pass on `posts`, as many as bring every hour to its VOLUME; each still `matches`."""
    popular = [_Popular(post, 1 + 2 * post.hot, _handles(post)) for post in posts if post.hot]
    echo = _Echo(crowd, comments, matches, rng)
    counts = [0] * len(VOLUME)
    for post in posts:
        counts[int(post.at)] += 1
    made = []
    for hour, volume in enumerate(VOLUME):
        for _ in range(volume - counts[hour]):
            at = rng.uniform(max(hour, BREAK) if hour == int(BREAK) else hour, hour + 1)
            pulls = [each.pull(at) for each in popular]
            if any(pulls):
                made.append(echo.of(rng.choices(popular, pulls)[0], at))
    return made


class _Echo:
    """Makes repeats: retweets, quotes with a remark, copies with hashtags added, plain copies, shared headlines."""

    def __init__(self, crowd: Crowd, comments: Comments, matches: Callable[[str], bool], rng: Random) -> None:
        self._crowd = crowd
        self._comments = comments
        self._matches = matches
        self._rng = rng

    def of(self, popular: _Popular, at: float) -> Post:
        """One repeat of a post, sent at an hour by someone who has not passed it on before."""
        post = popular.post
        author = self._sender(popular, at)
        popular.left -= 1
        popular.handles.add(author.handle)
        return replace(
            post, at=at, text=self._text(post), source="x", author=author, publisher=None, slug=None, url=None, hot=0
        )

    def _sender(self, popular: _Popular, at: float) -> Author:
        if popular.post.spam:
            return self._crowd.bot()
        home = self._crowd.home_at(at, popular.post.lang)
        return self._crowd.draw(home, popular.handles)

    def _text(self, post: Post) -> str:
        if post.author is None:
            return f"{post.text} {post.url}"
        if post.spam:
            return post.text
        kind = self._rng.choices(list(_KINDS), list(_KINDS.values()))[0]
        made = self._made(post, kind, post.author.handle)
        return made if made and self._matches(made) else f"RT @{post.author.handle}: {post.text}"

    def _made(self, post: Post, kind: str, handle: str) -> str:
        """The repeat of a kind; empty where the language has no remarks or the room does not suffice.

        Nobody poses as one of the cast: what they wrote is not copied.
        """
        if kind == "retweet":
            return retweet(handle, post.text)
        if kind != "quote" and handle in self._crowd.cast:
            return ""
        if kind == "copy":
            return post.text
        remarks = self._comments.get(post.lang, {}).get(post.label, [])
        added = self._rng.choice(_TAGS) if kind == "tagged" else self._rng.choice(remarks or [""])
        text = f"{post.text} {added}" if kind == "tagged" else f"{added} “{post.text}” via @{handle}"
        return text if added and len(text) <= MAX_CHARS else ""


def retweet(handle: str, text: str) -> str:
    """The classic form, cut where it gets too long; a link is kept whole or not at all."""
    full = f"RT @{handle}: {text}"
    if len(full) <= RETWEET_CHARS:
        return full
    return _CUT_LINK.sub("", full[: RETWEET_CHARS - 1]).rstrip() + "…"


def slugify(text: str) -> str:
    """Letters and digits of a title joined by hyphens, for ids and addresses."""
    plain = normalize("NFKD", text).encode("ascii", "ignore").decode().lower().replace("'", "")
    return "-".join(re.findall(r"[a-z0-9]+", plain))[:60].rstrip("-")


def _handles(post: Post) -> set[str]:
    return {post.author.handle} if post.author else set()


def _author(line: Line, crowd: Crowd) -> Author:
    if line.spam:
        return crowd.bot()
    return crowd.cast[line.by] if line.by else crowd.draw(line.home)


def _times(beat: Beat, rng: Random) -> list[float]:
    """As many times as the beat has lines, in order, denser where the stream is."""
    hours = range(int(beat.start), min(int(beat.end) + 1, len(VOLUME)))
    spans = [(max(hour, beat.start), min(hour + 1, beat.end)) for hour in hours if hour < beat.end]
    weights = [(end - start) * VOLUME[int(start)] for start, end in spans]
    return sorted(rng.uniform(*rng.choices(spans, weights)[0]) for _ in beat.lines)
