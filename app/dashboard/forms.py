"""Fields and buttons of the forms that the page's script sends: see `app.dashboard.actions`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from app.dashboard.markup import safe, visible
from app.dashboard.view import written


def attributes(given: Mapping[str, object]) -> str:
    """Attributes of a tag: a name is on for True and left out for False; the _ of a name is a -."""
    made = []
    for name, value in given.items():
        plain = name.rstrip("_").replace("_", "-")
        if value is True:
            made.append(f" {plain}")
        elif value is not False:
            made.append(f' {plain}="{safe(str(value))}"')
    return "".join(made)


def entry(name: str, label: str, *, wide: bool = False, **more: object) -> str:
    """A field to write into; `more` are attributes of the input."""
    return _labelled(label, f"<input{attributes({'name': name, **more})}>", wide=wide)


def options(name: str, label: str, choices: Sequence[tuple[str, str]], value: str = "") -> str:
    """A choice of one of (value, words)."""
    made = "".join(
        f"<option{attributes({'value': each, 'selected': each == value})}>{safe(visible(words))}</option>"
        for each, words in choices
    )
    return _labelled(label, f"<select{attributes({'name': name})}>{made}</select>", wide=False)


def check(name: str, value: str, label: str, *, on: bool) -> str:
    """Something that is on or off."""
    box = attributes({"type": "checkbox", "name": name, "value": value, "checked": on})
    return f'<label class="ep-switch"><input{box}><span>{safe(label)}</span></label>'


def moment(name: str, label: str, at: datetime | None, *, required: bool = False) -> str:
    """A time to choose, shown in the reader's zone and sent in UTC."""
    return entry(name, label, type="datetime-local", data_utc=written(at), required=required)


def hidden(**values: object) -> str:
    """Fields that are sent and not shown."""
    return "".join(
        f"<input{attributes({'type': 'hidden', 'name': name, 'value': value})}>" for name, value in values.items()
    )


def button(act: str, words: str, fields: Mapping[str, object], *, kind: str = "", sure: str = "") -> str:
    """A button that performs an action with fields of its own; `sure` is asked first."""
    given: dict[str, object] = {"type": "button", "data_act": act, "data_fields": json.dumps(fields)}
    given |= {name: value for name, value in (("class", kind), ("data_sure", sure)) if value}
    return f"<button{attributes(given)}>{safe(words)}</button>"


def form(act: str, inside: str, *, kind: str = "ep-form", reset: bool = False) -> str:
    """A form that performs an action, with the place for its answer; with `reset` it is empty after that."""
    given: dict[str, object] = {"data_act": act, "data_actions": True, "class": kind}
    if reset:
        given["data_after"] = "reset"
    return f"<form{attributes(given)}>{inside}<div data-answer></div></form>"


def _labelled(label: str, control: str, *, wide: bool) -> str:
    return f'<label class="ep-field{" ep-wide" if wide else ""}"><span>{safe(label)}</span>{control}</label>'
