"""What can be said of images and compose files without an engine; docker/verify says the rest."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DEFAULT = [name for name, service in SERVICES.items() if "profiles" not in service]
DOCKERFILES = sorted((ROOT / "docker").rglob("*.Dockerfile"))
SCRIPTS = [path for path in (ROOT / "docker").rglob("*") if path.is_file() and not path.suffix]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_dockerfiles_pass_the_linter(path: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    # versions are pinned by requirements.lock, and stand-ins take what Debian has
    ignored = [f"--ignore={rule}" for rule in ("DL3006", "DL3008", "DL3013", "DL3042")]

    run = subprocess.run([hadolint, *ignored, path], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash_and_can_be_run(path: Path) -> None:
    run = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    assert path.stat().st_mode & 0o111


def test_only_the_api_is_published_and_on_loopback() -> None:
    published = {name: SERVICES[name]["ports"] for name in DEFAULT if "ports" in SERVICES[name]}

    assert published == {"api": ["${DARKROOM_PUBLISH:-127.0.0.1:8000}:8000"]}
    for service in SERVICES.values():
        assert all("127.0.0.1" in port for port in service.get("ports", []))


@pytest.mark.parametrize("name", DEFAULT)
def test_every_service_is_hardened(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True


@pytest.mark.parametrize("name", ["api", "webhooks", "worker"])
def test_our_services_wait_for_redis_and_secrets(name: str) -> None:
    assert SERVICES[name]["depends_on"] == {
        "redis": {"condition": "service_healthy"},
        "secrets": {"condition": "service_completed_successfully"},
    }


@pytest.mark.parametrize("name", ["api", "webhooks", "worker"])
def test_secrets_are_named_by_their_files(name: str) -> None:
    said = {
        variable: value
        for variable, value in SERVICES[name]["environment"].items()
        if re.search("PASSWORD|SECRET|KEYS", variable)
    }

    assert said
    assert all("@/run/secrets/" in value for value in said.values())


def test_a_worker_has_time_to_hand_back() -> None:
    assert int(SERVICES["worker"]["stop_grace_period"].partition("s")[0]) >= 20 + 20


def test_the_base_is_named_the_same_everywhere() -> None:
    images = [ROOT / "docker" / f"{name}.Dockerfile" for name in ("api", "worker")]
    bases = {re.findall(r"(?m)^ARG PYTHON=(.*)$", path.read_text())[0] for path in images}

    assert bases == {"python:3.11-slim-bookworm"}


def has_compose() -> bool:
    try:
        found = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return found.returncode == 0


@pytest.mark.skipif(not has_compose(), reason="there is no docker compose here")
@pytest.mark.parametrize("more", [[], ["-f", "compose.gpu.yml"], ["--profile", "*"]])
def test_compose_accepts_the_files(more: list[str]) -> None:
    files = ["docker", "compose", "--env-file", "/dev/null", "-f", "docker-compose.yml", *more]

    run = subprocess.run([*files, "config", "-q"], cwd=ROOT, capture_output=True, check=False)

    assert run.returncode == 0, run.stderr
