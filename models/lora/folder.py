"""Which LoRAs are on offer. Imports no torch: a worker announces them as it starts."""

from pathlib import Path


def find_loras(folder: Path | None, model_id: str) -> dict[str, Path]:
    """The files in the folder, and in its subfolder with the model's id, by their names."""
    if folder is None:
        return {}
    return {
        file.stem: file
        for place in (folder, folder / model_id)
        for file in sorted(place.glob("*.safetensors"))
    }
