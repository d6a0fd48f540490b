"""The page in a browser: it updates in place, runs nothing that people wrote, and asks nothing from outside."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from app.core.types import Label
from app.dashboard.mount import dashboard_app
from tests.dashboard.fake_service import EVENT, HOSTILE, NOON, FakeService, busy_service, message, some_statuses

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,900",
)


@pytest.fixture
def service() -> FakeService:
    made = busy_service(NOON, 400)
    hostile = [message(9000 + n, NOON - timedelta(seconds=10 + n), text=text) for n, text in enumerate(HOSTILE)]
    made.add(EVENT, *hostile)
    return made


@pytest.fixture
def address(service: FakeService) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

        async def made() -> FastAPI:  # Gradio leaves a loop behind where none is running
            return dashboard_app(service, service.clock)

        config = uvicorn.Config(asyncio.run(made()), log_level="error", timeout_graceful_shutdown=3)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [free]})
        thread.start()
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Driver("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def requested(browser: webdriver.Chrome) -> set[str]:
    """The places that the page asked."""
    entries = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in entries if e["method"] == "Network.requestWillBeSent"]
    return {url.split("/")[2] for url in urls if url.startswith(("http", "ws"))}


def test_the_page_lives(service: FakeService, address: str, browser: webdriver.Chrome) -> None:
    wait = WebDriverWait(browser, 60)
    browser.get(f"{address}/?event=vision-pro&window=6h")
    wait.until(
        lambda d: d.find_elements(By.CSS_SELECTOR, ".ep-plot .main-svg") and d.find_elements(By.TAG_NAME, "article")
    )
    assert browser.find_element(By.CSS_SELECTOR, ".ep-headline h1").text.startswith("Negative share")
    assert HOSTILE[0] in browser.find_element(By.CSS_SELECTOR, ".ep-list").text
    assert browser.execute_script("return window.hacked ?? null") is None

    zoom = "const p = document.querySelector('.ep-plot'); p.kept = 1; Plotly.relayout(p, {'xaxis.range': arguments})"
    browser.execute_script(zoom, "2026-11-23T08:00", "2026-11-23T10:00")
    service.add(EVENT, message(9999, NOON, Label.NEGATIVE, "The newest of all."), statuses=some_statuses(NOON))
    wait.until(lambda d: "The newest of all." in d.find_element(By.CSS_SELECTOR, ".ep-list").text)
    shown = "const p = document.querySelector('.ep-plot'); return [p.kept, ...p.layout.xaxis.range.map(String)]"
    kept = browser.execute_script(shown)
    assert kept[0] == 1
    assert [edge[:13].replace("T", " ") for edge in kept[1:]] == ["2026-11-23 08", "2026-11-23 10"]

    text = browser.find_element(By.CSS_SELECTOR, "#ep-filters [placeholder=battery]")
    text.send_keys("newest")
    wait.until(lambda d: "text=newest" in d.current_url and len(d.find_elements(By.TAG_NAME, "article")) == 1)
    assert "window=6h" in browser.current_url
    browser.refresh()
    wait.until(lambda d: len(d.find_elements(By.TAG_NAME, "article")) == 1)
    assert requested(browser) == {address.removeprefix("http://")}
