"""A person's first visit, on real parts: before the worker is there, and until pictures are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opening
from tests.browser.visit import expect_picture, frames, wish
from tests.service import Service, Store


@pytest.fixture
def service(store: Store, checkpoint: Path, tmp_path: Path) -> Iterator[Service]:
    """The API alone; the worker comes when the story says so."""
    service = Service(store, checkpoint, tmp_path, job_lease_s="2")
    service.start_api()
    yield service
    service.stop()


def test_type_generate_watch_cancel_reload_and_find_it_all_again(
    service: Service, opening: Opening
) -> None:
    page = opening(service.url).page
    tray = page.locator("#tray")

    # Usable before there is a worker: the wish waits in the page, also through a reload.
    expect(page.locator("#state")).to_contain_text("No worker is running yet")
    wish(page, "a red heart")
    expect(tray).to_contain_text("The worker is still loading. The job waits here.")
    page.reload()
    expect(frames(page)).to_have_count(1)
    expect(tray).to_contain_text("The job waits here.")

    # The worker comes: the picture too.
    service.start_worker(wait=False)
    expect_picture(page, "a red heart")
    expect(page.locator("#state")).to_contain_text("1 worker on cpu")
    expect(page.locator("#said")).to_contain_text("1 picture ready: a red heart")
    (first,) = service.http.get("/v1/jobs").json()["data"]

    # A long one is watched, and canceled.
    page.get_by_text("More settings").click()
    page.get_by_label("Steps").fill("150")
    wish(page, "eight long ones", images=8)
    expect(tray.locator(".now")).to_contain_text("step", timeout=90_000)
    tray.get_by_role("button", name="Cancel").click()
    expect(tray).to_contain_text("Canceled.")

    # Reload: both are found; the first is drawn again with its seed, and is the same.
    page.reload()
    expect(frames(page)).to_have_count(2)
    expect(frames(page).nth(0)).to_contain_text("canceled")
    frames(page).nth(1).click()
    expect_picture(page, "a red heart")
    with page.expect_download() as saved:
        tray.get_by_role("link", name="Download").click()
    seed = first["images"][0]["seed"]
    assert saved.value.suggested_filename == f"a-red-heart-{seed}.png"
    tray.get_by_role("button", name="Again with this seed").click()
    expect(page.get_by_label("Seed", exact=True)).to_have_value(str(seed))
    page.keyboard.press("Control+Enter")
    expect(frames(page)).to_have_count(3)
    expect_picture(page, "a red heart")
    expect(page.locator("html")).to_have_attribute("data-busy", "false", timeout=60_000)
    again, canceled, _ = service.http.get("/v1/jobs").json()["data"]
    assert canceled["status"] == "canceled"
    assert again["images"][0]["sha256"] == first["images"][0]["sha256"]
