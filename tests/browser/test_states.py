"""What the page says and shows on a job's way, and when something is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.jobs.job import FailureCode
from app.jobs.previews import Previews
from app.settings import Settings
from tests.app.front_end import FrontEnd, serving
from tests.browser.conftest import Opening
from tests.browser.visit import draw, expect_picture, frames, newest, store_picture, wish
from tests.service import Store

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # noqa: E501


def test_the_queue_the_steps_a_preview_and_each_picture_as_it_comes(
    front_end: FrontEnd, page: Page
) -> None:
    before = front_end.submit()["id"]
    tray = page.locator("#tray")
    wish(page, "two fish", images=2)
    expect(tray).to_contain_text("1 job before it, ready in about 1.5 s.")

    front_end.worker.draw(before)
    expect(tray).to_contain_text("Next in the queue")
    job_id = newest(front_end)
    lease = front_end.worker.take(job_id)
    front_end.worker.step(job_id, lease, 7)
    expect(tray).to_contain_text("step 7 of 20")
    expect(tray.get_by_role("progressbar")).to_have_js_property("value", 0.35)

    assert Previews(front_end.services.redis).publish(job_id, lease, {1: PIXEL})  # somebody wishes
    expect(tray.locator("[data-index='1'] .preview")).to_be_visible()

    store_picture(front_end, job_id, lease, 0)
    expect(tray.get_by_role("img", name="two fish (1 of 2)")).to_be_visible()
    expect(tray).to_contain_text("1 picture ready")
    store_picture(front_end, job_id, lease, 1)
    front_end.worker.succeed(job_id, lease)
    expect(tray.get_by_role("img", name="two fish (2 of 2)")).to_be_visible()
    expect(page.locator("#said")).to_contain_text("2 pictures ready: two fish")


def test_focus_stays_where_it_was_while_the_picture_comes(front_end: FrontEnd, page: Page) -> None:
    wish(page, "a fish")
    code = page.get_by_role("button", name="Copy as code")
    code.focus()

    draw(front_end, newest(front_end))
    expect_picture(page, "a fish")

    expect(code).to_be_focused()


def test_what_is_wrong_stands_beside_its_field(page: Page) -> None:
    page.get_by_role("button", name="Develop").click()
    prompt = page.get_by_label("What should it show?")
    expect(prompt).to_be_focused()
    expect(prompt).to_have_accessible_description("Say what the picture should show.")

    page.get_by_role("radio", name="Other").check()
    page.get_by_label("Width").fill("65")
    wish(page, "a fish")
    width = page.get_by_label("Width")
    expect(width).to_be_focused()
    expect(width).to_have_accessible_description("Must be a multiple of 8 for model 'default'.")
    expect(frames(page)).to_have_count(0)

    width.fill("72")
    page.get_by_text("More settings").click()
    page.get_by_label("Steps").fill("151")
    page.get_by_text("More settings").click()
    wish(page, "a fish")
    expect(page.get_by_label("Steps")).to_be_focused()
    page.get_by_label("Steps").fill("3")
    wish(page, "a fish")
    expect(frames(page)).to_have_count(1)


def test_a_failure_says_why(front_end: FrontEnd, page: Page) -> None:
    wish(page, "a fish")
    expect(page.locator("#tray")).to_contain_text("Next in the queue")
    job_id = newest(front_end)
    lease = front_end.worker.take(job_id)

    front_end.services.store.failed(job_id, lease, FailureCode.OUT_OF_MEMORY, "Too large a wish.")

    expect(page.locator("#tray")).to_contain_text("It failed. Too large a wish.")
    expect(frames(page).first).to_contain_text("failed")


def test_a_job_that_the_service_forgot_is_kept_as_its_request(
    front_end: FrontEnd, page: Page
) -> None:
    wish(page, "a fish")
    expect(page.locator("#tray")).to_contain_text("Next in the queue")
    front_end.http.delete(f"/v1/jobs/{newest(front_end)}")

    expect(page.locator("#tray")).to_contain_text("The service no longer keeps this job.")
    page.get_by_role("button", name="Another like it").click()
    expect(frames(page)).to_have_count(2)
    assert front_end.get(newest(front_end))["request"]["prompt"] == "a fish"


def test_the_request_is_copied_as_code_that_runs(
    front_end: FrontEnd, page: Page, tmp_path: Path
) -> None:
    wish(page, 'it\'s a "red" heart\n☃')
    draw(front_end, newest(front_end))
    expect_picture(page, 'it\'s a "red" heart ☃')
    seed = front_end.get(newest(front_end))["request"]["seed"]

    for language, shell in (("curl", ["sh", "-c"]), ("Python", [sys.executable, "-c"])):
        page.get_by_role("button", name="Copy as code").click()
        page.get_by_role("dialog").get_by_role("radio", name=language).check()
        page.get_by_role("dialog").get_by_role("button", name="Copy").click()
        expect(page.get_by_role("dialog").get_by_role("button", name="Copied")).to_be_visible()
        text = page.evaluate("() => navigator.clipboard.readText()").replace("wait=60", "wait=0")
        page.keyboard.press("Escape")
        count = len(front_end.http.get("/v1/jobs").json()["data"])

        subprocess.run([*shell, text], check=True, cwd=tmp_path, capture_output=True)

        jobs = front_end.http.get("/v1/jobs").json()["data"]
        assert len(jobs) == count + 1, text
        assert jobs[0]["request"]["prompt"] == 'it\'s a "red" heart\n☃'
        assert jobs[0]["request"]["seed"] == seed


def test_it_asks_for_the_key_once_and_keeps_it(
    store: Store, tmp_path: Path, opening: Opening
) -> None:
    settings = Settings(redis_url=store.url, data_dir=tmp_path, api_keys="me:0123456789abcdef")
    with serving(settings) as front_end:
        front_end.announce()
        page = opening(front_end.url).page
        dialog = page.get_by_role("dialog", name="key")
        dialog.get_by_role("button", name="Not now").click()
        expect(page.locator("#state")).to_contain_text("A key is needed")
        page.get_by_role("button", name="Key", exact=True).click()
        for key in ("wrong", "0123456789abcdef"):
            expect(dialog).to_be_visible()
            dialog.get_by_label("API key").fill(key)
            page.keyboard.press("Enter")
        expect(page.locator(".state[data-mood=ready]")).to_be_visible()
        page.reload()
        expect(page.locator(".state[data-mood=ready]")).to_be_visible()
        wish(page, "a fish")
        expect(page.locator("#tray")).to_contain_text("Next in the queue")
        expect(dialog).to_be_hidden()
        page.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_chosen_survives_a_reload(page: Page, theme: str) -> None:
    for _ in range({"light": 1, "dark": 2}[theme]):
        page.locator("#theme-button").click()

    page.reload()

    shown = page.evaluate("() => getComputedStyle(document.documentElement).colorScheme")
    assert shown == theme
