"""Every Redis key of ours, spelt once. RQ's own keys begin with `rq:` and are RQ's business."""

PREFIX = "darkroom"

IDEMPOTENCY_TTL_S = 86_400  # the contract's promise: a repeat within a day is the same job
PREVIEW_TTL_S = 10  # of a wish and of previews; a watcher repeats the wish while it looks
EVENTS_MAXLEN = 512  # 150 steps of 8 images at five events a second stay below it

CATALOGUE = f"{PREFIX}:models"  # hash: model id -> card; kept, so that an idle service can answer
WORKERS = f"{PREFIX}:workers"  # hash: worker name -> what it says of itself, with its own expiry
DEADLINES = f"{PREFIX}:deadlines"  # sorted set: job id by the time it must have ended
SIGNING_SECRET = f"{PREFIX}:secret"  # made once; every API process signs image URLs with it
TURNS = f"{PREFIX}:turns"  # prefixes of what stands below
WAITING = f"{PREFIX}:waiting"
LINES = f"{PREFIX}:line"
OPEN = f"{PREFIX}:open"
RECORDS = f"{PREFIX}:job"
TALLY = f"{PREFIX}:tally"  # hash: counts for metrics, by name and labels; kept for ever
SWEEP = f"{PREFIX}:sweep"  # held by whoever last swept up pictures without a record
CHOSEN_MODELS = f"{PREFIX}:chosen_models"  # hash: owner -> model, as set in A1111's options
WEBHOOKS_DUE = f"{PREFIX}:webhooks:due"  # sorted set: receivers by when they are next sent to
WEBHOOK_SECRET = f"{PREFIX}:webhooks:secret"  # made once where no setting names one


def record(job_id: str) -> str:
    """Hash: the job, the only truth about it. Expires a while after the job has ended."""
    return f"{RECORDS}:{job_id}"


def events(job_id: str) -> str:
    """Stream: what happened to the job, in order. Expires with the record."""
    return f"{RECORDS}:{job_id}:events"


def preview_wish(job_id: str) -> str:
    """There while somebody looks at the job's previews. Expires by itself when they have left."""
    return f"{PREFIX}:job:{job_id}:watched"


def previews(job_id: str) -> str:
    """Stream: the newest preview of each image. Lives for seconds, beside the job's history."""
    return f"{PREFIX}:job:{job_id}:previews"


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


def open_jobs(owner: str) -> str:
    """Set: an owner's jobs that have not ended. Kept by the scripts that take in and end them."""
    return f"{OPEN}:{owner}"


def spent(owner: str, unit: str) -> str:
    """Hash: slot of time -> what the owner spent of a quota then. Expires with its window."""
    return f"{PREFIX}:spent:{owner}:{unit}"


def line(owner: str, model: str) -> str:
    """Sorted set: an owner's waiting jobs by when their turn is, before any other owner counts."""
    return f"{LINES}:{owner}:{model}"


def waiting(model: str) -> str:
    """Set: owners with a line for the model; empty lines are struck off when somebody looks."""
    return f"{WAITING}:{model}"


def turns(model: str) -> str:
    """Hash: owner -> its virtual time, in megapixel-steps served; `:last` is the last turn's."""
    return f"{TURNS}:{model}"


def doorbell(model: str) -> str:
    """List: one entry a submission. An idle worker sleeps on it instead of polling."""
    return f"{PREFIX}:doorbell:{model}"
