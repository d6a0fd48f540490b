"""Pictures of the pages for the docs, of the demo that runs at URL.

python -m tests.dashboard.screenshots OUT URL           # all
python -m tests.dashboard.screenshots OUT URL map event # some
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

from PIL import Image
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

from tests.dashboard.browsing import chromium

_EVENT: Final = "event=lumen-watch-launch"
PAGES: Final = {
    "dashboard": (f"event?{_EVENT}", 1440, 900),
    "overview": ("", 1440, 900),
    "event": (f"event?{_EVENT}", 1440, 1500),
    "map": (f"map?{_EVENT}&window=3d", 1440, 1060),
    "compare": (f"compare?{_EVENT}&s1=lumen-watch-launch&s2=world-cup-final", 1440, 1500),
    "incidents": (f"incidents?{_EVENT}&incident=1", 1440, 1400),
    "feedback": (f"feedback?{_EVENT}", 1440, 900),
    "models": ("models", 1440, 1400),
    "sources": (f"sources?{_EVENT}", 1440, 1000),
    "overview-390": ("", 390, 1000),
    "event-390": (f"event?{_EVENT}", 390, 1300),
    "incidents-390": (f"incidents?{_EVENT}&incident=1", 390, 1300),
    "feedback-390": (f"feedback?{_EVENT}", 390, 1000),
}
"""By the name of the picture: the page, and the width and height of the screen."""

_READY: Final = (
    "return document.querySelector('#ep-main') && !document.querySelector('[data-panel][aria-busy]')"
    " && !document.body.classList.contains('ep-moving')"
    " && [...document.querySelectorAll('.js-plotly-plot')].every((plot) => plot.querySelector('.main-svg .trace'))"
)
_COLOURS: Final = 256
_MOST_BYTES: Final = 200_000


def picture(browser: webdriver.Chrome, address: str, width: int, height: int) -> bytes:
    """The page as a PNG of few colours. Raises ValueError where that is too large for the docs."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    browser.get(address)
    WebDriverWait(browser, 120).until(lambda found: found.execute_script(_READY))
    taken = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    out = io.BytesIO()
    counted = Counter(zip(*[iter(taken.tobytes())] * 3, strict=True))
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for colour, _ in counted.most_common(_COLOURS) for channel in colour])
    few = taken.quantize(palette=palette, dither=Image.Dither.NONE)  # no colour that is frequent is changed
    few.save(out, "PNG", optimize=True)
    if out.tell() > _MOST_BYTES:
        raise ValueError(f"{address} takes {out.tell():,} bytes: make it lower")
    return out.getvalue()


def main() -> None:
    """Take the pictures."""
    out, url = Path(sys.argv[1]), sys.argv[2].rstrip("/")
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder)) as browser:
        for name in sys.argv[3:] or PAGES:
            page, width, height = PAGES[name]
            (out / f"{name}.png").write_bytes(picture(browser, f"{url}/{page}", width, height))


if __name__ == "__main__":
    main()
