"""What a user can ask: the one code path behind the HTTP API and the dashboard."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from app.adapters.database import storable
from app.adapters.records import DeadLetterPage, Facets, MessageFilter, MessagePage
from app.adapters.store import Store
from app.classification import Classify
from app.core.errors import AppError, InvalidInput, QueryError
from app.core.ids import slug
from app.core.query import Dialect, compile_for, parse, render
from app.core.types import Count, Event, Label, SourceStatus
from app.services.alerts import Alerts
from app.services.annotations import Annotations
from app.services.before_after import BeforesAfters
from app.services.comparison import Comparisons
from app.services.comparison_report import ComparisonReports
from app.services.evidence import Evidence
from app.services.feedback import Feedback
from app.services.geography import Geographies
from app.services.incidents import Incidents
from app.services.insight import Insight
from app.services.report import Reports
from app.services.shares import Shares, alike, classified, correction_of, differences, shares_of
from app.services.windows import live_to, moment, sources_down, step, window
from app.settings import Settings
from app.views import (
    Basis,
    DialectCheck,
    EventSummary,
    Health,
    Overview,
    QueryCheck,
    Selection,
    Statuses,
    Timeline,
)

_PROBE_S = 5.0


class EventDraft(BaseModel):
    """An event as a user writes it. Languages are ISO 639-1, countries ISO 3166 alpha-2."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=120, examples=["Apple Vision Pro launch"])
    query: str = Field(min_length=1, max_length=4096, examples=['"Vision Pro" OR #VisionPro -giveaway'])
    languages: tuple[str, ...] = Field(default=(), max_length=20, examples=[["en"]])
    countries: tuple[str, ...] = Field(default=(), max_length=60, examples=[["US", "GB"]])
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    read_budget: int | None = Field(default=None, ge=0, le=3_000_000, examples=[5000])


