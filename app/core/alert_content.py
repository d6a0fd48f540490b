"""What a message to a channel says. Every text that came from outside is as it came: who writes it out escapes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from app.core.incidents import Change, Kind, Severity
from app.core.prevalence import Share
from app.core.text import clean

SHOWN: Final = 5
"""Incidents that a message for people shows at most; it counts the others."""

_LONGEST_QUOTE: Final = 280


@dataclass(frozen=True, slots=True)
class Step:
    """One change of an incident. `at` is in the time of the messages; `text` says it in words."""

    revision: int
    change: Change
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Phrase:
    """What distinguishes the window. `times` is how many times the usual share of authors, at least, uses it."""

    text: str
    authors: int
    times_low: float


@dataclass(frozen=True, slots=True)
class Exemplar:
    """The message that stands for a story, with how many there are of the story."""

    id: str
    text: str
    source: str
    created_at: datetime
    url: str | None
    messages: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why. `note` says what the reader must know of it: that it is a sample, or why there is none."""

    phrases: tuple[Phrase, ...] = ()
    exemplars: tuple[Exemplar, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An incident in a message. `steps` are the changes told, the latest last; the figures are those of the moment.

    `headline` is the whole of it in a sentence, `findings` what each test saw. Shares are over distinct scored
    messages with their 95 % intervals. `source` is the only one that stood out, None for several. `url` opens the
    incident on the dashboard.
    """

    event_id: str
    event_name: str
    number: int
    severity: Severity
    kinds: tuple[Kind, ...]
    source: str | None
    is_open: bool
    started_at: datetime
    opened_at: datetime
    ended_at: datetime | None
    steps: tuple[Step, ...]
    headline: str
    findings: tuple[str, ...]
    raw: int
    distinct: int
    negative: Share | None
    negative_before: Share | None
    url: str
    evidence: Evidence | None = None

    @property
    def title(self) -> str:
        """The event, the incident and what became of it, in a line."""
        return f"{clean(self.event_name)}: incident {self.number} {self.steps[-1].text}"


@dataclass(frozen=True, slots=True)
class Alert:
    """A message to a channel: of one incident, or of several that were gathered, the most severe first.

    Without entries it is a test of the channel. `id` stays the same however often the message is sent.
    """

    id: str
    entries: tuple[Entry, ...] = ()

    @property
    def subject(self) -> str:
        """What it is about, in a line."""
        if not self.entries:
            return "EventPulse: test of this channel"
        worst = self.entries[0].severity.name
        if len(self.entries) == 1:
            return f"{worst}: {self.entries[0].title}"
        return f"{worst}: {len(self.entries)} incidents, {clean(self.entries[0].title)} and {self.others(1)}"

    def others(self, shown: int) -> str:
        """How many incidents there are beyond those shown, in words; empty without any."""
        left = len(self.entries) - shown
        return f"{left} more" if left > 0 else ""


def quote(text: str, longest: int = _LONGEST_QUOTE) -> str:
    """Somebody's text on one line, without control and bidi characters, cut; still to be escaped."""
    line = clean(text)
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def most_severe_first(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries in the order in which people should read them."""
    return tuple(sorted(entries, key=lambda entry: (-entry.severity, entry.started_at)))


def incident_url(public_url: str, event_id: str, number: int) -> str:
    """Where the dashboard shows an incident."""
    return f"{public_url.rstrip('/')}/incidents?{urlencode({'event': event_id, 'incident': number})}"
