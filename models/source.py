"""Where a checkpoint lies: in the package, a folder, a file, or at a hub, the revision pinned.

Imports no torch. A hub's files are looked for in the local cache first; the hub is asked only for
what is not there, and never where HF_HUB_OFFLINE says so.
"""

import re
from pathlib import Path

from models.card import CheckpointError

BUILT_IN = Path(__file__).parent / "default"
BUILT_IN_FAST = Path(__file__).parent / "default-fast"  # four steps, no guidance
NAMED = {"built-in": BUILT_IN, "built-in-fast": BUILT_IN_FAST}  # they come with the package
HUB_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?")
WANTED = [
    "model_index.json", "darkroom.json",
    "*/*.json", "*/*.safetensors", "*/*.txt", "*/*.model",
]  # fmt: skip
UNWANTED = ["*.fp16.*", "*/openvino_*", "*/flax_*", "safety_checker/*"]


def locate(place: str, cache: Path | None = None) -> Path:
    """The path of a checkpoint: one of `NAMED`, or as it says; a hub's snapshot is fetched.

    Raises:
        CheckpointError: it is nowhere, or a hub's name without a revision.
    """
    path = NAMED.get(place) or Path(place).expanduser()
    hub = HUB_NAME.fullmatch(place)
    if path.exists() or not hub:
        return path
    if hub["revision"] is None:
        reason = "no such folder; a name at a hub needs its revision: owner/name@revision"
        raise CheckpointError(place, reason)
    return _snapshot(hub["name"], hub["revision"], cache)


def _snapshot(name: str, revision: str, cache: Path | None) -> Path:
    from huggingface_hub import snapshot_download  # seconds, and only this kind of place needs it
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    options = {
        "revision": revision,
        "cache_dir": cache,
        "allow_patterns": WANTED,
        "ignore_patterns": UNWANTED,
    }
    try:
        return Path(snapshot_download(name, local_files_only=True, **options))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(name, **options))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        said = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{name}@{revision}", f"cannot be fetched ({said})") from error
