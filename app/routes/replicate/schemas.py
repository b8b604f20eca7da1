"""Replicate's bodies: what makes a prediction, what a model and its version look like."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from app.errors import FieldError, InvalidRequest
from app.jobs.catalogue import ModelInfo
from app.jobs.job import Dialect
from app.jobs.spec import MAX_IMAGES
from app.jobs.webhook import ENDINGS, WebhookEvent
from app.links import Links
from app.predictions import INPUT_NAMES, INPUTS, full_name
from app.schemas import Submission
from app.translation import Wish

Told = Literal["start", "output", "logs", "completed"]
EVENTS: dict[Told, tuple[WebhookEvent, ...]] = {
    "start": (WebhookEvent.PROCESSING,),
    "output": (WebhookEvent.SUCCEEDED,),  # a picture is whole at the end, and not before
    "logs": (),
    "completed": ENDINGS,
}
LOGS_UNSENT = "webhook_events_filter: logs are not sent to webhooks; urls.stream has them"
NAMES = {
    **{name: f"input.{INPUT_NAMES.get(name, name)}" for name in INPUTS},
    "webhook.url": "webhook",
    "deadline_s": "Cancel-After",
    "model": "version",
}
DURATION = re.compile(r"(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,5})s?)?")


class PredictionRequest(BaseModel):
    """The body of every call that makes a prediction."""

    model_config = ConfigDict(extra="forbid")

    input: dict[str, Any]
    version: str | None = None
    webhook: str | None = None
    webhook_completed: str | None = None  # older clients' way to say: the end alone
    webhook_events_filter: list[Told] | None = None
    stream: bool | None = None  # every prediction has a stream; nothing to decide

    def to_wish(self, model_id: str, cancel_after: str | None) -> Wish:
        ours = {theirs: name for name, theirs in INPUT_NAMES.items()}
        fields = {ours.get(name, name): value for name, value in self.input.items()}
        unknown = [name for name in self.input if ours.get(name, name) not in INPUTS]
        if unknown:
            known = ", ".join(INPUT_NAMES.get(name, name) for name in INPUTS)
            raise InvalidRequest(
                *(
                    FieldError(field=f"input.{one}", message=f"not one of: {known}")
                    for one in unknown
                )
            )
        warnings = [LOGS_UNSENT] if "logs" in (self.webhook_events_filter or []) else []
        fields |= {
            "model": model_id,
            "webhook": self._webhook(),
            "deadline_s": seconds_of(cancel_after),
        }
        return Wish(Dialect.REPLICATE, fields, NAMES, warnings=warnings)

    def _webhook(self) -> dict[str, Any] | None:
        url = self.webhook or self.webhook_completed
        if url is None:
            return None
        told: list[Told] = self.webhook_events_filter or ["completed"]
        events = [event for event in WebhookEvent if any(event in EVENTS[one] for one in told)]
        if not events:
            raise InvalidRequest(FieldError(field="webhook_events_filter", message=LOGS_UNSENT))
        return {"url": url, "events": events}


def seconds_of(duration: str | None) -> float | None:
    """Seconds of a `Cancel-After` header, such as `90`, `90s`, `1m` or `1h30m`."""
    if duration is None:
        return None
    found = DURATION.fullmatch(duration.strip())
    if not found or not any(found.groups()):
        message = "must be a duration such as 90s, 5m or 1h30m"
        raise InvalidRequest(FieldError(field="Cancel-After", message=message))
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(hours * 3_600 + minutes * 60 + seconds)


def digest_of(model: ModelInfo) -> str:
    """A version's id: changes with anything that its worker announces of the model."""
    return hashlib.sha256(model.model_dump_json().encode()).hexdigest()


def is_version(reference: str, model: ModelInfo) -> bool:
    """Whether the text names this model: its id, `owner/name`, its digest, or name and digest."""
    names, digest = (model.id, full_name(model.id)), digest_of(model)
    return reference in (*names, digest, *(f"{name}:{digest}" for name in names))


def model_view(model: ModelInfo, links: Links) -> dict[str, Any]:
    """A model; its one version is the latest."""
    owner, _, name = full_name(model.id).partition("/")
    return {
        "url": f"{links.base}/v1/models/{model.id}",
        "owner": owner,
        "name": name,
        "description": f"{model.family}, {model.native_size} pixels, licence {model.license}",
        "visibility": "public",
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": 0,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": version_view(model),
    }


def version_view(model: ModelInfo) -> dict[str, Any]:
    output = {"type": "array", "title": "Output", "items": {"type": "string", "format": "uri"}}
    schemas = {"Input": input_schema(model), "Output": output}
    return {
        "id": digest_of(model),
        "created_at": datetime.fromtimestamp(model.created, UTC).isoformat(),
        "cog_version": "0.9.0",  # of the schema's form: an array is no iterator unless it says so
        "openapi_schema": {
            "openapi": "3.0.2",
            "info": {"title": full_name(model.id), "version": "0.1.0"},
            "paths": {},
            "components": {"schemas": schemas},
        },
    }


def input_schema(model: ModelInfo) -> dict[str, Any]:
    """What `input` may hold for this model: the native fields with its limits and defaults."""
    schema = Submission.model_json_schema()
    known: dict[str, Any] = {
        "width": _size(model),
        "height": _size(model),
        "num_images": {"type": "integer", "minimum": 1, "maximum": MAX_IMAGES, "default": 1},
        "num_inference_steps": _number("integer", 1, 150, model.default_num_inference_steps),
        "guidance_scale": _number("number", 0, 30, model.default_guidance_scale),
        "scheduler": {
            "type": "string",
            "enum": model.schedulers,
            "default": model.default_scheduler,
        },
        "output_format": {"type": "string", **schema["$defs"]["OutputFormat"], "default": "png"},
    }
    properties = {
        INPUT_NAMES.get(name, name): {
            **known.get(name, schema["properties"][name]),
            "title": INPUT_NAMES.get(name, name).replace("_", " ").capitalize(),
            "x-order": place,
        }
        for place, name in enumerate(INPUTS)
    }
    return {"type": "object", "title": "Input", "required": ["prompt"], "properties": properties}


def _size(model: ModelInfo) -> dict[str, Any]:
    bounds = _number("integer", model.min_size, model.max_size, model.native_size)
    return {**bounds, "multipleOf": model.size_multiple}


def _number(kind: str, least: float, most: float, default: float) -> dict[str, Any]:
    return {"type": kind, "minimum": least, "maximum": most, "default": default}
