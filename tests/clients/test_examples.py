"""Every example of docs/03-api.md is run as it stands there, against the service."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import KEY
from tests.clients.patience import PATIENCE_S
from tests.service import Service

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "03-api.md").read_text()
EXAMPLES = re.findall(r"## ([^\n]+)\n(?:(?!\n## ).)*?```python\n(.*?)```", TEXT, re.DOTALL)


def test_every_client_has_an_example() -> None:
    assert [title for title, _ in EXAMPLES] == [
        "The native API",
        "OpenAI Images",
        "Replicate",
        "AUTOMATIC1111",
        "Hugging Face",
    ]


@pytest.mark.timeout(PATIENCE_S)
@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_the_example_runs_and_leaves_a_picture(
    house: Service, tmp_path: Path, title: str, code: str
) -> None:
    code = code.replace("http://127.0.0.1:8000", house.url).replace('"any"', f'"{KEY}"')
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, check=False
    )

    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "heart.png").read_bytes().startswith(b"\x89PNG")
