from __future__ import annotations

from app.dashboard.tables import table


def test_a_table_names_its_cells_for_a_phone_and_for_a_screen_reader() -> None:
    html = table("Caption", ("Row", "Cell"), [["a", "1"]])
    assert '<caption class="ep-hidden">Caption</caption>' in html
    assert 'scope="row">a</th><td role="cell" data-name="Cell">1</td>' in html
    assert table("Caption", ("Row", "Cell"), []) == ""
