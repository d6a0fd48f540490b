"""Texts as attackers write them: what must never run, be rendered, or turn a line around, wherever it is shown."""

from __future__ import annotations

from itertools import product

_TAGS = [
    "<script>{}</script>",
    "<img src=x onerror={}>",
    "<svg onload={}>",
    "<svg><script>{}</script></svg>",
    "<svg><animate onbegin={} attributeName=x dur=1s>",
    "<iframe srcdoc='<script>{}</script>'>",
    "<body onload={}>",
    "<details open ontoggle={}>",
    "<video><source onerror={}>",
    "<input autofocus onfocus={}>",
    "<a href='javascript:{}'>x</a>",
    "<math><mtext><mglyph><style><img src onerror={}></style>",
    "<style>@import 'javascript:{}';</style>",
    "<object data='javascript:{}'>",
    "<form action='javascript:{}'><button>x</button></form>",
    "<meta http-equiv=refresh content='0;url=javascript:{}'>",
    "<template><img src=x onerror={}></template>",
    "<b onmouseover={}>x</b>",
    "<marquee onstart={}>x</marquee>",
    "<link rel=stylesheet href='javascript:{}'>",
]
_WRAPS = ["{}", '">{}', "'>{}", "</title>{}", "</textarea>{}", "</script>{}", "-->{}", "]]>{}"]
_MARKDOWN = [
    "[x](javascript:{})",
    "![x](javascript:{})",
    "[x]: javascript:{}",
    "<javascript:{}>",
    "`` <img src=x onerror={}> ``",
    "# <script>{}</script>",
    "$\\href{{javascript:{}}}{{x}}$",
    "$$\\htmlClass{{x}}{{<img src=x onerror={}>}}$$",
]
_FORMULAS = [
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://127.0.0.1/?"&A1,"x")',
    "+1+1",
    "-1+1",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "＝1＋1",
    " =1+1",
    '=IMPORTXML("http://127.0.0.1/","//a")',
]
_TURNED = [
    "\u202egnp.exe",
    "\u2066left\u2069 \u2067right\u2069",
    "a\u200fb\u061cc",
    "\u202a\u202b\u202c\u202d\u202e",
    "z\u0300\u0301\u0302" * 40,
    "\ufeff\u200b\u200c\u200d\u2060",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "line\r\nSet-Cookie: a=b",
    "null\ufffdbyte",
    "{{7*7}} ${7*7} #{7*7} <%= 7*7 %> {% raw %}",
    "' OR '1'='1'; DROP TABLE messages; --",
    "<!--#exec cmd='ls'-->",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "@everyone <!channel> <http://127.0.0.1|click>",
]

ALARM = "window.__ran=1"
"""What every payload that runs would do: a browser test looks for it."""

PAYLOADS: tuple[str, ...] = (
    *(wrap.format(tag.format(ALARM)) for tag, wrap in product(_TAGS, _WRAPS)),
    *(text.format(ALARM) for text in _MARKDOWN),
    *_FORMULAS,
    *_TURNED,
    *(f"{tag.format(ALARM)} {text}" for tag, text in zip(_TAGS, _TURNED, strict=False)),
)
"""At least 200, all different."""

assert len(set(PAYLOADS)) == len(PAYLOADS) >= 200
