"""Why a window differs, as a feed of its own: slower to make than the numbers, and made once a minute."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cachetools import LRUCache, cached

from app.core.errors import AppError, NotFound
from app.core.types import Label
from app.dashboard.evidence_card import card_html, chooser
from app.dashboard.live import Query
from app.dashboard.markup import isolated, notice
from app.dashboard.scope import Scope, Scopes
from app.dashboard.view import ANY, View
from app.service import Service
from app.services.evidence import Against, EvidenceCard
from app.services.insight import InsightStep

_MOST_CARDS = 64


@dataclass(frozen=True, slots=True)
class _Asked:
    view: View  # but for what only concerns the messages
    label: Label | None
    minute: int


class Desk:
    """The evidence cards that are on somebody's screen, each made once a minute. `now` is the clock, in UTC."""

    def __init__(self, service: Service, now: Callable[[], datetime]) -> None:
        self._service = service
        self._now = now
        self._scopes = Scopes(service, now)
        cards: LRUCache[Hashable, EvidenceCard] = LRUCache(_MOST_CARDS)
        self._made: Callable[[_Asked], EvidenceCard] = cached(cards, condition=threading.Condition())(self._make)

    def minute(self) -> int:
        """The number of the minute."""
        return int(self._now().timestamp() // 60)

    def card(self, scope: Scope) -> EvidenceCard:
        """The card of the stretch or window in a scope. Raises AppError."""
        view = replace(scope.view, label=ANY, text="", distinct=False, statement="", after="")
        return self._made(_Asked(view, about(scope), self.minute()))

    def _make(self, asked: _Asked) -> EvidenceCard:
        within = self._scopes.stretch(asked.view).within
        against = Against.REST if asked.view.against and asked.label else Against.BEFORE
        return self._service.evidence.card(asked.view.event, within, label=asked.label, against=against)


def about(scope: Scope) -> Label | None:
    """The label whose messages are explained; None is all."""
    chosen = scope.view.about
    if not chosen:
        return scope.stretch.label if scope.stretch else None
    return None if chosen == "all" else Label(chosen)


class WhyFeed:
    """The reasons; with `incidents_only` nothing where no incident is chosen, whatever else is selected."""

    def __init__(self, service: Service, desk: Desk, scopes: Scopes, *, incidents_only: bool = False) -> None:
        self._service = service
        self._incidents_only = incidents_only
        self._desk = desk
        self._scopes = scopes

    def revision(self, query: Query) -> Hashable:
        """The minute."""
        return self._desk.minute()

    def panels(self, query: Query) -> Mapping[str, str]:
        """The card as HTML. Raises AppError."""
        scope = self._scopes.stretch(View.from_query(query))
        view = scope.view
        if not view.event or (self._incidents_only and view.incident is None):
            return {"why": ""}
        card = self._desk.card(scope)
        if view.incident is not None:
            self._service.insight.record(view.event, view.incident, InsightStep.EVIDENCE)
        return {"why": chooser(scope, about(scope)) + card_html(card, view)}

    def failed(self, error: AppError) -> Mapping[str, str]:
        """The reasons could not be found; where there is no such event the page says so, and shows another one."""
        if isinstance(error, NotFound):
            return {"why": ""}
        return {"why": notice("error", "The reasons can't be found right now.", f"{isolated(str(error))}.")}
