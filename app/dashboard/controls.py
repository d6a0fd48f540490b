"""Controls that write into the page's URL: the page's script sets the parameter that a control names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from app.dashboard.markup import safe, visible
from app.dashboard.view import ANY, WINDOWS, View, country_name, source_name

Choices: TypeAlias = Sequence[tuple[str, str]]
"""What can be chosen: (words, value)."""

_STRETCH = "start end incident statement against after"


def choice(
    name: str, label: str, choices: Choices, value: str, *, default: str = ANY, clears: str = "", key: str = ""
) -> str:
    """A choice of one. `default` is what the URL leaves out; `clears` are the parameters that fall with a change."""
    options = "".join(
        f'<option value="{safe(each)}"{" selected" if each == value else ""}>{safe(visible(words))}</option>'
        for words, each in choices
    )
    marks = f'data-name="{safe(name)}" data-default="{safe(default)}" data-clears="{safe(clears)}"'
    return (
        f'<label class="ep-field" data-key="{safe(key or name)}"><span>{safe(label)}</span>'
        f"<select {marks}>{options}</select></label>"
    )


def search(name: str, label: str, value: str, placeholder: str, *, clears: str = "") -> str:
    """A text to look for."""
    return (
        f'<label class="ep-field" data-key="{safe(name)}"><span>{safe(label)}</span>'
        f'<input type="search" data-name="{safe(name)}" data-clears="{safe(clears)}" value="{safe(value)}" '
        f'placeholder="{safe(placeholder)}" maxlength="200" autocomplete="off"></label>'
    )


def switch(name: str, label: str, on: bool, *, clears: str = "") -> str:
    """Something that is on or off."""
    return (
        f'<label class="ep-switch" data-key="{safe(name)}"><input type="checkbox" data-name="{safe(name)}" value="1" '
        f'data-clears="{safe(clears)}"{" checked" if on else ""}><span>{safe(label)}</span></label>'
    )


def drawer(summary: str, fields: Iterable[str]) -> str:
    """Controls that a phone shows when asked, and a wide screen always. `summary` says what is chosen."""
    return (
        f'<details class="ep-drawer"><summary>{safe(visible(summary))}</summary>'
        f'<div class="ep-fields" role="group" aria-label="What is shown">{"".join(fields)}</div></details>'
    )


def event_controls(view: View, events: Choices, sources: Sequence[str], countries: Sequence[str]) -> str:
    """The event, its window, and what narrows it down. A choice that has no messages (yet) stays a choice."""
    windows = [(words, window) for window, (words, _) in WINDOWS.items()]
    source_choices = narrowing("All sources", sources, view.source, source_name)
    country_choices = narrowing("All countries", countries, view.country, country_name)
    chosen_words = [
        *(words for words, event in events if event == view.event),
        WINDOWS[view.window][0],
        *(words for words, source in source_choices if source == view.source),
        *(words for words, country in country_choices if country == view.country),
    ]
    fields = (
        choice("event", "Event", events, view.event, default="", clears=f"source country label text {_STRETCH}"),
        choice("window", "Window", windows, view.window, default="24h", clears="after"),
        choice("source", "Source", source_choices, view.source, clears="statement after"),
        choice("country", "Country", country_choices, view.country, clears="statement after"),
    )
    return drawer(" · ".join(chosen_words), fields)


def narrowing(every: str, found: Sequence[str], current: str, name: Callable[[str], str]) -> Choices:
    """Everything, or one of those found; what is chosen stays among them."""
    kept = list(found) if current in (ANY, *found) else [*found, current]
    return [(every, ANY), *((name(value), value) for value in kept)]
