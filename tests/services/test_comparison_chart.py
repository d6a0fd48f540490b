from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from app.services.aligned import aligned
from app.services.comparison import Comparison
from app.services.comparison_chart import COLOURS, chart
from tests.services.test_aligned import compared, side

SVG = "{http://www.w3.org/2000/svg}"


def drawn(found: Comparison) -> ElementTree.Element:
    made = chart(found, aligned(found))
    return ElementTree.fromstring(made.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def texts(root: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in root.iter(f"{SVG}text")]


def test_nothing_is_drawn_of_nothing() -> None:
    nothing = compared(side([]), side([]))
    assert chart(nothing, aligned(nothing)) == ""


def test_each_side_has_two_lines_of_its_colour_and_its_number() -> None:
    root = drawn(compared(side([(n, 20, 20) for n in range(288)]), side([(n, 10, 30) for n in range(288)])))
    lines = [line.get("stroke") for line in root.iter(f"{SVG}polyline")]
    assert lines == [COLOURS[0], COLOURS[0], COLOURS[1], COLOURS[1]]
    assert [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "sign"] == ["1", "2"]


def test_a_line_breaks_where_nothing_came() -> None:
    steps = [(n, 20, 20) for n in range(288) if not 100 < n < 150]
    root = drawn(compared(side(steps), side([(n, 20, 20) for n in range(288)])))
    assert [line.get("stroke") for line in root.iter(f"{SVG}polyline")].count(COLOURS[0]) == 4


def test_the_axis_is_that_of_the_alignment() -> None:
    busy = [(n, 20, 20) for n in range(288)]
    found = compared(side(busy), side(busy))
    assert {"0 h", "3 h", "24 h", "hours after the start of each"} <= set(texts(drawn(found)))
    assert {"12:00", "15:00", "24 Nov", "time, UTC"} <= set(texts(drawn(replace(found, align="clock"))))


def test_the_chart_says_that_it_is_not_corrected() -> None:
    assert any("as classified" in text for text in texts(drawn(compared(*[side([(0, 20, 20)])] * 2))))
