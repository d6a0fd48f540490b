"""Tables that a phone can show: there each row becomes a block, and each cell says what it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.dashboard.markup import safe, visible


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML; the first names its row. Nothing without rows. On a phone each row is a block."""
    body = "".join(
        f'<tr role="row"><th role="rowheader" scope="row">{first}</th>'
        + "".join(
            f'<td role="cell" data-name="{safe(name)}">{cell}</td>' for name, cell in zip(head[1:], rest, strict=True)
        )
        + "</tr>"
        for first, *rest in rows
    )
    if not body:
        return ""
    names = "".join(f'<th role="columnheader" scope="col">{safe(name)}</th>' for name in head)
    kind = "ep-plain ep-two" if len(head) == 2 else "ep-plain"
    return (
        f'<table class="{kind}" role="table"><caption class="ep-hidden">{safe(visible(caption))}</caption>'
        f'<thead role="rowgroup"><tr role="row">{names}</tr></thead><tbody role="rowgroup">{body}</tbody></table>'
    )
