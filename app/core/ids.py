"""The ids that people see."""

from __future__ import annotations

import re

from app.core.errors import InvalidInput


def slug(name: str) -> str:
    """The id of an event: its name in lower case letters, digits and hyphens. Raises InvalidInput when none is left."""
    made = re.sub(r"[^\w]+", "-", name.casefold()).strip("-_")[:60].strip("-_")
    if not made:
        raise InvalidInput(f"the name {name!r} has no letter or digit", field="name")
    return made
