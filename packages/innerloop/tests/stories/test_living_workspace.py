"""The repository is a workspace that `init` could have made.

The template is its root, and the generated files are what sync makes of it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import ROOT, Workspace, clone

# What the repository has beside the workspace: files, and folders that end with a slash.
THE_REPOSITORYS = (
    "LICENSE",
    "SECURITY.md",
    "renovate.json",
    ".ci/",
    ".github/ISSUE_TEMPLATE/",
    ".github/workflows/innerloop-",
    ".github/pull_request_template.md",
    "packages/",
)
# In both, with another content: a workspace's README is about the workspace, and its pin names the tool.
DIFFERENT = ("README.md", "scripts/loop-requirements.txt")
# Only in the workspace.
THE_WORKSPACES = (".innerloop/wheels/",)


def files(root: Path) -> set[str]:
    found = (path.relative_to(root).as_posix() for path in root.rglob("*") if not _is_folder(path))
    return {name for name in found if "__pycache__" not in name}


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def content(path: Path) -> tuple[bytes, bool]:
    if path.is_symlink():
        return os.readlink(path).encode(), True
    return path.read_bytes(), bool(path.stat().st_mode & 0o100)


@pytest.mark.network
def test_repository_equals_what_init_makes(workspace: Workspace, tmp_path: Path) -> None:
    repository = clone(tmp_path / "repository").root
    made = tmp_path / "made"
    answer = Workspace(ROOT).loop("init", str(made), "--example", "digits", "--no-git")
    assert answer.code == 0, answer.err
    ours = {name for name in files(repository) if not name.startswith(THE_REPOSITORYS)}
    theirs = {name for name in files(made) if not name.startswith(THE_WORKSPACES)}
    assert ours == theirs
    differing = [
        name for name in sorted(ours) if content(repository / name) != content(made / name)
    ]
    # A generated file that differs: delete it and .innerloop/state.json here, then `scripts/loop sync`.
    assert tuple(differing) == DIFFERENT
    pin = (made / "scripts/loop-requirements.txt").read_text().splitlines()
    own = (repository / "scripts/loop-requirements.txt").read_text().splitlines()
    added = [line for line in pin if line not in own]
    assert [line.split("==")[0].strip()[:14] for line in added[1:]] == [
        "innerloop",
        "--hash=sha256:",
    ]
