"""Logs for machines: one object a line, the fields that the call names, and no prompt."""

import json
import logging
import sys
from pathlib import Path

import httpx
import pytest

from app.logs import JsonLines, fields_of
from tests.service import Service, Store


def line_of(message: str, *args: object, exc_info: object = None) -> dict[str, object]:
    record = logging.LogRecord("a.logger", logging.WARNING, "file", 1, message, args, exc_info)  # type: ignore[arg-type]
    text = JsonLines("api").format(record)
    assert "\n" not in text
    return json.loads(text)


def test_a_line_says_when_where_and_what() -> None:
    line = line_of("job.failed id=%s code=%s after %.1f s", "abc", "out_of_memory", 2.0)

    assert line.pop("time", "")
    assert line == {
        "level": "warning", "logger": "a.logger", "part": "api", "event": "job.failed",
        "message": "job.failed id=abc code=out_of_memory after 2.0 s",
        "job_id": "abc", "code": "out_of_memory",
    }  # fmt: skip


def test_fields_keep_their_place_and_numbers_their_kind() -> None:
    fields = fields_of("%s 100%% of try=%d took seconds=%.3f %r", ("x", 3, 0.25, "y"))

    assert fields == {"try": 3, "seconds": 0.25}


@pytest.mark.parametrize("text", ["a\nforged line", 'with "quotes"', "\x00\x1b[31m", "雪"])
def test_no_text_breaks_out_of_its_line(text: str) -> None:
    assert line_of("job.failed id=%s", text)["job_id"] == text


def test_an_exception_is_a_field() -> None:
    try:
        raise ValueError("it broke")
    except ValueError:
        line = line_of("worker.failed", exc_info=sys.exc_info())

    assert "ValueError: it broke" in str(line["exception"])


@pytest.mark.timeout(60)
def test_a_process_says_everything_as_json(store: Store, tmp_path: Path) -> None:
    service = Service(store, tmp_path, tmp_path, log_format="json", access_log="true")
    api = service.start_api()
    service.http.get("/v1/jobs?cursor=secret", headers={"X-Request-Id": "mine"})
    service.http.post("/v1/jobs", json={"prompt": "a most private wish"})
    service.stop()

    lines = [json.loads(line) for line in api.said().splitlines()]
    answered = [line for line in lines if line.get("event") == "request.answered"]
    mine = next(line for line in answered if line["request_id"] == "mine")
    assert (mine["method"], mine["path"], mine["status"]) == ("GET", "/v1/jobs", 422)
    assert mine["seconds"] < 30
    posted = next(line for line in answered if line["method"] == "POST")
    assert posted["status"] == httpx.codes.SERVICE_UNAVAILABLE
    assert any(line["logger"].startswith("uvicorn") for line in lines)
    assert {line["part"] for line in lines} == {"api"}
    assert "private" not in api.said()
    assert "secret" not in api.said()
