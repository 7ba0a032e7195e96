"""Hatchling's hook: puts the workspace's own files, from the root of the repository, into the wheel.

A source distribution has them in the folder `workspace`, so that a wheel which is built of it is the
same, byte for byte.
"""

from __future__ import annotations

import runpy
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HELD = "workspace"
# `loop upgrade` shows what is in it.
CHANGELOG = "CHANGELOG.md"


class WorkspaceTemplate(BuildHookInterface):  # type: ignore[misc] # hatchling is only where the wheel is built
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        module = Path(self.root, "src", "innerloop", "scaffold", "workspace_template.py")
        template = runpy.run_path(str(module))
        folder, data = f"innerloop/{template['FOLDER']}", f"innerloop/{template['DATA']}"
        if self.target_name == "sdist":
            folder, data = HELD, f"{HELD}.json"
        held = Path(self.root, HELD)
        if held.is_dir():
            files = {path.relative_to(held).as_posix(): path for path in held.rglob("*")}
            files = {name: path for name, path in files.items() if path.is_file()}
            data_file = Path(self.root, f"{HELD}.json")
        else:
            files, text = _of_repository(Path(self.root).parent.parent, template)
            self.temporary = tempfile.TemporaryDirectory()
            data_file = Path(self.temporary.name, "workspace.json")
            data_file.write_text(text, encoding="utf-8", newline="\n")
        included = {str(path): f"{folder}/{name}" for name, path in sorted(files.items())}
        included[str(Path(self.root, CHANGELOG))] = (
            CHANGELOG if self.target_name == "sdist" else f"innerloop/{CHANGELOG}"
        )
        build_data["force_include"].update({**included, str(data_file): data})

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "temporary"):
            self.temporary.cleanup()


def _of_repository(root: Path, template: dict[str, Any]) -> tuple[dict[str, Path], str]:
    """The files to hold, and the text about links, copies and modes."""
    if not (root / "scripts" / "loop").is_file():
        raise RuntimeError(f"{root} is not the repository: there is no scripts/loop")
    names = template["names"](root, _tracked(root))
    files = {name: template["read"](root, name) for name in names}
    copies = template["copies"](files)
    held = {name: root / name for name in names if not files[name].link and name not in copies}
    return held, template["data"](files)


def _tracked(root: Path) -> list[str]:
    """The files that git knows; empty without git, or in an export."""
    if not (root / ".git").exists():
        return []
    argv = ["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files", "-z"]
    try:
        return subprocess.run(argv, capture_output=True, text=True).stdout.split("\0")
    except OSError:
        return []