class Service:
    """Answers questions about events. `classify` sends texts to the model; `now` is the clock, in UTC."""

    def __init__(
        self,
        store: Store,
        classify: Classify,
        settings: Settings,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._classify = classify
        self._settings = settings
        self._now = now
        self._shares = Shares.measured(store, settings)
        self.alerts = Alerts(store, settings, now)
        self.annotations = Annotations(store, now)
        self.feedback = Feedback(store, settings)
        self.geography = Geographies(store, self._shares, now)
        self.evidence = Evidence(store, now)
        self.incidents = Incidents(store, now, self._shares)
        self.insight = Insight(store)
        self.comparisons = Comparisons(store, self._shares, now)
        self.before_after = BeforesAfters(store, self.comparisons, now)
        self.reports = Reports(self, self.incidents, self.evidence, self.annotations, now)
        self.comparison_reports = ComparisonReports(self.comparisons, self.before_after, self.evidence, now)

    # Events

    def events(self) -> list[EventSummary]:
        """All events, the newest first, with what has been counted for each."""
        versions = self._store.versions()
        statuses = self._store.statuses()
        return [
            self._summary(
                event, versions.get(event.id, 0), [status for status in statuses if status.event_id == event.id]
            )
            for event in self._store.events()
        ]

    def summary(self, event_id: str) -> EventSummary:
        """One event with what has been counted for it, at least up to its `version`. Raises NotFound."""
        version = self._store.version(event_id)
        return self._summary(self._store.event(event_id), version, self._store.statuses(event_id))

    def _summary(self, event: Event, version: int, statuses: Sequence[SourceStatus]) -> EventSummary:
        total = sum(self._store.totals(event.id).values(), Count())
        return EventSummary(event, total.raw, total.distinct, live_to(statuses), version)

    def event(self, event_id: str) -> Event:
        """One event. Raises NotFound."""
        return self._store.event(event_id)

    def create_event(self, draft: EventDraft) -> Event:
        """Begin to watch an event. Raises QueryError, or InvalidInput when there is one of that name already."""
        event = self._from_draft(slug(draft.name), draft)
        if any(other.id == event.id for other in self._store.events()):
            raise InvalidInput(f"there is an event {event.id!r} already: choose another name or edit it", field="name")
        return self._store.put_event(event)

    def update_event(self, event_id: str, draft: EventDraft) -> Event:
        """Change an event and keep its messages. Raises NotFound, QueryError or InvalidInput."""
        self._store.event(event_id)
        return self._store.put_event(self._from_draft(event_id, draft))

    def delete_event(self, event_id: str) -> None:
        """Forget an event and all its messages. Raises NotFound."""
        self._store.delete_event(event_id)

    def _from_draft(self, event_id: str, draft: EventDraft) -> Event:
        for field, text in (("name", draft.name), ("query", draft.query)):
            if not storable(text):
                raise InvalidInput(f"the event's {field} has characters that cannot be stored", field=field)
        parse(draft.query)
        for field, codes in (("languages", draft.languages), ("countries", draft.countries)):
            for code in codes:
                if not re.fullmatch(r"[A-Za-z]{2}", code):
                    raise InvalidInput(f"{code!r} is not a two-letter code", field=field)
        starts_at = moment(draft.starts_at, "starts_at") if draft.starts_at else None
        ends_at = moment(draft.ends_at, "ends_at") if draft.ends_at else None
        if starts_at and ends_at and ends_at <= starts_at:
            raise InvalidInput("the event ends before it starts", field="ends_at")
        return Event(
            id=event_id,
            name=draft.name.strip(),
            query=draft.query.strip(),
            languages=tuple(code.lower() for code in draft.languages),
            countries=tuple(code.upper() for code in draft.countries),
            starts_at=starts_at,
            ends_at=ends_at,
            read_budget=draft.read_budget,
        )

    def check_query(self, text: str, languages: tuple[str, ...] = ()) -> QueryCheck:
        """Whether a query is understood, and what each source would be asked. Never raises on bad text."""
        try:
            query = parse(text)
        except QueryError as error:
            return QueryCheck(False, None, error.reason, error.position, ())
        compiled = [(dialect.value, compile_for(query, dialect, languages)) for dialect in Dialect]
        dialects = tuple(DialectCheck(name, made.text, made.problems) for name, made in compiled)
        return QueryCheck(True, render(query), None, None, dialects)

    # Numbers

    def overview(self, event_id: str, selection: Selection) -> Overview:
        """The headline of an event in the selected window. Raises NotFound or InvalidInput."""
        event = self._store.event(event_id)
        version = self._store.version(event_id)
        statuses = self._store.statuses(event_id)
        start, end = window(self._store, event_id, selection, statuses, self._now)
        counts = self._totals(event_id, selection, start, end)
        before = self._totals(event_id, selection, start - (end - start), start)
        scored, then = alike(
            self._shares.look(event_id, start, end, counts),
            self._shares.look(event_id, start - (end - start), start, before),
        )
        total = sum(counts.values(), Count())
        return Overview(
            event=event,
            start=start,
            end=end,
            counts=counts,
            shares=shares_of(scored),
            classified=classified(scored.counts),
            correction=correction_of(scored),
            previous_negative=shares_of(then).get(Label.NEGATIVE),
            change=differences(scored, then).get(Label.NEGATIVE),
            basis=Basis(
                raw=total.raw,
                distinct=total.distinct,
                unscored=counts[Label.UNSCORED].raw,
                models=scored.models,
                live_to=live_to(statuses),
                sources_down=sources_down(statuses),
            ),
            version=version,
        )

    def timeline(self, event_id: str, selection: Selection, step_s: int | None = None) -> Timeline:
        """Counts per step in the selected window; without `step_s` the finest step that stays readable.

        Raises NotFound, or InvalidInput for a step that is none of `STEPS` or too fine for the window.
        """
        version = self._store.version(event_id)
        statuses = self._store.statuses(event_id)
        start, end = window(self._store, event_id, selection, statuses, self._now)
        width, grain = step(step_s, (end - start).total_seconds())
        start = datetime.fromtimestamp(math.floor(start.timestamp() / width) * width, UTC)
        source, country = selection.source, selection.country
        steps = self._store.timeline(event_id, grain, start, end, source=source, country=country, step_s=width)
        return Timeline(
            event_id=event_id,
            start=start,
            end=end,
            step_s=width,
            buckets=tuple(steps),
            live_to=live_to(statuses),
            version=version,
        )

    def facets(self, event_id: str) -> Facets:
        """The sources and countries that can be selected. Raises NotFound."""
        self._store.event(event_id)
        return self._store.facets(event_id)

    def version(self, event_id: str) -> int:
        """Grows with every change of the event; cheap to ask. Raises NotFound."""
        return self._store.version(event_id)

    def versions(self) -> dict[str, int]:
        """The versions of all events; as cheap as that of one."""
        return self._store.versions()

    # Messages and sources

    def messages(
        self, event_id: str, where: MessageFilter, *, limit: int = 50, after: str | None = None
    ) -> MessagePage:
        """A page of messages, newest first. Raises NotFound, or InvalidInput for a bad cursor or limit."""
        if not 1 <= limit <= 500:
            raise InvalidInput(f"a limit of {limit}: choose 1 to 500", field="limit")
        self._store.event(event_id)
        return self._store.messages(event_id, where, limit=limit, after=after)

    def sources(self, event_id: str) -> Statuses:
        """How each source of the event is doing. Raises NotFound."""
        self._store.event(event_id)
        statuses = tuple(self._store.statuses(event_id))
        return Statuses(statuses, sum(status.dead_letters for status in statuses))

    def dead_letters(self, event_id: str, *, limit: int = 50, after: str | None = None) -> DeadLetterPage:
        """Records that could not be used, the latest first. Raises NotFound or InvalidInput."""
        if not 1 <= limit <= 500:
            raise InvalidInput(f"a limit of {limit}: choose 1 to 500", field="limit")
        self._store.event(event_id)
        return self._store.dead_letters(event_id, limit=limit, after=after)

    # The model

    async def health(self) -> Health:
        """Whether the database answers and the model classifies."""
        parts: dict[str, str | None] = {}
        for name, probe in (("store", self._probe_store), ("model", self._probe_model)):
            try:
                async with asyncio.timeout(_PROBE_S):
                    await probe()
            except AppError as error:
                parts[name] = str(error)
            except TimeoutError:
                parts[name] = f"no answer within {_PROBE_S:.0f} seconds"
            else:
                parts[name] = None
        return Health(not any(parts.values()), parts)

    async def _probe_store(self) -> None:
        await asyncio.to_thread(self._store.versions)

    async def _probe_model(self) -> None:
        await self._classify(["ready?"])

    # Helpers

    def _totals(self, event_id: str, selection: Selection, start: datetime, end: datetime) -> dict[Label, Count]:
        found = self._store.totals(event_id, start, end, source=selection.source, country=selection.country)
        return {label: found.get(label, Count()) for label in Label}
