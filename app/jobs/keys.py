"""Every Redis key of ours, spelt once. RQ's own keys begin with `rq:` and are RQ's business."""

PREFIX = "darkroom"

IDEMPOTENCY_TTL_S = 86_400  # the contract's promise: a repeat within a day is the same job
EVENTS_MAXLEN = 512  # 150 steps of 8 images at five events a second stay below it

CATALOGUE = f"{PREFIX}:models"  # hash: model id -> card; kept, so that an idle service can answer
WORKERS = f"{PREFIX}:workers"  # hash: worker name -> what it says of itself, with its own expiry
DEADLINES = f"{PREFIX}:deadlines"  # sorted set: job id by the time it must have ended
SIGNING_SECRET = f"{PREFIX}:secret"  # made once; every API process signs image URLs with it
WEBHOOKS_DUE = f"{PREFIX}:webhooks:due"  # sorted set: receivers by when they are next sent to
WEBHOOK_SECRET = f"{PREFIX}:webhooks:secret"  # made once where no setting names one


def record(job_id: str) -> str:
    """Hash: the job, the only truth about it. Expires a while after the job has ended."""
    return f"{PREFIX}:job:{job_id}"


def events(job_id: str) -> str:
    """Stream: what happened to the job, in order. Expires with the record."""
    return f"{PREFIX}:job:{job_id}:events"


def delivery(delivery_id: str) -> str:
    """Hash: one message owed to a receiver, and what became of it. Made by the job's own script."""
    return f"{PREFIX}:delivery:{delivery_id}"


def due(receiver: str) -> str:
    """Sorted set: a receiver's delivery ids by when each is due, or by when its claim runs out."""
    return f"{WEBHOOKS_DUE}:{receiver}"


def owned(owner: str) -> str:
    """Sorted set: an owner's job ids by time of submission, for listing."""
    return f"{PREFIX}:jobs:{owner}"


def idempotency(owner: str, digest: str) -> str:
    """Hash: the job that an Idempotency-Key made, and the fingerprint of its body."""
    return f"{PREFIX}:idempotency:{owner}:{digest}"


def doorbell(model: str) -> str:
    """List: one entry a submission. An idle worker sleeps on it instead of polling."""
    return f"{PREFIX}:doorbell:{model}"
