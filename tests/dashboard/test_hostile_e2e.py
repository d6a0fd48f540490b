"""Every page in a browser, over a store full of hostile texts: nothing runs, and texts are text and nothing else."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

from tests.dashboard.browsing import chromium, requested, served
from tests.dashboard.hostile_rig import CONNECTORS, EVENT, FLAGGED, INCIDENTS, NAMED, TEXTS, fill
from tests.dashboard.rig import Rig
from tests.fakes.hostile import ALARM

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")]

OURS: Final = frozenset(
    "a article b bdi blockquote br button caption code dd details div dl dt em fieldset figcaption figure footer form "
    "h1 h2 h3 i input kbd label legend li mark nav ol optgroup option output p pre q section select small span strong "
    "summary table tbody td th thead time tr ul".split()
)
"""The elements that our own markup has, pictures apart."""

DRAWN: Final = frozenset(
    "svg g path polygon polyline rect circle use symbol pattern defs title text tspan clippath line image".split()
)
"""Those of our pictures."""

LOOK: Final = """
const open = (root) => root.querySelectorAll('details').forEach((each) => { each.open = true; });
const ours = [...document.querySelectorAll('.ep-panel, .ep-head, #ep-check, #ep-answer, #ep-models, body > main')];
ours.forEach(open);
const all = [...document.querySelectorAll('body *')];
const inside = ours.flatMap((root) => [...root.querySelectorAll('*')]);
const said = (each) => `<${each.nodeName} ${[...each.attributes].map((a) => `${a.name}=${a.value}`).join(' ')}>`;
const address = /^[\\s\\x00-\\x1f]*(javascript|vbscript|data):/i;
const asks = ['href', 'xlink:href', 'src', 'srcdoc', 'action', 'formaction', 'data', 'poster', 'background'];
const pictures = '.ep-plot svg, .ep-plot .svg-container, .ep-spark svg, .ep-map svg, #ep-outlines svg, svg.chart';
const given = arguments;
const known = (each) => given[each.closest(pictures) ? 1 : 0].includes(each.nodeName.toLowerCase());
const turns = /[\\u202a-\\u202e\\u2066-\\u2069]/;
const turned = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  if (!turns.test(walker.currentNode.data)) continue;
  let each = walker.currentNode.parentElement;
  const alone = (style) => /isolate|plaintext/.test(style.unicodeBidi) || !/^(inline|contents)$/.test(style.display);
  while (!alone(getComputedStyle(each)) && each.parentElement) each = each.parentElement;
  if (each.nodeName !== 'SCRIPT') turned.add(each.textContent);
}
return {
  ran: window.__ran ?? null,
  title: document.title,
  handlers: all.filter((each) => each.getAttributeNames().some((name) => name.startsWith('on'))).map(said),
  addresses: all.filter((each) => asks.some((name) => address.test(each.getAttribute(name) ?? ''))).map(said),
  strange: inside.filter((each) => !known(each)).map(said),
  links: [...document.querySelectorAll('.ep-plot a')].map(said),
  turned: [...turned],
};
"""
"""What a page is made of, with everything on it opened."""

TOLD: Final = """
return arguments[0].map((selector) => [...document.querySelectorAll(selector)].map((each) => each.textContent));
"""


def shown(text: str) -> str:
    """A text as a page shows it: with blanks for what can't be shown."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", " ", text)


def plain(texts: list[str]) -> set[str]:
    """Texts with single blanks."""
    return {" ".join(text.split()) for text in texts}


KNOWN: Final = plain([shown(text) for text in TEXTS])
THEIRS: Final = re.compile(
    "|".join(map(re.escape, sorted(KNOWN, key=len, reverse=True))) + r"|The screen cracked|\.evil\.example|[\s,·…“”]"
)


BARE: Final = plain([re.sub("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", shown(text)) for text in TEXTS])
"""Without direction characters, as charts and reports show them."""


def ours_in(text: str) -> str:
    """What of a text is not hostile, and so is our own."""
    return THEIRS.sub("", " ".join(text.split()))


