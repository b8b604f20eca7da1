"""The README's tree is the real one: every module named, and nothing named that is not there."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent


def tree_of_readme() -> set[str]:
    """Paths in the README's tree: indentation says the folder, the first word the name."""
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"## The tree\n+```\n(.*?)```", text, re.DOTALL)
    paths, folders = set[str](), list[str]()
    for line in block.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        for name in line.split("  ")[depth].split(" · "):
            path = "/".join([*folders[:depth], name.rstrip("/")])
            paths.add(path)
            if name.endswith("/"):
                folders[depth:] = [name.rstrip("/")]
    return paths


def tracked(*patterns: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {path for path in listed.stdout.split() if not path.endswith("__init__.py")}


def test_the_tree_names_every_module() -> None:
    modules = tracked("app/*.py", "worker/*.py", "models/*.py", "*.lua")

    missing = modules - tree_of_readme()

    assert not missing


def test_the_tree_names_nothing_that_is_not_there() -> None:
    gone = {path for path in tree_of_readme() if not (ROOT / path).exists()}

    assert not gone
