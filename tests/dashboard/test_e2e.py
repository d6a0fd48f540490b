"""The pages in a browser: they update in place, run nothing that people wrote, and ask nothing from outside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from app.core.incidents import Change
from app.core.types import Label
from tests.dashboard.browsing import chromium, requested, served
from tests.dashboard.rig import HOSTILE, NOON, Rig, an_incident, fill, record

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")]


@pytest.fixture
def lively(rig: Rig) -> Rig:
    fill(rig, 400)
    hostile = [record(9000 + n, NOON - timedelta(seconds=10 + n), said=said) for n, said in enumerate(HOSTILE)]
    rig.put(*hostile)
    rig.incident(an_incident(1, hours_ago=2))
    return rig


@pytest.fixture
def address(lively: Rig) -> Iterator[str]:
    with served(lively) as found:
        yield found


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path) as made:
        yield made


def text_of(browser: webdriver.Chrome, selector: str) -> str:
    """The text of all elements of a selector."""
    found: str = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map((each) => each.innerText).join('\\n')", selector
    )
    return found


def drag(browser: webdriver.Chrome, low: float, high: float) -> None:
    """Drag over the chart, from one part of its width to another."""
    stage = browser.find_element(By.CSS_SELECTOR, ".ep-stage")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", stage)
    width = stage.size["width"]
    left, right = (round(48 + part * (width - 60) - width / 2) for part in (low, high))
    moves = ActionChains(browser).move_to_element_with_offset(stage, left, -40).click_and_hold()
    moves.move_by_offset((right - left) // 2, 0).move_by_offset(
        right - left - (right - left) // 2, 0
    ).release().perform()


def test_the_event_page_lives(lively: Rig, address: str, browser: webdriver.Chrome) -> None:
    wait = WebDriverWait(browser, 60)
    browser.get(f"{address}/event?event=vision-pro&window=6h")
    wait.until(
        lambda d: d.find_elements(By.CSS_SELECTOR, ".ep-plot .main-svg") and d.find_elements(By.TAG_NAME, "article")
    )
    assert browser.find_element(By.CSS_SELECTOR, ".ep-headline h1").text.startswith("Negative share")
    assert HOSTILE[0] in text_of(browser, ".ep-list")
    assert "high, open" in text_of(browser, ".ep-marks")

    zoom = "const p = document.querySelector('.ep-plot'); p.kept = 1; Plotly.relayout(p, {'xaxis.range': arguments})"
    browser.execute_script(zoom, "2026-11-23T08:00", "2026-11-23T10:00")
    lively.put(record(9999, NOON, Label.NEGATIVE, "The newest of all."))
    wait.until(lambda d: "The newest of all." in text_of(d, ".ep-list"))
    shown = "const p = document.querySelector('.ep-plot'); return [p.kept, ...p.layout.xaxis.range.map(String)]"
    kept = browser.execute_script(shown)
    assert kept[0] == 1
    assert [edge[:13].replace("T", " ") for edge in kept[1:]] == ["2026-11-23 08", "2026-11-23 10"]

    drag(browser, 0.25, 0.75)
    wait.until(lambda d: "start=2026-11-23T08" in d.current_url and "end=2026-11-23T09" in d.current_url)
    wait.until(lambda d: "Messages, 08:" in text_of(d, "#ep-right h2") and "Why, 08:" in text_of(d, "#ep-left h2"))
    assert browser.execute_script(shown)[0] == 1
    named = browser.find_element(By.XPATH, "//*[@id='ep-left']//details[.//a[contains(@class, 'ep-see')]]")
    if named.get_attribute("open") is None:
        named.find_element(By.TAG_NAME, "summary").click()
    named.find_element(By.CLASS_NAME, "ep-see").click()
    wait.until(lambda d: "statement=" in d.current_url and "Show all" in text_of(d, "#ep-right h2"))
    browser.back()
    browser.back()
    wait.until(lambda d: "start=" not in d.current_url and "Messages in the window" in text_of(d, "#ep-right h2"))

    search = browser.find_element(By.CSS_SELECTOR, "[data-name=text]")
    search.send_keys("newest")
    wait.until(lambda d: "text=newest" in d.current_url and len(d.find_elements(By.TAG_NAME, "article")) == 1)
    assert "window=6h" in browser.current_url
    browser.refresh()
    wait.until(lambda d: len(d.find_elements(By.TAG_NAME, "article")) == 1)
    carried = browser.find_element(By.CSS_SELECTOR, "#ep-pages a").get_attribute("href")
    assert carried is not None
    assert carried.endswith("/?event=vision-pro&window=6h")

    browser.find_element(By.CSS_SELECTOR, ".ep-adding summary").click()
    browser.find_element(By.CSS_SELECTOR, "[name=text]").send_keys(HOSTILE[0])
    at = browser.find_element(By.CSS_SELECTOR, "[name=at]")
    browser.execute_script("arguments[0].value = '2026-11-23T11:00'", at)
    browser.find_element(By.CSS_SELECTOR, ".ep-adding .ep-primary").click()
    wait.until(lambda d: HOSTILE[0] in text_of(d, ".ep-marks"))
    browser.find_element(By.CSS_SELECTOR, ".ep-marks [data-act=unannotate]").click()
    wait.until(lambda d: HOSTILE[0] not in text_of(d, ".ep-marks"))

    assert browser.execute_script("return window.hacked ?? null") is None
    assert requested(browser) == {address.removeprefix("http://")}


def test_an_update_keeps_what_the_reader_has_opened_and_a_reload_what_the_address_says(
    lively: Rig, address: str, browser: webdriver.Chrome
) -> None:
    wait = WebDriverWait(browser, 60)
    browser.get(f"{address}/event?event=gone")
    wait.until(lambda d: "is not watched" in text_of(d, "#ep-banner") and "event=vision-pro" in d.current_url)
    browser.get(f"{address}/event?event=vision-pro&start=2026-11-23T08:00:00Z&end=2026-11-23T11:00:00Z&label=negative")
    wait.until(lambda d: "Messages, 08:" in text_of(d, "#ep-right h2") and "Why, 08:" in text_of(d, "#ep-left h2"))
    browser.execute_script(
        "for (const each of document.querySelectorAll('.ep-panel details')) each.open = !each.open;"
        "const p = document.querySelector('.ep-plot');"
        "Plotly.relayout(p, {'xaxis.range': ['2026-11-23T07:00', '2026-11-23T11:00']});"
    )
    browser.find_element(By.CSS_SELECTOR, ".ep-adding [name=text]").send_keys("half a sent")
    seen = (
        "const p = document.querySelector('.ep-plot');"
        "const written = document.querySelector('.ep-adding [name=text]');"
        "return [[...document.querySelectorAll('.ep-panel details')].map((each) => each.open), written.value,"
        " document.activeElement === written, p.layout.xaxis.range.map(String), window.location.search]"
    )
    before, told = browser.execute_script(seen), text_of(browser, ".ep-headline h1")
    lively.put(record(9999, NOON - timedelta(hours=2), Label.NEGATIVE, "The newest of all."))
    wait.until(lambda d: text_of(d, ".ep-headline h1") != told and "The newest of all." in text_of(d, ".ep-list"))
    assert browser.execute_script(seen) == before

    browser.refresh()
    wait.until(lambda d: "The newest of all." in text_of(d, ".ep-list") and "Why, 08:" in text_of(d, "#ep-left h2"))
    assert browser.execute_script("return document.querySelector('[data-name=label]').value") == "negative"
    assert browser.execute_script("return window.location.search") == before[-1]

    stage = browser.find_element(By.CSS_SELECTOR, ".ep-stage")
    wait.until(lambda d: d.find_elements(By.CSS_SELECTOR, ".ep-plot .main-svg"))
    stage.send_keys(Keys.ARROW_RIGHT)
    wait.until(
        lambda d: "start=2026-11-23T09%3A00%3A00Z" in d.current_url and "Messages, 09:" in text_of(d, "#ep-right h2")
    )
    stage.send_keys(Keys.ESCAPE)
    wait.until(lambda d: "start=" not in d.current_url)


def test_the_overview_lives(lively: Rig, address: str, browser: webdriver.Chrome) -> None:
    wait = WebDriverWait(browser, 60)
    browser.get(address)
    wait.until(lambda d: "incident 1" in text_of(d, ".ep-event .ep-state"))
    assert "has no verdict yet" in text_of(browser, ".ep-notice")
    browser.execute_script("document.querySelector('.ep-event').kept = 1")
    lively.incident(an_incident(1, hours_ago=2, hours=1, revision=2), Change.CLOSED)
    wait.until(lambda d: text_of(d, ".ep-event .ep-state") == "calm" and not text_of(d, ".ep-notice"))
    assert browser.execute_script("return document.querySelector('.ep-event').kept") == 1
    browser.find_element(By.CSS_SELECTOR, ".ep-event a").click()
    wait.until(lambda d: "/event?event=vision-pro" in d.current_url and "Negative share" in text_of(d, ".ep-headline"))
