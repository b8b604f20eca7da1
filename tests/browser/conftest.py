"""A real browser, Debian's Chromium, that may reach the service and nothing else."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.app.conftest import front_end, served
from tests.app.front_end import FrontEnd
from tests.browser.visit import Visit

__all__ = ["front_end", "served"]  # fixtures: a service with a hand in a worker's place

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

Opening = Callable[..., Visit]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser is slow to start; and where there is none, say how to get one."""
    for item in items:
        if Path(item.path).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(180))
            if CHROMIUM is None:
                reason = "there is no Chromium: apt-get install chromium"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's own rule for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def opening(browser: Browser) -> Iterator[Opening]:
    """Opens windows of one person each; at the end nothing may have gone wrong in any."""
    visits: list[Visit] = []

    def open_window(url: str, scheme: str = "light", width: int = 1280) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            color_scheme=scheme,
            permissions=["clipboard-read", "clipboard-write"],
            reduced_motion="reduce",
        )
        context.set_default_timeout(60_000)
        visits.append(Visit(context.new_page(), url))
        visits[-1].page.goto(url)
        return visits[-1]

    yield open_window
    for visit in visits:
        visit.page.context.close()
    for visit in visits:
        visit.assert_clean()


@pytest.fixture
def page(front_end: FrontEnd, opening: Opening) -> Page:
    """The playground, its models known."""
    page = opening(front_end.url).page
    page.wait_for_selector(".state[data-mood=ready]")
    return page