class Walk:
    """A browser on its way through the pages, and what must hold wherever it is."""

    def __init__(self, browser: webdriver.Chrome, address: str) -> None:
        self.browser = browser
        self.address = address
        self.wait = WebDriverWait(browser, 60)

    def to(self, path: str, ready: str) -> None:
        """Open a page, until there is such an element and nothing is asked for any more."""
        self.browser.get(f"{self.address}/{path}")
        self.until(ready)
        self.check()

    def until(self, ready: str) -> None:
        """Wait for an element of a page that stands still."""
        quiet = "return !document.querySelector('[aria-busy], .ep-moving') && !!document.querySelector(arguments[0])"
        self.wait.until(lambda _: self.browser.execute_script(quiet, ready))

    def go(self, **changes: str) -> None:
        """Another state of this page."""
        self.browser.execute_script("ep.go(arguments[0])", changes)
        self.until("body")
        self.check()

    def press(self, selector: str) -> bool:
        """Press a button or a link, if there is one."""
        script = "const found = document.querySelector(arguments[0]); found?.click(); return !!found"
        if not self.browser.execute_script(script, selector):
            return False
        self.until("body")
        self.check()
        return True

    def told(self, *selectors: str) -> list[list[str]]:
        """The texts of the elements of each selector."""
        found: list[list[str]] = self.browser.execute_script(TOLD, list(selectors))
        return found

    def check(self) -> None:
        """Nothing has run, no element has come out of a text, and no text turns what stands beside it around."""
        found: dict[str, Any] = self.browser.execute_script(LOOK, sorted(OURS), sorted(OURS | DRAWN))
        assert {text for text in found.pop("turned") if ours_in(text)} == set()
        title = found.pop("title")
        assert title.endswith("EventPulse") or "incident" in title or "public reaction" in title
        assert found == {"ran": None, "handlers": [], "addresses": [], "strange": [], "links": []}
        assert requested(self.browser) <= {self.address.removeprefix("http://")}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[str]:
    rig = Rig(tmp_path_factory.mktemp("hostile"), empty_database)
    fill(rig)
    with served(rig) as found:
        yield found
    rig.store.close()


