"""schemathesis against the running service: what `/openapi.json` says is what is answered."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.conftest import KEY
from tests.service import Service

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]


# Other dialects refuse and forgive as their own services do, and a file's kind is read from its
# bytes: there no schema says beforehand what is right.
LENIENT = "^/v1/(images/|models/.+/|deployments|predictions|files)|^/sdapi|^/hf"
BEFOREHAND = "positive_data_acceptance,negative_data_rejection"


def fuzz_strictly(service: Service, examples: int, seed: int) -> int:
    """The native operations, with every check; the number of cases."""
    return fuzz(service, examples, seed, "--exclude-path-regex", LENIENT)


def fuzz_leniently(service: Service, examples: int, seed: int) -> int:
    """The other dialects' operations, held to their statuses and forms."""
    return fuzz(
        service, examples, seed, "--include-path-regex", LENIENT, "--exclude-checks", BEFOREHAND
    )


def fuzz(service: Service, examples: int, seed: int, *options: str) -> int:
    """Send requests, right and wrong ones, alone and in sequences; the number of cases."""
    command = [
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(ROOT / "tests/fuzz/schemathesis.toml")),
        *("run", f"{service.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {KEY}"),
        *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", *options),
        *("--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure"),
    ]
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(service.folder),
    }
    ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    found = re.search(r"(\d+) generated", ran.stdout)
    assert found, ran.stdout + ran.stderr
    log.info("seed %d: %s cases", seed, found[1])
    assert ran.returncode == 0, ran.stdout
    assert all(process.is_alive for process in service.processes)
    return int(found[1])


@pytest.mark.timeout(300)
def test_every_answer_is_one_that_the_schema_describes(fuzzed: Service) -> None:
    assert fuzz_strictly(fuzzed, examples=4, seed=1) > 300


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_two_thousand_cases_and_every_answer_is_described(fuzzed: Service) -> None:
    assert sum(fuzz_strictly(fuzzed, examples=60, seed=seed) for seed in (2, 3)) >= 2_000


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_what_the_other_dialects_answer_is_described(fuzzed: Service) -> None:
    assert fuzz_leniently(fuzzed, examples=10, seed=4) > 300
