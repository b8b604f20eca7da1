"""How every process logs: a line for people, or one JSON object a line for machines.

A log call names its fields in its format, `log.info("job.failed id=%s code=%s", ...)`; JSON has
them as fields. No prompt is ever logged.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any, Literal

FIELD = re.compile(r"%%|(?:(\w+)=)?%[-+ #0]*\d*(?:\.\d+)?[sdrfgix]")
EVENT = re.compile(r"[a-z_]+(?:\.[a-z_]+)+(?=[ :]|$)")
TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
LogFormat = Literal["text", "json"]


class JsonLines(logging.Formatter):
    """`time`, `level`, `logger`, `part`, `event` or `message`, and the fields of the call."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "part": self._part,
            "message": record.getMessage(),
        }
        template = str(record.msg)
        event = EVENT.match(template)
        if event:
            line["event"] = event[0]
        line |= fields_of(template, record.args)
        if event and event[0].startswith("job.") and "id" in line:
            line["job_id"] = line.pop("id")
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def fields_of(template: str, args: Any) -> dict[str, Any]:
    """The arguments that the template names, as they are: numbers stay numbers."""
    if not isinstance(args, tuple):
        return {}
    names = [found[1] for found in FIELD.finditer(template) if found[0] != "%%"]
    pairs = zip(names, args, strict=False)
    return {
        name: value if isinstance(value, int | float | str | None) else str(value)
        for name, value in pairs
        if name
    }


def configure(part: str, level: str, log_format: LogFormat) -> None:
    """Set up this process's one handler, on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(part) if log_format == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("httpx", "httpcore"):  # they name whole URLs
        logging.getLogger(name).setLevel(logging.WARNING)