@pytest.fixture(scope="module")
def walk(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        yield Walk(browser, address)


def lacks(found: list[str]) -> set[str]:
    """The payloads that were not shown whole."""
    return KNOWN - plain(found)


def test_there_is_enough_to_try() -> None:
    assert len(KNOWN) >= 200
    assert sum(ALARM in text for text in KNOWN) >= 150


def test_overview(walk: Walk) -> None:
    walk.to("", ".ep-event")
    (names,) = walk.told(".ep-event h2 bdi")
    assert plain(names) == plain([shown(event.name) for event in NAMED])
    walk.to(f"?edit=1&event={NAMED[4].id}", ".ep-event")
    walk.wait.until(
        lambda _: (
            walk.browser.execute_script("return document.querySelector('#ep-form [placeholder^=Apple]')?.value")
            == shown(NAMED[4].name)
        )
    )
    walk.check()


def test_event(walk: Walk) -> None:
    walk.to(f"event?event={EVENT.id}", ".ep-card")
    texts, people = [], []
    while True:
        cards, meta = walk.told(".ep-card .ep-text", ".ep-meta bdi")
        texts += cards
        people += meta
        if not walk.press("a.ep-button[href*=after]:last-child"):
            break
    assert lacks(texts) == set()
    assert lacks(people) == set()


def test_flags_on_the_chart(walk: Walk) -> None:
    walk.to(f"event?event={FLAGGED.id}", ".ep-plot .annotation-text")
    assert lacks(walk.told(".ep-marks bdi")[0]) == set()
    hover = """
      const flags = [...document.querySelectorAll('.annotation-text-g')];
      for (const flag of flags) flag.firstElementChild?.dispatchEvent(new MouseEvent('mouseover', { bubbles: true }));
      return flags.map((flag) => flag.textContent).filter((text) => text.startsWith('⚑'));
    """
    flags = walk.browser.execute_script(hover)
    walk.check()
    assert len(flags) > 5
    assert [flag for flag in flags if not any(flag[2:].removesuffix("…").strip() in text for text in BARE)] == []


def test_why(walk: Walk) -> None:
    walk.to(f"event?event={EVENT.id}&incident={INCIDENTS}", ".ep-stories")
    phrases, quotes, footers, sites, authors = walk.told(
        ".ep-phrases q",
        ".ep-stories blockquote p",
        ".ep-stories footer bdi",
        "[data-key=by-site] th bdi",
        "[data-key=by-author] th bdi",
    )
    assert "screen cracked" in " ".join(phrases)
    assert len(plain(quotes) & KNOWN) > 3
    assert plain(footers) & KNOWN
    assert any("window.__ran" in site for site in sites)
    assert plain(authors) & KNOWN
    assert walk.press("#ep-left a.ep-see")
    for number in range(0, len(TEXTS), 72):
        walk.go(statement=f"phrase:{TEXTS[number]}", text=TEXTS[number + 1], source=TEXTS[number + 2])
    walk.go(statement="", text="", source="", event=TEXTS[9])
    assert shown(TEXTS[9]) in walk.told("#ep-banner bdi")[0]


@pytest.mark.parametrize("query", [f"s1={EVENT.id}&s2={NAMED[1].id}", f"event={FLAGGED.id}&moment=gap"])
def test_compare(walk: Walk, query: str) -> None:
    walk.to(f"compare?{query}", ".ep-number, .ep-notice")
    while walk.press(".ep-modes a:not([aria-current]):not([data-tried])"):
        tried = "document.querySelectorAll('.ep-modes a').forEach((each) => { each.dataset.tried = ''; })"
        walk.browser.execute_script(tried)


def test_map(walk: Walk) -> None:
    walk.to(f"map?event={EVENT.id}", ".ep-map")
    walk.go(source=TEXTS[0])


def test_incidents(walk: Walk) -> None:
    walk.to(f"incidents?event={EVENT.id}&incident={INCIDENTS}", ".ep-detail")
    notes, channels, troubles = walk.told(
        ".ep-incidents .ep-choices bdi", ".ep-channels b bdi", ".ep-channels .ep-down"
    )
    assert plain(notes) == plain([shown(TEXTS[(8 * n + 3) % len(TEXTS)]) for n in range(1, INCIDENTS)])
    assert plain(channels) == plain([shown(text) for text in TEXTS[::5]])
    assert plain(troubles) & KNOWN
    for number in range(1, INCIDENTS, 4):
        walk.go(incident=str(number))
    walk.go(event="", incident="")
    walk.go(event=TEXTS[5])


def test_feedback(walk: Walk) -> None:
    walk.to(f"feedback?event={EVENT.id}", "[data-about] li")
    for _ in range(3):
        assert walk.press("[data-verdict=skipped]")
    assert walk.press("[data-undo]")


def test_models(walk: Walk) -> None:
    walk.to("models", ".ep-bench")
    scores, left_out = walk.told("#ep-models [role=rowheader]", "#ep-models .ep-note")
    assert len(scores) > 40
    assert {text for text in KNOWN if not any(text in " ".join(note.split()) for note in left_out)} == set()


def test_sources(walk: Walk) -> None:
    walk.to("sources", ".ep-source")
    names, details = walk.told(".ep-source [role=rowheader] bdi", ".ep-step bdi")
    assert plain(names) >= plain([shown(text) for text in CONNECTORS])
    assert plain(details) >= plain(
        [shown(TEXTS[(3 * n + 1) % len(TEXTS)].rstrip(". ")) for n in range(len(CONNECTORS))]
    )
    walk.go(event=EVENT.id)
    reasons, records = [], []
    while True:
        reason, record = walk.told("[data-panel=dead] li > bdi", "[data-panel=dead] pre")
        reasons += reason
        records += record
        if not walk.press("[data-panel=dead] a.ep-button[href*=after]:last-child"):
            break
    assert lacks(reasons) == set()
    assert lacks(records) == set()
    walk.go(event=TEXTS[7])


@pytest.mark.parametrize(
    ("query", "least"),
    [
        (f"event={EVENT.id}&window=1h", 5),
        (f"event={EVENT.id}&incident={INCIDENTS}", 0),
        (f"event={FLAGGED.id}", 150),
    ],
)
def test_report(walk: Walk, query: str, least: int) -> None:
    walk.to(f"report.html?{query}", "main section")
    (texts,) = walk.told("main bdi")
    assert len(BARE & plain([text.replace("\u200f", "") for text in texts])) >= least


def test_spreadsheets_get_no_formulas(address: str) -> None:
    for name in ("messages", "timeline"):
        answer = httpx.get(f"{address}/{name}.csv?event={EVENT.id}")
        rows = list(csv.reader(io.StringIO(answer.text)))
        assert len(rows) > 10
        cells = [cell for row in rows[1:] for cell in row]
        assert [cell for cell in cells if re.match(r"[\s\x00]*[=+\-@\t\r\n＝＋－＠]", cell)] == []
        assert answer.headers["content-security-policy"].endswith("sandbox")
