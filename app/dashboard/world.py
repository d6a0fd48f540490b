"""The outlines of the world, and where on them countries are that are too small for one."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import Final

from app.dashboard.markup import safe
from app.dashboard.theme import ASSETS

LAND: Final = "ep-land"
"""The id of all countries together, for `<use>`."""


@dataclass(frozen=True, slots=True)
class World:
    """What `pipelines.world_map` made: paths and points by ISO 3166 alpha-2, in a picture of `width` by `height`."""

    width: int
    height: int
    shapes: dict[str, str]
    points: dict[str, tuple[int, int]]

    def has(self, country: str) -> bool:
        """Whether a country is on the map."""
        return country in self.shapes or country in self.points


@functools.cache
def world() -> World:
    """The world, read once."""
    read = json.loads((ASSETS / "world.json").read_text("utf-8"))
    points = {code: (int(x), int(y)) for code, (x, y) in read["points"].items()}
    return World(read["width"], read["height"], read["shapes"], points)


def outline_id(country: str) -> str:
    """The id of a country's outline or point, for `<use>`."""
    return f"ep-world-{country}"


@functools.cache
def outlines() -> str:
    """All outlines as HTML that shows nothing: the map refers to them, so that an update needs to send none."""
    shapes = "".join(f'<path id="{safe(outline_id(code))}" d="{safe(path)}"/>' for code, path in world().shapes.items())
    # A line of no length with round ends is a dot that keeps its size however wide the map is.
    dots = "".join(
        f'<path id="{safe(outline_id(code))}" class="ep-dotted" d="M{x} {y}h0"/>'
        for code, (x, y) in world().points.items()
    )
    return f'<svg width="0" height="0" aria-hidden="true"><defs><g id="{LAND}">{shapes}</g>{dots}</defs></svg>'
