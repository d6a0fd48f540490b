"""The form that adds or edits an event: reading its fields, checking its query, saying what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from app.core.errors import InvalidInput
from app.core.types import Event
from app.dashboard.markup import notice, safe
from app.service import EventDraft
from app.views import DialectCheck, QueryCheck

NAMES = {
    "name": "Name",
    "query": "Query",
    "languages": "Languages",
    "countries": "Countries",
    "starts_at": "Start",
    "ends_at": "End",
    "read_budget": "Read budget",
}


@dataclass(frozen=True, slots=True)
class Fields:
    """What stands in the form."""

    name: str = ""
    query: str = ""
    languages: str = ""
    countries: str = ""
    starts_at: str = ""
    ends_at: str = ""
    read_budget: str = ""

    @classmethod
    def of(cls, event: Event) -> Fields:
        """An event as the form shows it."""
        return cls(
            name=event.name,
            query=event.query,
            languages=", ".join(event.languages),
            countries=", ".join(event.countries),
            starts_at=_written(event.starts_at),
            ends_at=_written(event.ends_at),
            read_budget="" if event.read_budget is None else str(event.read_budget),
        )

    def draft(self) -> EventDraft:
        """The event that is described. Raises InvalidInput with the field and what to write there."""
        if not self.name.strip():
            raise InvalidInput("give the event a name", field="name")
        if not self.query.strip():
            raise InvalidInput("say what to look for", field="query")
        try:
            return EventDraft(
                name=self.name.strip(),
                query=self.query.strip(),
                languages=codes(self.languages),
                countries=codes(self.countries),
                starts_at=_moment(self.starts_at, "starts_at"),
                ends_at=_moment(self.ends_at, "ends_at"),
                read_budget=_whole(self.read_budget),
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidInput(str(first["msg"]), field=str(first["loc"][0]) if first["loc"] else None) from error


def codes(text: str) -> tuple[str, ...]:
    """The codes in a list with commas or blanks."""
    return tuple(dict.fromkeys(code for code in re.split(r"[,;\s]+", text) if code))


def _written(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if moment else ""


def _moment(text: str, field: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(f"{text.strip()!r} is not a time: write it like 2026-11-23 14:00", field=field) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _whole(text: str) -> int | None:
    plain = re.sub(r"[\s,_]", "", text)
    if not plain:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", plain):
        raise InvalidInput(f"{text.strip()!r} is not a whole number of posts", field="read_budget")
    return int(plain)


def refusal(error: InvalidInput) -> str:
    """Why the event was not saved, as HTML."""
    field = NAMES.get(error.field or "", error.field or "")
    return notice("error", f"Not saved. {field}:" if field else "Not saved.", safe(str(error)))


def _dialect(check: DialectCheck) -> str:
    asked = f"<code dir='auto'>{safe(check.text)}</code>" if check.text else "<em>can't be asked this</em>"
    problems = "".join(f"<li>{safe(problem)}</li>" for problem in check.problems)
    return f"<dt>{safe(check.dialect)}</dt><dd>{asked}{f'<ul>{problems}</ul>' if problems else ''}</dd>"


def report(check: QueryCheck, text: str) -> str:
    """What a query was understood as, or where its mistake is, as HTML."""
    if not text.strip():
        return '<p class="ep-none">Write a query to see what each source would be asked.</p>'
    if check.ok:
        asked = "".join(_dialect(dialect) for dialect in check.dialects)
        known = f"<code dir='auto'>{safe(check.canonical or '')}</code>"
        return f'<div class="ep-check"><p>Understood as {known}</p><dl>{asked}</dl></div>'
    at = min(check.position or 0, len(text))
    here = safe(text[at : at + 1]) or "&nbsp;"
    marked = f'{safe(text[:at])}<mark class="ep-caret">{here}</mark>{safe(text[at + 1 :])}'
    said = f"At character {at + 1}: {safe(check.error or '')}"
    return f'<div class="ep-check" role="status"><pre>{marked}</pre><p class="ep-wrong">{said}</p></div>'
