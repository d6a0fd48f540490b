"""Which versions of the model score the messages, as the newest messages of all events tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from app.adapters.records import MessageFilter
from app.core.errors import AppError
from app.core.types import Prediction
from app.dashboard.markup import figure, isolated, notice
from app.dashboard.tables import table
from app.service import Service
from app.services.words import percent

_MOST: Final = 500
_LEAST_EACH: Final = 20
_HEAD: Final = ("Arm", "Model", "Runs on", "Messages")


def arms(service: Service) -> str:
    """The table as HTML; what the store can't say is said."""
    try:
        found = _newest(service)
    except AppError as error:
        return notice("error", "Which arms answer can't be read right now.", isolated(f"{error}."))
    return _told(Counter((said.arm, said.model, said.backend) for said in found))


def _newest(service: Service) -> Iterable[Prediction]:
    events = list(service.versions())
    limit = max(_LEAST_EACH, _MOST // max(1, len(events)))
    pages = (service.messages(event, MessageFilter(), limit=limit) for event in events[: _MOST // _LEAST_EACH])
    return [item.prediction for page in pages for item in page.items if item.prediction]


def _told(found: Counter[tuple[str, str, str]]) -> str:
    title = "<h2>In service</h2>"
    total = found.total()
    rows = []
    for (arm, model, backend), number in found.most_common():
        said = f"{percent(number / total)} ({figure(number)} of {figure(total)})".replace(" %", "\u00a0%")
        rows.append((isolated(arm), isolated(model), isolated(backend), said))
    if not rows:
        return f'<section class="ep-bench">{title}<p class="ep-none">No message has been scored yet.</p></section>'
    return (
        f'<section class="ep-bench">{title}{table("Arms of the model that answer", _HEAD, rows)}'
        f'<p class="ep-note">Counted on the newest {figure(total)} scored messages of all events. The champion is the '
        "version that serves; another arm is a version that is being tried on a part of the messages.</p></section>"
    )
