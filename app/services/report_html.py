"""A report as one HTML file: nothing to load, nothing that runs, fit to print. Every foreign text is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Final

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_STYLE: Final = """
:root{--ink:#1c1f24;--soft:#5b616b;--rule:#d9dce1;--paper:#fff;--fill:#f5f6f8}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:960px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:26px;line-height:1.25;margin:0 0 6px}h2{font-size:18px;margin:36px 0 8px}
p{margin:6px 0}.lead{font-size:19px;line-height:1.4;margin:14px 0}.soft{color:var(--soft);font-size:13px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px;margin:8px 0}
caption{text-align:left;color:var(--soft);font-size:13px;padding:4px 0}
th,td{text-align:left;padding:6px 10px 6px 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:600}td.n,th.n{text-align:right}
blockquote{margin:10px 0;padding:8px 14px;border-left:3px solid var(--rule);background:var(--fill)}
blockquote{overflow-wrap:anywhere}
blockquote footer{color:var(--soft);font-size:13px;margin-top:4px}
.wide{overflow-x:auto}.whole{white-space:nowrap}.wide td:first-child{min-width:7em}
svg.chart{width:100%;height:auto;min-width:560px}
svg .label{font:11px system-ui,sans-serif;fill:#5b616b}svg .sign{font:bold 11px system-ui,sans-serif;fill:#1c1f24}
svg .axis,svg .tick{stroke:#8a8f98}svg .half{stroke:#d9dce1;stroke-dasharray:3 3}
svg .band{fill:#D55E00;opacity:.18}svg .share{fill:none;stroke:#D55E00;stroke-width:1.6}svg .point{fill:#D55E00}
svg .incident{fill:#D55E00;opacity:.1}svg .flag{stroke:#1c1f24;stroke-dasharray:2 3}
.key span{display:inline-block;margin-right:14px}.key i{display:inline-block;width:11px;height:11px;margin-right:5px}
ul{margin:6px 0;padding-left:20px}details{margin:10px 0}summary{cursor:pointer;min-height:24px}
@media print{main{max-width:none;padding:0}h2{break-after:avoid}blockquote,tr,svg{break-inside:avoid}
details>*{display:block}.soft{color:#444}}
"""


def said(text: str) -> str:
    """A foreign text, inert: escaped, its direction its own, without control characters."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return f"<bdi>{escape(_CONTROL.sub(' ', whole), quote=True)}</bdi>"


def ours(text: str) -> str:
    """A sentence of our own, which may quote a name."""
    return said(text).removeprefix("<bdi>").removesuffix("</bdi>")


def time(moment: datetime | None) -> str:
    """A time in UTC; a report is read in other zones than it was made in."""
    return "–" if moment is None else f"{moment.day} {moment:%b %Y %H:%M} UTC"


def page(title: str, parts: Iterable[str]) -> str:
    """The whole file. The policy in its head keeps a browser from loading or running anything."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{ours(title)}</title><style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>"
    )


def section(title: str, *parts: str) -> str:
    """A part of the report; nothing where all its parts are empty."""
    body = "".join(parts)
    return f"<section><h2>{ours(title)}</h2>{body}</section>" if body else ""


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    """A table of cells that are HTML; `numbers` are the columns that hold figures. Nothing without rows."""
    right = set(numbers)

    def cells(kind: str, row: Sequence[str]) -> str:
        return "".join(
            f"<{kind}{' class=n' if place in right else ''}>{cell}</{kind}>" for place, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    if not body:
        return ""
    names = cells("th", [ours(name) for name in head])
    return (
        f'<div class="wide"><table><caption>{ours(caption)}</caption><thead><tr>{names}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def key(colours: Mapping[str, str]) -> str:
    """What the colours of the chart mean."""
    return (
        '<p class="key soft">'
        + "".join(f'<span><i style="background:{colour}"></i>{ours(name)}</span>' for name, colour in colours.items())
        + "</p>"
    )


def listed(items: Iterable[str]) -> str:
    """A list of items that are HTML; nothing without any."""
    made = "".join(f"<li>{item}</li>" for item in items)
    return f"<ul>{made}</ul>" if made else ""


def numbered(items: Iterable[str]) -> str:
    """The sentences to begin with, numbered as on the chart; items are HTML."""
    return f'<ol class="lead">{"".join(f"<li>{item}</li>" for item in items)}</ol>'


def whole(text: str) -> str:
    """A figure with its interval, which no line breaks."""
    return f'<span class="whole">{ours(text)}</span>'
