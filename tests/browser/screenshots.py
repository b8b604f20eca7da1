"""The page's pictures in `docs/`: the whole service, real drawings, a real browser.

`make screenshots` writes page-{desktop,phone}-{light,dark}.png.
"""

import os
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, StorageState, expect, sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.browser.visit import frames, wish
from tests.service import eventually, free_port

DOCS = Path(__file__).parent.parent.parent / "docs"
WISHES = [  # the last one lies in the tray
    ("a blue fish", 1),
    ("a green tree with red apples", 1),
    ("a smiling cat", 4),
    ("a yellow star on a dark blue background", 1),
    ("a mushroom with a red cap", 1),
    ("a cup of hot coffee", 1),
    ("a red heart on a yellow background", 2),
]
SIZES = {"desktop": (1280, 860, 1.25), "phone": (390, 1440, 1.5)}
SEED = 11
DRAWN_MS = 600_000


def main() -> None:
    """Draw on a service of its own, then look at it four times."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        port = free_port()
        command = [sys.executable, "-m", "app.cli", "up", "--port", str(port), "--data-dir", folder]
        service = subprocess.Popen(command)
        url = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: is_ready(url), 300, every_s=0.5)
            arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
            known = draw_all(browser, url)
            for name in SIZES:
                for scheme in ("light", "dark"):
                    photograph(browser, url, known, name, scheme)
            browser.close()
        finally:
            service.terminate()
            service.wait()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").is_success
    except httpx.TransportError:
        return False


def draw_all(browser: Browser, url: str) -> StorageState:
    """What a browser remembers after all wishes have come true."""
    context = window(browser, "desktop", "light")
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(".state[data-mood=ready]")
    page.get_by_text("More settings").click()
    page.get_by_label("Seed", exact=True).fill(str(SEED))
    for prompt, images in WISHES:
        wish(page, prompt, images)
        expect(page.locator("html")).to_have_attribute("data-busy", "false", timeout=DRAWN_MS)
    page.get_by_label("Seed", exact=True).fill("")
    state = context.storage_state()
    context.close()
    return state


def photograph(browser: Browser, url: str, known: StorageState, name: str, scheme: str) -> None:
    context = window(browser, name, scheme, known)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector(".state[data-mood=ready]")
    expect(frames(page)).to_have_count(len(WISHES))
    page.wait_for_load_state("networkidle")
    time.sleep(1)  # for lazily loaded frames to be painted
    shot = Image.open(BytesIO(page.screenshot())).convert("RGB")
    file = DOCS / f"page-{name}-{scheme}.png"
    colours = shot.quantize(256)  # dithered to them: half the bytes, and no bands
    shot.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG).save(file, optimize=True)
    context.close()


def window(
    browser: Browser, name: str, scheme: str, known: StorageState | None = None
) -> BrowserContext:
    width, height, scale = SIZES[name]
    return browser.new_context(
        viewport={"width": width, "height": height},
        device_scale_factor=scale,
        color_scheme=scheme,
        storage_state=known,
        reduced_motion="reduce",
    )


if __name__ == "__main__":
    main()
