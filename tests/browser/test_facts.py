"""Facts of both pages: their weight, whom they ask, and that axe-core finds nothing wrong."""

import importlib.util
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.app.front_end import FrontEnd
from tests.browser.conftest import Opening
from tests.browser.visit import draw, expect_picture, newest, wish

MAX_BYTES = 150_000
MAX_DOCS_BYTES = 200_000  # more than half of it is the description of all five dialects
LOOKS = [("light", 1280), ("dark", 1280), ("light", 375), ("dark", 375)]


def axe() -> str:
    """axe-core's own file, out of the package that carries it."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec
    assert spec.origin
    return (Path(spec.origin).parent / "axe.min.js").read_text()


def violations(page: Page) -> list[str]:
    """What axe-core finds, each with the elements it means."""
    page.evaluate(axe())
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{one['id']}: {[node['html'][:120] for node in one['nodes']]}" for one in found]


@pytest.mark.parametrize(("path", "most"), [("/", MAX_BYTES), ("/docs", MAX_DOCS_BYTES)])
def test_a_page_weighs_little_and_asks_nobody_else(
    front_end: FrontEnd, opening: Opening, path: str, most: int
) -> None:
    visit = opening(front_end.url + path)
    visit.page.wait_for_load_state("networkidle")

    answers = {answer.url: answer for answer in visit.answers if "/v1/" not in answer.url}
    weight = sum(len(answer.body()) for answer in answers.values())
    print(f"{path}: {weight} bytes in {len(answers)} files, foreign: {visit.foreign}")  # noqa: T201
    assert len(answers) > 6
    assert weight < most
    assert visit.foreign == []


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_axe_finds_nothing_on_the_playground(
    front_end: FrontEnd, opening: Opening, scheme: str, width: int
) -> None:
    page = opening(front_end.url, scheme, width).page
    page.wait_for_selector(".state[data-mood=ready]")
    found = {"empty": violations(page)}

    page.get_by_text("More settings").click()
    page.get_by_role("radio", name="Other").check()
    page.get_by_role("button", name="Develop").click()
    found["errors"] = violations(page)

    wish(page, "two fish", images=2)
    expect(page.locator("#tray")).to_contain_text("Next in the queue")
    found["waiting"] = violations(page)
    draw(front_end, newest(front_end))
    expect_picture(page, "two fish (1 of 2)")
    found["drawn"] = violations(page)

    page.get_by_role("button", name="Copy as code").click()
    found["code"] = violations(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Key", exact=True).click()
    found["key"] = violations(page)
    assert {state: wrong for state, wrong in found.items() if wrong} == {}
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_axe_finds_nothing_in_the_reference(
    front_end: FrontEnd, opening: Opening, scheme: str, width: int
) -> None:
    page = opening(f"{front_end.url}/docs", scheme, width).page
    expect(page.get_by_role("heading", name="POST /v1/jobs", exact=True)).to_be_visible()

    for closed in page.locator("summary").all():
        closed.click()
    assert violations(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_the_reference_has_every_operation_and_finds_them(
    front_end: FrontEnd, opening: Opening
) -> None:
    page = opening(f"{front_end.url}/docs").page
    schema = front_end.http.get("/openapi.json").json()
    operations = sum(len(methods) for methods in schema["paths"].values())

    expect(page.locator("#operations section")).to_have_count(operations)
    page.get_by_label("Find an operation").fill("cancel")
    expect(page.locator("#contents li:visible")).not_to_have_count(operations)
    page.get_by_role("link", name="POST /v1/jobs/{job_id}/cancel").click()
    expect(page.locator("section:target")).to_contain_text("End the job before its next")
    expect(page.locator("section:target pre")).to_contain_text("curl -s -X POST")
    expect(page.locator("#post-v1-images-inspect pre")).to_contain_text("--data-binary @file.png")
    openai = page.locator("#post-v1-images-generations pre")
    expect(openai).to_contain_text('{"prompt":"a red heart on a yellow background"}')
