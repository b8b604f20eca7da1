"""API keys: parsed, compared, rotated; jobs belong to whoever sent them."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from app.auth import ANONYMOUS, KeyRing
from app.errors import Unauthorized
from app.settings import Settings
from tests.app.front_end import FrontEnd, serving

ALICE, BOB = "alice-secret-0123456789", "bob-secret-0123456789"
BOTH = f"alice:{ALICE},bob:{BOB}"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def test_without_keys_everybody_is_anonymous() -> None:
    assert KeyRing(None).owner_of(None) == ANONYMOUS


def test_a_secret_tells_its_owner() -> None:
    keys = KeyRing(SecretStr(BOTH))

    assert keys.owner_of(f"Bearer {ALICE}") == "alice"
    assert keys.owner_of(f"bearer {BOB}") == "bob"
    assert keys.owner_of(f"Token {BOB}") == "bob"


@pytest.mark.parametrize("name", ["alice", "", "whoever"])
def test_a_secret_may_be_the_password_of_any_name(name: str) -> None:
    keys = KeyRing(SecretStr(BOTH))

    assert keys.owner_of(httpx.BasicAuth(name, BOB)._auth_header) == "bob"


@pytest.mark.parametrize(
    "header",
    [None, "", ALICE, "Bearer", "Bearer ", "Bearer wrong", f"Basic {ALICE}", f"Bearer {ALICE}x",
     "Bearer \udcff", f"Bearer alice:{ALICE}", "Basic \udcff", "Basic /////w==", "Basic YWxpY2U="],
)  # fmt: skip
def test_whoever_has_no_key_stays_outside(header: str | None) -> None:
    with pytest.raises(Unauthorized):
        KeyRing(SecretStr(BOTH)).owner_of(header)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("alice", "key 1"),
        (f"alice:{ALICE},b c:{BOB}", "key 2"),
        ("alice:short", "16 characters"),
        (",", "no key"),
        ("@/nowhere/keys", "/nowhere/keys"),
    ],
)
def test_a_list_that_is_none_is_refused_and_tells_no_secret(source: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as refused:
        KeyRing(SecretStr(source))

    assert ALICE not in str(refused.value)


def test_a_file_of_keys_is_rotated_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\nalice:{ALICE}\n")
    keys = KeyRing(SecretStr(f"@{file}"))

    file.write_text(f"alice:{ALICE}\nalice:{ALICE}-new\n")
    os.utime(file, ns=(1, 1))
    assert keys.owner_of(f"Bearer {ALICE}-new") == "alice"
    file.write_text(f"alice:{ALICE}-new\n")
    os.utime(file, ns=(2, 2))

    with pytest.raises(Unauthorized):
        keys.owner_of(f"Bearer {ALICE}")


def test_a_key_of_which_only_the_hash_is_kept_opens_the_door() -> None:
    keys = KeyRing(SecretStr(f"alice:sha256:{sha256(ALICE.encode()).hexdigest()}"))

    assert keys.owner_of(f"Bearer {ALICE}") == "alice"
    with pytest.raises(Unauthorized):
        keys.owner_of(f"Bearer sha256:{sha256(ALICE.encode()).hexdigest()}")


def test_a_broken_file_leaves_the_keys_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"alice:{ALICE}\n")
    keys = KeyRing(SecretStr(f"@{file}"))

    file.write_text("nonsense\n")
    os.utime(file, ns=(1, 1))
    assert keys.owner_of(f"Bearer {ALICE}") == "alice"
    file.unlink()

    assert keys.owner_of(f"Bearer {ALICE}") == "alice"


@pytest.fixture
def guarded(settings: Settings) -> Iterator[FrontEnd]:
    with serving(settings.model_copy(update={"api_keys": SecretStr(BOTH)})) as front_end:
        front_end.announce()
        yield front_end


def test_another_keys_job_is_as_unknown_as_none(guarded: FrontEnd) -> None:
    http = guarded.http
    job = http.post("/v1/jobs", json={"prompt": "a"}, headers=bearer(ALICE)).json()
    path = f"/v1/jobs/{job['id']}"
    crossings = [
        ("GET", path),
        ("GET", f"{path}/events"),
        ("POST", f"{path}/cancel"),
        ("DELETE", path),
    ]

    answers = [http.request(method, url, headers=bearer(BOB)) for method, url in crossings]

    assert [answer.status_code for answer in answers] == [404] * len(crossings)
    assert http.get("/v1/jobs", headers=bearer(BOB)).json()["data"] == []
    assert http.get(path, headers=bearer(ALICE)).json()["status"] == "queued"


def test_an_idempotency_key_belongs_to_its_api_key(guarded: FrontEnd) -> None:
    once = {"Idempotency-Key": "the same"}
    ids = {
        guarded.http.post(
            "/v1/jobs", json={"prompt": "a"}, headers={**bearer(secret), **once}
        ).json()["id"]
        for secret in (ALICE, BOB, ALICE)
    }

    assert len(ids) == 2


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/models", "/v1/models/default", "/v1/queue"])
def test_without_a_key_there_is_nothing_to_see(guarded: FrontEnd, path: str) -> None:
    answer = guarded.http.get(path)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "unauthorized"


def test_health_needs_no_key(guarded: FrontEnd) -> None:
    assert guarded.http.get("/healthz").status_code == httpx.codes.OK
