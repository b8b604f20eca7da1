"""Every part is replaced in turn, as an upgrade does it, and no job notices."""

from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.witness import LONG, assert_all_succeeded, held
from tests.service import Service, Store, eventually

pytestmark = pytest.mark.timeout(240)


def test_no_job_fails_while_every_part_is_replaced(
    store: Store, checkpoint: Path, tmp_path: Path
) -> None:
    service = Service(store, checkpoint, tmp_path, job_lease_s="5", drain_s="0.5")
    api = service.start_api()
    sender = service.start_webhooks()
    workers = [service.start_worker(), service.start_worker()]
    ids = list[str]()
    try:
        for old in workers:  # the new one first, then the old one goes
            service.start_worker()
            ids += [service.submit(num_inference_steps=LONG)["id"] for _ in range(8)]
            eventually(lambda: len(held(service)) >= 2)
            assert old.stop() == 0
        assert sender.stop() == 0
        service.start_webhooks()
        ids += [service.submit(num_inference_steps=LONG)["id"] for _ in range(4)]
        api.stop()
        service.start_api()
        ids += [service.submit(num_inference_steps=5)["id"]]

        jobs = assert_all_succeeded(service, ids)
        assert Counter(len(job["images"]) for job in jobs) == {1: len(ids)}
    finally:
        service.stop()
