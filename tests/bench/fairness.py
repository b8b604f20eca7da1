"""What one key's flood costs another: `python -m tests.bench.fairness [--rounds 3] [--flood 500]`.

On an idle service key B sends a full batch, then as often key A sends its flood and B sends five
jobs behind it. Waits are from the submission to the end; a round measures both, side by side.
"""

import argparse
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.service import Service, Store
from tests.tiny_checkpoint import write_tiny_checkpoint

SLOTS = 8
FEW = 5
WISH = {"prompt": "a red heart", "num_inference_steps": 50}
KEYS = {"a": "a-key-of-the-flood", "b": "b-key-of-the-other"}
BOUND = 2.0


def main() -> None:
    """Print B's median wait on an idle service and behind the flood, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flood", type=int, default=500)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "valkey")
        service = keyed_service(store, write_tiny_checkpoint(Path(folder) / "tiny"), Path(folder))
        try:
            rounds = [one_round(service, args.flood) for _ in range(args.rounds)]
        finally:
            service.stop()
            store.stop()
    print(f"A sends {args.flood} jobs, then B sends {FEW}; median wait of B in seconds")
    print(f"{'idle, full batch':>18}{'behind the flood':>18}{'ratio':>8}")
    for idle, flooded in rounds:
        print(f"{idle:>18.2f}{flooded:>18.2f}{flooded / idle:>8.2f}")
    ratio = statistics.median(flooded / idle for idle, flooded in rounds)
    print(f"median ratio {ratio:.2f}, to be at most {BOUND:.1f}")


def keyed_service(store: Store, checkpoint: Path, folder: Path) -> Service:
    """API and one worker for the two keys."""
    keys = ",".join(f"{name}:{secret}" for name, secret in KEYS.items())
    service = Service(store, checkpoint, folder, api_keys=keys, max_queue="1000")
    service.http.headers.update(bearer("b"))
    service.start_api()
    service.start_worker()
    return service


def one_round(service: Service, flood: int) -> tuple[float, float]:
    """B's median wait in seconds: alone with a full batch, and behind the flood."""
    idle = statistics.median(waits(service, submitted(service, "b", SLOTS)))
    flooding = submitted(service, "a", flood)
    behind = statistics.median(waits(service, submitted(service, "b", FEW)))
    for job_id in flooding:
        service.http.post(f"/v1/jobs/{job_id}/cancel", headers=bearer("a")).raise_for_status()
    return idle, behind


def submitted(service: Service, key: str, count: int) -> list[str]:
    """Submit so many jobs, a few at once; their ids."""

    def submit(_: int) -> str:
        answer = httpx.post(f"{service.url}/v1/jobs", json=WISH, headers=bearer(key), timeout=60)
        return str(answer.raise_for_status().json()["id"])

    with ThreadPoolExecutor(SLOTS) as pool:
        return list(pool.map(submit, range(count)))


def waits(service: Service, ids: list[str]) -> list[float]:
    jobs = [service.finished(job_id, timeout_s=300) for job_id in ids]
    assert all(job["status"] == "succeeded" for job in jobs)
    return [job["metrics"]["total_s"] for job in jobs]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[key]}"}


if __name__ == "__main__":
    main()
