"""A job's life in this worker, told as spans once it is over."""

import time

from app import tracing
from worker.flight import Flight
from worker.report import NEVER


def tell(flight: Flight) -> None:
    """What the job waited for and what was done for it; nothing where nobody listens."""
    job = flight.job
    if tracing.tracer() is None or not job.traceparent:
        return
    now = time.time()
    known: tracing.Attributes = {"darkroom.job_id": job.id, "darkroom.model": job.spec.model}
    submitted = job.created_at.timestamp()
    tracing.tell("queue", job.traceparent, submitted, flight.began_at, known)
    known |= {"darkroom.num_images": job.spec.num_images, "darkroom.attempt": job.attempts + 1}
    error = flight.outcome.code.value if flight.outcome else ""
    own = tracing.tell("job", job.traceparent, flight.began_at, now, known, error=error)
    if flight.encoded != NEVER:
        tracing.tell("encode", own, *flight.encoded)
        ended = max((began for began, _ in flight.decoded.values()), default=now)
        steps: tracing.Attributes = {
            "darkroom.steps": job.total_steps,
            "darkroom.scheduler": job.spec.scheduler,
        }
        tracing.tell("denoise", own, flight.encoded[1], ended, steps)
    for name, parts in (("decode", flight.decoded), ("store", flight.stored)):
        for index, times in parts.items():
            tracing.tell(name, own, *times, {"darkroom.image_index": index})
