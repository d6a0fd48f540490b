"""The Feedback page in a browser: keys, undo, a store that refuses, and messages that would like to run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from app.adapters.database import storable
from app.core.feedback import MessageVerdict
from app.core.types import Event, Label
from tests.dashboard.browsing import chromium, requested, served
from tests.dashboard.rig import EVENT, Rig, record
from tests.fakes.clock import START as NOON
from tests.fakes.hostile import PAYLOADS

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")]
BODY = (By.TAG_NAME, "body")
LABELS = (Label.NEGATIVE, Label.NEUTRAL, Label.POSITIVE)


@pytest.fixture
def filled(rig: Rig) -> Rig:
    rig.watch()
    rig.put(*(record(n, NOON - timedelta(minutes=n), LABELS[n % 3], said=f"Message number {n}.") for n in range(60)))
    return rig


@pytest.fixture
def address(filled: Rig) -> Iterator[str]:
    with served(filled) as found:
        yield found


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path / "browser") as made:
        yield made


class Page:
    """What somebody does on the page, and sees."""

    def __init__(self, browser: webdriver.Chrome, address: str, query: str = f"?event={EVENT.id}") -> None:
        self.browser = browser
        self.wait = WebDriverWait(browser, 60)
        browser.get(f"{address}/feedback{query}")
        self.wait.until(lambda _: self.seen("[data-about] li"))

    def seen(self, selector: str) -> str:
        """The text of the elements of a selector."""
        script = "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent).join('|')"
        found: str = self.browser.execute_script(script, selector)
        return found

    @property
    def text(self) -> str:
        """The message."""
        return self.seen("[data-text]")

    def press(self, *keys: str) -> None:
        """Press keys, each by itself."""
        for key in keys:
            self.browser.find_element(*BODY).send_keys(key)

    def wait_for(self, selector: str, text: str) -> None:
        """Until there is such a text."""
        self.wait.until(lambda _: text in self.seen(selector))


def said(rig: Rig) -> list[tuple[str, str]]:
    """What stands in the log: (text of the message, verdict)."""
    rows = rig.store.feedback.log(EVENT.id)
    texts = rig.store.some(EVENT.id, [row.message_id for row in rows])
    return [(texts[row.message_id].message.text, row.verdict.value) for row in rows]


def test_messages_are_judged_with_keys(filled: Rig, address: str, browser: webdriver.Chrome) -> None:
    page = Page(browser, address)
    shown = []
    for key in "1230s":
        shown.append(page.text)
        page.press(key)
    assert len(set(shown)) == 5
    page.wait_for("[data-count]", "analyst · 4 judged, 1 skipped in this event · 5 here")
    page.wait.until(lambda _: len(said(filled)) == 5)
    verdicts = ["negative", "neutral", "positive", "off_topic", "skipped"]
    assert said(filled) == list(zip(shown, verdicts, strict=True))
    strata = {row.stratum for row in filled.store.feedback.log()}
    assert len(strata) > 1
    page.wait_for("#ep-labels", "4 messages judged by 1 person")

    page.press("u", "u")
    page.wait.until(lambda _: page.text == shown[3])
    page.wait.until(lambda _: len(said(filled)) == 7)
    assert page.seen("[aria-pressed=true]") == ""
    page.press("3")
    page.wait.until(lambda _: said(filled)[-1] == (shown[3], "positive"))

    page.press("k")
    assert page.text == shown[3]
    assert "You said positive; the model:" in page.seen("[data-said]")
    assert page.seen("[aria-pressed=true]").startswith("Positive")
    page.press("j", "j")
    assert page.text not in shown[:4]

    browser.refresh()
    page.wait_for("[data-count]", "analyst · 4 judged in this event · 0 here")
    assert page.text not in shown[:4]
    assert f"event={EVENT.id}" in browser.current_url
    assert requested(browser) == {address.removeprefix("http://")}


def test_all_of_an_event_can_be_judged_and_taken_back(filled: Rig, address: str, browser: webdriver.Chrome) -> None:
    page = Page(browser, address)
    for _ in range(60):
        page.wait.until(lambda _: page.seen("[data-about] li"))
        page.press("2")
    page.wait_for("[data-text]", "You have judged all there is")
    assert len({text for text, _ in said(filled)}) == 60
    page.press("u")
    page.wait.until(lambda _: page.seen("[data-about] li") != "")
    assert page.text == said(filled)[59][0]


def test_the_keyboard_is_enough_and_typing_a_name_judges_nothing(
    filled: Rig, address: str, browser: webdriver.Chrome
) -> None:
    page = Page(browser, address)
    page.browser.find_element(By.CSS_SELECTOR, ".ep-judge-you summary").send_keys(Keys.ENTER)
    name = page.browser.find_element(By.CSS_SELECTOR, "[data-who]")
    name.send_keys("Ann 1230 sujk", Keys.TAB)
    page.wait_for("[data-count]", "Ann 1230 sujk · 0 judged")
    assert said(filled) == []
    page.wait.until(lambda _: page.seen("[data-about] li"))
    shown = page.text
    page.browser.find_element(By.CSS_SELECTOR, "[data-verdict=neutral]").send_keys(Keys.ENTER)
    page.wait.until(lambda _: said(filled) == [(shown, "neutral")])
    assert browser.switch_to.active_element.get_attribute("data-verdict") == "neutral"
    assert filled.store.feedback.log()[0].who == "Ann 1230 sujk"
    keys = page.browser.find_element(By.CSS_SELECTOR, "[data-keys]")
    browser.execute_script("arguments[0].click()", keys)
    page.press("1")
    assert page.seen("[data-status]").startswith("Neutral.")
    browser.refresh()
    page.wait_for("[data-count]", "Ann 1230 sujk · 1 judged")


def test_what_is_not_stored_comes_back_and_says_why(filled: Rig, address: str, browser: webdriver.Chrome) -> None:
    page = Page(browser, address)
    shown = page.text
    with filled.broken():
        page.press("1")
        page.wait_for("[data-trouble] [role=alert]", "Not done.")
        assert page.text == shown
    assert said(filled) == []
    page.press("1")
    page.wait.until(lambda _: said(filled) == [(shown, "negative")])
    page.wait.until(lambda _: page.seen("[data-trouble]") == "")


def test_nothing_that_people_wrote_runs(filled: Rig, address: str, browser: webdriver.Chrome) -> None:
    hostile = Event("hostile", "<img src=x onerror=window.__ran=1>", "x")
    filled.watch(hostile)
    texts = [text for text in PAYLOADS if storable(text)]
    made = [record(n, NOON - timedelta(seconds=n), said=text, publisher=text) for n, text in enumerate(texts)]
    filled.put(*made, event=hostile)
    assert len(texts) >= 200
    page = Page(browser, address, "?event=hostile")
    browser.execute_script(
        "window.seen = new Set(); const text = document.querySelector('[data-text]');"
        "const look = () => window.seen.add(text.textContent); look();"
        "new MutationObserver(look).observe(text, { childList: true, characterData: true, subtree: true });"
    )
    for _ in texts:
        page.wait.until(lambda _: page.seen("[data-about] li"))
        page.press("s")
    page.wait_for("[data-text]", "You have judged all there is")
    seen = set(browser.execute_script("return [...window.seen]"))
    assert {text for text in texts if text not in seen} == set()
    assert browser.execute_script("return window.__ran ?? null") is None
    inside = "return [...document.querySelectorAll('.ep-judge *')].map((each) => each.nodeName.toLowerCase())"
    ours = {"details", "summary", "div", "label", "span", "input", "p", "ul", "li", "bdi", "time", "button", "i", "kbd"}
    assert set(browser.execute_script(inside)) <= ours | {"h3", "ol", "q"}
    assert requested(browser) == {address.removeprefix("http://")}


@pytest.mark.parametrize("width", [390, 1920])
def test_it_fits_and_everything_has_a_name_and_a_size(
    filled: Rig, address: str, browser: webdriver.Chrome, width: int
) -> None:
    long = record(500, NOON, said="An_unbroken_word_" * 60 + " and a long text. " * 200, author="an_author_" * 9)
    filled.put(long)
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page = Page(browser, address)
    while not page.text.startswith("An_unbroken"):
        page.press("j")
    for verdict in (MessageVerdict.NEGATIVE, MessageVerdict.NEUTRAL):
        filled.store.feedback.judge(EVENT.id, "m1", verdict, who=verdict.value)
    page.wait_for("#ep-labels", "2 people")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    small = browser.execute_script(
        "return [...document.querySelectorAll('.ep-judge button, .ep-judge summary, #ep-controls select')]"
        ".filter((each) => each.checkVisibility()).map((each) => [each.textContent, each.getBoundingClientRect()])"
        ".filter(([, box]) => box.height < 40 || box.width < 40).map(([text]) => text)"
    )
    assert small == []
    last = browser.find_element(By.CSS_SELECTOR, "[data-undo]").rect
    assert last["y"] + last["height"] <= 844  # the keys are on the screen, however long the message
    for element in browser.find_elements(By.CSS_SELECTOR, ".ep-judge button"):
        assert element.accessible_name in {
            "Negative", "Neutral", "Positive", "Off-topic", "Previous", "Next", "Skip", "Undo",
        }  # fmt: skip
        assert element.get_attribute("aria-keyshortcuts") in set("1230kjsu")
