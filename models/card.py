"""A checkpoint's card: what `darkroom.json` says of a model before any weight is read.

Imports no torch where there is a card, so that a worker announces its model as it starts.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

CARD_NAME = "darkroom.json"


class CheckpointError(Exception):
    """A checkpoint folder that cannot be used: says which file and why."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = Path(path)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a client may ask of this model. Sizes are pixels; `files` maps paths to SHA-256."""

    family: str
    native_size: int
    size_multiple: int
    min_size: int
    max_size: int
    default_num_inference_steps: int
    default_guidance_scale: float
    default_scheduler: str
    schedulers: tuple[str, ...]
    license: str
    created: int
    files: Mapping[str, str]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Check names and types of a parsed card.

        Raises:
            ValueError: says which field is missing or wrong.
        """
        types = {field.name: field.type for field in fields(cls)}
        missing = [name for name in types if name not in values]
        if missing:
            raise ValueError(f"missing {', '.join(missing)}")
        for name, kind in types.items():
            if not _is_a(values[name], kind):
                raise ValueError(f"{name} is {values[name]!r}")
        known: dict[str, Any] = {name: values[name] for name in types}
        known["schedulers"] = tuple(known["schedulers"])
        card = cls(**known)
        if card.default_scheduler not in card.schedulers:
            raise ValueError(f"default_scheduler {card.default_scheduler!r} is not in schedulers")
        if not 0 < card.min_size <= card.native_size <= card.max_size or card.size_multiple < 1:
            raise ValueError("min_size <= native_size <= max_size does not hold")
        return card


def read_card(path: str | Path) -> ModelCard:
    """Read the card of a checkpoint folder, or make one from the configs of a folder without.

    A card that names no family says only what it wants other than the configs do.

    Raises:
        CheckpointError: the folder or its card is missing or not readable.
    """
    folder = Path(path)
    if folder.is_file():
        folder = folder.with_suffix("")
        if not folder.is_dir():
            raise CheckpointError(
                path, f"a single file needs its configs in a folder {folder.name}/"
            )
    if not folder.is_dir():
        raise CheckpointError(folder, "no such checkpoint folder")
    has_index = (folder / "model_index.json").is_file()
    said = {} if has_index and not (folder / CARD_NAME).exists() else read_json(folder / CARD_NAME)
    if has_index and "family" not in said:
        from models.families import describe  # imports torch: a folder with a card need not wait

        return describe(folder, said)
    try:
        return ModelCard.from_json(said)
    except ValueError as error:
        raise CheckpointError(folder / CARD_NAME, str(error)) from error


def write_card(path: str | Path, card: ModelCard) -> None:
    """Write `darkroom.json` into a checkpoint folder."""
    text = json.dumps(asdict(card), indent=2) + "\n"
    (Path(path) / CARD_NAME).write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        CheckpointError: the file is missing or holds no JSON object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(path, "missing") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(path, f"not readable as JSON ({error})") from error
    if not isinstance(values, dict):
        raise CheckpointError(path, "holds no JSON object")
    return values


def sha256_of(path: Path) -> str:
    """The file's SHA-256, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_a(value: Any, kind: Any) -> bool:
    match value:
        case bool():
            return False
        case list():
            return kind == tuple[str, ...] and all(isinstance(item, str) for item in value)
        case dict():
            return kind == Mapping[str, str] and all(isinstance(v, str) for v in value.values())
        case int():
            return kind in (int, float)
        case _:
            return type(value) is kind
