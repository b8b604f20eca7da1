"""The packages that drawings and names come from: pinned, fetched by name, verified.

The client is npm; where it looks is its own configuration. Knows nothing of what is inside.
"""

import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.text_encoder import verify_sha256


@dataclass(frozen=True)
class Package:
    """One npm package, its version and the SHA-256 of the archive as downloaded."""

    name: str
    version: str
    sha256: str

    @property
    def archive_name(self) -> str:
        """The file name that `npm pack` gives."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def fetch(package: Package, folder: Path) -> Path:
    """The verified archive of a package, downloaded unless the folder already has it.

    Raises:
        ValueError: the archive is not the pinned one.
        subprocess.CalledProcessError: npm could not fetch it.
    """
    archive = folder / package.archive_name
    if not archive.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    verify_sha256(archive, package.sha256)
    return archive


def read_json(archive: Path, name: str) -> Any:
    """One JSON document out of an archive; an empty dict where the archive has none."""
    with tarfile.open(archive) as tar:
        try:
            member = tar.extractfile(f"package/{name}")
        except KeyError:
            return {}
        return json.load(member) if member else {}


def read_files(archive: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """Stem and content of every file of an archive with this suffix."""
    with tarfile.open(archive) as tar:
        for entry in tar:
            member = tar.extractfile(entry) if entry.name.endswith(suffix) else None
            if member:
                yield Path(entry.name).stem, member.read()


NAMES = Package(
    "emojibase-data", "17.0.0", "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a"
)
