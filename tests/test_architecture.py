"""The house stays as it was laid out: light imports, small files, functions that fit a hand."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(
    path for part in ("app", "worker", "models", "tests") for path in (ROOT / part).rglob("*.py")
)
MAX_FILE_LINES, MAX_FUNCTION_LINES = 300, 60

HEAVY = "torch", "diffusers", "transformers", "numpy", "PIL"
IMPORT = f"""
import sys, time
import fastapi, obstore, pydantic_settings, redis.asyncio, rq
packages = time.process_time()
import app.main
ours = time.process_time() - packages
print(*sorted({set(HEAVY)!r} & set(sys.modules)), ours / packages)
"""


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_the_front_end_loads_no_tensors_and_costs_less_than_its_packages() -> None:
    command = [sys.executable, "-c", IMPORT]
    runs = [
        subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
        for _ in range(3)  # the least of them: neighbours come and go
    ]

    assert [loaded for *loaded, _ in runs] == [[], [], []]
    assert min(float(ratio) for *_, ratio in runs) < 1.0


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES
    sizes = {one.name: (one.end_lineno or 0) - one.lineno + 1 for one in functions(path)}
    assert {name: size for name, size in sizes.items() if size > MAX_FUNCTION_LINES} == {}
