import os
import subprocess
import sys
from pathlib import Path

import pytest

# What a thread that computes elsewhere pays for torch's threads, which have just worked together.
SPINNING = """
import os, sys, time
if sys.argv[1] == "patient":
    from worker.patience import let_threads_sleep
    let_threads_sleep()
import torch
torch.set_num_threads(2)
numbers = torch.zeros(1_000_000)
spent = 0.0
for _ in range(30):
    numbers.add_(1.0)
    began = time.process_time()
    time.sleep(0.01)  # torch has nothing to do
    spent += time.process_time() - began
print(spent)
"""


def spent_s(how: str) -> float:
    environment = {name: it for name, it in os.environ.items() if not name.startswith("OMP_")}
    command = [sys.executable, "-W", "ignore", "-c", SPINNING, how]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment, cwd=root
    )
    return float(done.stdout)


@pytest.mark.timeout(120)
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core has nobody to wait for")
def test_torch_takes_no_core_while_it_has_nothing_to_do() -> None:
    assert spent_s("patient") < spent_s("as it comes") / 2
