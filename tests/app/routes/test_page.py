"""The two pages as files: small, self-contained, under a policy that lets nothing else in."""

import re
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from app.routes.page import WEB
from app.settings import Settings
from tests.app.front_end import FrontEnd, assert_problem, serving
from tests.service import Store

MAX_BYTES = 150_000
FILES = sorted(path for path in WEB.rglob("*") if path.is_file())
TEXTS = [path for path in FILES if path.suffix in (".html", ".css", ".js")]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_comes_with_a_strict_policy(front_end: FrontEnd, path: str) -> None:
    answer = front_end.http.get(path)

    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_pictures_that_a_bucket_hands_out_may_be_shown(store: Store, tmp_path: Path) -> None:
    bucket = {
        "store_url": "s3://pictures/all",
        "s3_endpoint": "http://127.0.0.1:9",
        "s3_public_endpoint": "https://bucket.example.org",
        "s3_access_key_id": SecretStr("key"),
        "s3_secret_access_key": SecretStr("secret"),
    }
    with serving(Settings(redis_url=store.url, data_dir=tmp_path, **bucket)) as front_end:
        page = front_end.http.get("/").headers["content-security-policy"]
        docs = front_end.http.get("/docs").headers["content-security-policy"]

    assert "img-src 'self' data: https://bucket.example.org;" in page
    assert "bucket" not in docs


def test_every_file_that_a_page_names_is_served(front_end: FrontEnd) -> None:
    for page in ("index.html", "docs.html"):
        named = re.findall(r'(?:src|href)="(web/[^"]+)"', (WEB / page).read_text())
        assert len(named) > 4
        for path in named:
            answer = front_end.http.get(f"/{path}")
            assert answer.status_code == httpx.codes.OK, path
            assert answer.headers["cache-control"] == "no-cache"
            tag = {"If-None-Match": answer.headers["etag"]}
            assert front_end.http.get(f"/{path}", headers=tag).status_code == 304
    assert_problem(front_end.http.get("/web/nothing.js"), 404, "not_found")


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    for path in TEXTS:
        text = path.read_text()
        assert not re.search(r"(?:src|href|url|import|fetch)\W{1,3}(?:https?:)?//", text), path
    for page in WEB.glob("*.html"):
        text = page.read_text()
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", text), page


def test_all_files_together_stay_light() -> None:
    assert sum(path.stat().st_size for path in FILES) < MAX_BYTES


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300
