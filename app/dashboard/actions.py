"""What people can do on the pages, by name: the page's script sends a name and fields, and gets HTML to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pydantic import ValidationError

from app.core.errors import AppError, InvalidInput
from app.dashboard.markup import notice, safe

Fields: TypeAlias = Mapping[str, Any]
"""The fields of a form as the browser sent them: text, or a list of texts; nothing in them is to be trusted."""

Action: TypeAlias = Callable[[Fields], str]
"""Does what it is named for and gives HTML that says so. Raises AppError, or pydantic's ValidationError."""


class Actions:
    """The actions of all pages."""

    def __init__(self, actions: Mapping[str, Action]) -> None:
        self._actions = actions

    def act(self, request: Any) -> dict[str, Any]:
        """Perform [name, fields]: whether it was done, and HTML for the reader."""
        try:
            name, fields = request
            action = self._actions[name]
        except (TypeError, ValueError, KeyError):
            return {"ok": False, "html": notice("error", "Nothing was done.", "Load the page anew and try again.")}
        try:
            return {"ok": True, "html": action(fields if isinstance(fields, dict) else {})}
        except ValidationError as error:
            first = error.errors()[0]
            said = InvalidInput(str(first["msg"]), field=str(first["loc"][0]) if first["loc"] else None)
            return {"ok": False, "html": refused(said)}
        except AppError as error:
            return {"ok": False, "html": refused(error)}


def refused(error: AppError) -> str:
    """Why nothing was done, as HTML."""
    field = error.field if isinstance(error, InvalidInput) else None
    where = f" {field.replace('_', ' ').capitalize()}:" if field else ""
    return notice("error", f"Not done.{where}", safe(str(error)))


def text(fields: Fields, name: str) -> str:
    """A field as text; empty where it is not given."""
    value = fields.get(name, "")
    return value if isinstance(value, str) else ""


def several(fields: Fields, name: str) -> list[str]:
    """A field of which there may be several."""
    value = fields.get(name, [])
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, str)]


def whole(fields: Fields, name: str) -> int:
    """A field as a whole number. Raises InvalidInput."""
    value = str(fields.get(name, ""))
    if not value.isdecimal() or len(value) > 9:
        raise InvalidInput(f"{value!r} is not a whole number", field=name)
    return int(value)
