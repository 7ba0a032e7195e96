"""Hatchling's hook: puts the workspace's own files, from the root of the repository, into the wheel
and the source distribution, as `innerloop/templates/workspace`.

A source distribution has them already; a wheel that is built from it is the same, byte for byte.
"""

from __future__ import annotations

import runpy
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WorkspaceTemplate(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        package = Path(self.root, "src", "innerloop")
        template = runpy.run_path(str(package / "scaffold" / "workspace_template.py"))
        if (package / template["DATA"]).is_file():
            return  # a source distribution
        root = Path(self.root).parent.parent
        if not (root / "scripts" / "loop").is_file():
            raise RuntimeError(f"{root} is not the repository: there is no scripts/loop")
        names = template["names"](root, _tracked(root))
        files = {name: template["read"](root, name) for name in names}
        copies = template["copies"](files)
        target = "innerloop" if self.target_name == "wheel" else "src/innerloop"
        self.folder = tempfile.TemporaryDirectory()
        data = Path(self.folder.name, "workspace.json")
        data.write_text(template["data"](files), encoding="utf-8", newline="\n")
        included = {
            str(root / name): f"{target}/{template['FOLDER']}/{name}"
            for name, file in files.items()
            if not file.link and name not in copies
        }
        build_data["force_include"].update({**included, str(data): f"{target}/{template['DATA']}"})

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


def _tracked(root: Path) -> list[str]:
    """The files that git knows; empty without git, or in an export."""
    if not (root / ".git").exists():
        return []
    argv = ["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files", "-z"]
    try:
        return subprocess.run(argv, capture_output=True, text=True).stdout.split("\0")
    except OSError:
        return []
