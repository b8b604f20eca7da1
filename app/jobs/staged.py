"""What a writer that was killed leaves in a folder of pictures: a file that never got its name.

The store writes `KEY#N` beside a picture, renames it when it is whole, and itself neither lists nor
deletes such names.
"""

import contextlib
from datetime import datetime
from pathlib import Path

FOLDERS = "[0-9a-f]" * 32  # a job's pictures
STAGED = "*#*"


def delete_staged(folder: Path, moment: datetime) -> int:
    """Delete files left unfinished before, and folders empty since then; how many files."""
    before, count = moment.timestamp(), 0
    for own in folder.glob(FOLDERS):
        is_old = _is_older(own, before)
        for path in own.glob(STAGED):
            if _is_older(path, before):
                path.unlink(missing_ok=True)
                count += 1
        if is_old:
            with contextlib.suppress(OSError):  # it holds pictures, or is gone
                own.rmdir()
    return count


def _is_older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:  # renamed or deleted meanwhile
        return False
