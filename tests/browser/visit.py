"""A person's window: what it asked for, what went wrong in it, and the acts of a person."""

from io import BytesIO
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import ConsoleMessage, Locator, Page, Response, expect

from tests.app.front_end import FrontEnd

EXPECTED = ("401", "404", "422", "503", "ERR_CONNECTION")  # a browser logs each refusal by itself


class Visit:
    """One page and everything that it has asked for."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.host = urlsplit(url).netloc
        self.answers: list[Response] = []
        self.wrong: list[str] = []
        page.on("response", lambda answer: self.answers.append(answer))
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        is_ours = not any(code in message.text for code in EXPECTED)
        if message.type in ("error", "warning") and is_ours:
            self.wrong.append(message.text)

    @property
    def foreign(self) -> list[str]:
        """What was asked of another host."""
        urls = [urlsplit(answer.url) for answer in self.answers]
        return [url.geturl() for url in urls if url.scheme != "data" and url.netloc != self.host]

    def assert_clean(self) -> None:
        assert self.wrong == []
        assert self.foreign == []


def wish(page: Page, prompt: str, images: int = 1) -> None:
    """Type and press Ctrl+Enter."""
    page.get_by_role("group", name="Images").get_by_role("radio", name=str(images)).check()
    page.get_by_label("What should it show?").fill(prompt)
    page.keyboard.press("Control+Enter")


def frames(page: Page) -> Locator:
    """The contact sheet's frames, newest first."""
    return page.get_by_role("list", name="Contact sheet").get_by_role("button")


def expect_picture(page: Page, prompt: str) -> None:
    """The tray shows a picture that has really been loaded."""
    picture = page.locator("#tray").get_by_role("img", name=prompt).first
    expect(picture).to_be_visible(timeout=90_000)
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 0


def newest(front_end: FrontEnd) -> str:
    """The id of the last job that came in."""
    return front_end.http.get("/v1/jobs").json()["data"][0]["id"]


def store_picture(front_end: FrontEnd, job_id: str, lease: str, index: int = 0) -> None:
    """As a worker does, with a picture that a browser can read."""
    file = BytesIO()
    Image.new("RGB", (64, 64), (200, 40, 30 + 60 * index)).save(file, "PNG")
    front_end.worker.store_image(job_id, lease, index, file.getvalue())


def draw(front_end: FrontEnd, job_id: str) -> None:
    lease = front_end.worker.take(job_id)
    for index in range(front_end.worker.job(job_id).spec.num_images):
        store_picture(front_end, job_id, lease, index)
    front_end.worker.succeed(job_id, lease)
