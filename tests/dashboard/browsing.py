"""The dashboard of a rig on a port of its own, and a browser to look at it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver

from app.dashboard.mount import dashboard_app
from tests.dashboard.rig import Rig

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def served(rig: Rig) -> Iterator[str]:
    """The address of the rig's dashboard, for so long."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

        async def made() -> FastAPI:  # Gradio leaves a loop behind where none is running
            return dashboard_app(rig.service, rig.clock, rig.settings)

        config = uvicorn.Config(asyncio.run(made()), log_level="error", timeout_graceful_shutdown=3)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [free]})
        thread.start()
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(timeout=20)


@contextmanager
def chromium(folder: Path, width: int = 1440, height: int = 900) -> Iterator[webdriver.Chrome]:
    """A browser of that size that keeps what it keeps in the folder; the test is skipped where there is none."""
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium")
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--window-size={width},{height}", f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Driver("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def requested(browser: webdriver.Chrome) -> set[str]:
    """The places that the pages asked."""
    log: list[dict[str, str]] = browser.execute("getLog", {"type": "performance"})["value"]
    entries = [json.loads(entry["message"])["message"] for entry in log]
    urls = [each["params"]["request"]["url"] for each in entries if each["method"] == "Network.requestWillBeSent"]
    return {url.split("/")[2] for url in urls if url.startswith(("http", "ws"))}
