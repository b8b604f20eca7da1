"""What a client must know beside the schema: what the one model of this service can draw.

Requests that are meant to be right are steered there; those that are meant to be wrong are left as
they are. Loaded by schemathesis, see `schemathesis.toml`.
"""

import hashlib
import json
import re
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

MAX_SEED = 2**53 - 1
NAMED, RESUMED = "idempotency-key", "last-event-id"
EVENT_ID = re.compile("[0-9]{1,18}-[0-9]{1,18}")
MODEL = {"model": "default", "scheduler": "ddim"}


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    resumed = (case.headers or {}).get(RESUMED)
    if resumed and not EVENT_ID.fullmatch(resumed):  # some other answer's number, for its name
        del case.headers[RESUMED]
    if case.operation.label == "POST /v1/jobs" and isinstance(case.body, dict):
        case.body = drawable(case.body)
        if case.headers and NAMED in case.headers:  # one name, one body
            case.headers[NAMED] = hashlib.sha256(repr(case.body).encode()).hexdigest()


def drawable(wish: dict[str, Any]) -> dict[str, Any]:
    """The same wish, within the model's sizes and names."""
    wish = json.loads(json.dumps(wish).replace("\\u0000", "0"))  # no text may hold a NUL
    if isinstance(wish.get("prompt"), str) and not wish["prompt"].strip():
        wish["prompt"] = "0"  # nor be blank
    for name in ("width", "height"):
        if wish.get(name) is not None:
            wish[name] = max(64, min(128, wish[name] // 16 * 16))
    for name, known in MODEL.items():
        if wish.get(name) is not None:
            wish[name] = known
    if wish.get("seed") is not None:
        wish["seed"] = min(wish["seed"], MAX_SEED + 1 - wish.get("num_images", 1))
    if wish.get("num_inference_steps") is not None:
        wish["num_inference_steps"] = max(1, min(wish["num_inference_steps"], 3))  # jobs are many
    if wish.get("loras"):
        wish["loras"] = []  # this model has none
    if wish.get("webhook"):
        wish["webhook"] = {**wish["webhook"], "url": "http://127.0.0.1:9/"}  # nobody is there
    return wish
