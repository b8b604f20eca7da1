"""Words that no prompt may hold: the operator's list, one word or phrase a line.

Looked for as whole words, in any case and any spelling that Unicode calls the same (NFKC). A list
of words stops nobody who means to get around it; it keeps a team's own rules from being forgotten.
"""

import re
import unicodedata
from pathlib import Path


class DenyList:
    """The list of `DARKROOM_PROMPT_DENY`: `@file`, or phrases separated by commas."""

    def __init__(self, setting: str | None) -> None:
        """Read it.

        Raises:
            ValueError: The file cannot be read.
        """
        phrases = (setting or "").split(",")
        if setting and setting.startswith("@"):
            try:
                phrases = Path(setting[1:]).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeError) as error:
                raise ValueError(f"DARKROOM_PROMPT_DENY: {setting[1:]}: {error}") from error
        words = (_plain(phrase) for phrase in phrases if not phrase.lstrip().startswith("#"))
        found = sorted({re.escape(phrase) for phrase in words if phrase})
        self._pattern = re.compile(rf"(?<!\w)(?:{'|'.join(found)})(?!\w)") if found else None

    def forbids(self, prompt: str) -> bool:
        """Whether one of the phrases stands in the prompt."""
        return bool(self._pattern and self._pattern.search(_plain(prompt)))


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
