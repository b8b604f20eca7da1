"""What an image needs of pyproject.toml: `python wanted.py [EXTRA ...]` prints packages by line.

Writes what Python is to know of the project as well: its code is copied and not installed.
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
print(*project["dependencies"], sep="\n")
for extra in sys.argv[1:]:
    print(*project["optional-dependencies"][extra], sep="\n")
known = Path(f"{project['name']}.dist-info")
known.mkdir()
text = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
(known / "METADATA").write_text(text, encoding="utf-8")
