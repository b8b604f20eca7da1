"""Replicate's second client, which lies in a folder of its own: both are called `replicate`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.webhooks.receiver import SECRET
from tests.clients.conftest import KEY
from tests.clients.patience import LONG_STEPS, PATIENCE_S
from tests.service import Service

HERE = Path(__file__).parent
FOLDER = HERE.parent.parent / ".venv" / "replicate2"


@pytest.mark.timeout(PATIENCE_S)
def test_run_create_wait_cancel_list_and_an_error(house: Service) -> None:
    command = [sys.executable, str(HERE / "replicate_2.py"), house.url, KEY, str(LONG_STEPS)]
    env = {**os.environ, "PYTHONPATH": str(FOLDER), "REPLICATE_POLL_INTERVAL": "0.1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)

    assert said.pop("web").startswith(house.url)
    assert "prompt" in said.pop("refused")
    assert said == {
        "version": "2.0.0-beta.4",
        "magic": "89504e47",
        "created": "starting",
        "waited": "succeeded",
        "canceled": "canceled",
        "listed": True,
        "secret": SECRET,
    }
