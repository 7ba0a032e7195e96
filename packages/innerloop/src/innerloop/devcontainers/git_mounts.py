"""The repository of a git worktree or a submodule, in a dev container.

There `.git` is a file that names a folder outside of the workspace. That folder is mounted where the
file points, so that git works in the container as it does on the host.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..model.container import Mount
from ..model.workspace import Workspace
from ..util import git_folders
from ..util.git_folders import GitFolders
from ..util.quick_dataclasses import dataclass

# Where the devcontainer CLI and VS Code mount a folder, if the configuration names no other place.
_PARENT = "/workspaces"


@dataclass(frozen=True, slots=True)
class GitMount:
    """`source` is the repository's folder on this machine, `target` its path in the container.

    `work_tree` is (source, target, the workspace's path in the container) where the work tree needs
    another place than the usual one; else None.
    """

    source: str
    target: str
    work_tree: tuple[str, str, str] | None = None

    @property
    def note(self) -> str:
        return f"mounting {self.source}, the repository of this git worktree or submodule"

    def added_to(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """A devcontainer.json's value with the mount.

        The work trees that the repository knows have other paths in the container: git must not
        take them for removed ones there. Source: git-config(1), gc.worktreePruneExpire.
        """
        mounts = value.get("mounts")
        variables = value.get("containerEnv")
        variables = dict(variables) if isinstance(variables, dict) else {}
        count = str(variables.get("GIT_CONFIG_COUNT", "0"))
        number = int(count) if count.isdecimal() else 0
        variables |= {
            "GIT_CONFIG_COUNT": str(number + 1),
            f"GIT_CONFIG_KEY_{number}": "gc.worktreePruneExpire",
            f"GIT_CONFIG_VALUE_{number}": "never",
        }
        mount: object = {"type": "bind", "source": self.source, "target": self.target}
        if '"' in self.source:  # the CLI does not quote what it makes of an object
            mount = Mount(self.source, self.target).text()
        others = mounts if isinstance(mounts, list) else []
        place = {}
        if self.work_tree is not None:
            source, target, folder = self.work_tree
            place["workspaceMount"] = Mount(source, target).text()
            place["workspaceFolder"] = folder
        return {**value, **place, "mounts": [*others, mount], "containerEnv": variables}


def of_workspace(workspace: Workspace, value: Mapping[str, Any]) -> GitMount | None:
    """The mount for a devcontainer.json's value.

    None where git needs none, and for a folder that does not know this work tree as its own.
    """
    found = git_folders.find(Path(workspace.root))
    if found is None or not found.is_linked or not found.is_mutual or workspace.host:
        return None
    mount = _mount(found, Path(workspace.root), value)
    # A comma ends a field of a mount.
    is_possible = mount is not None and "," not in f"{mount.source}{mount.target}{found.work_tree}"
    return mount if is_possible else None


def _mount(found: GitFolders, root: Path, value: Mapping[str, Any]) -> GitMount | None:
    source = os.path.realpath(found.common)
    if os.path.isabs(found.named):
        return GitMount(source, found.common.as_posix()) if os.name != "nt" else None
    is_free = not value.get("workspaceMount") and not value.get("workspaceFolder")
    target = _target(found, _work_tree(found, root, value))
    if target.startswith(f"{_PARENT}/") or (target and not is_free):
        return GitMount(source, target)
    # The name leads higher up than the folder that has the work tree there.
    try:
        top = os.path.commonpath([found.work_tree, found.common])
    except ValueError:  # another drive
        return None
    if not is_free or not os.path.basename(top):
        return None
    inner = os.path.relpath(found.work_tree, top).replace("\\", "/")
    work_tree = posixpath.join(_PARENT, os.path.basename(top), inner)
    folder = posixpath.join(work_tree, root.relative_to(found.work_tree).as_posix())
    place = (str(found.work_tree), work_tree, posixpath.normpath(folder))
    return GitMount(source, _target(found, work_tree), place)


def _work_tree(found: GitFolders, root: Path, value: Mapping[str, Any]) -> str:
    """The work tree's path in the container; "" if it is not known."""
    if not value.get("workspaceMount"):
        return posixpath.join(_PARENT, found.work_tree.name)
    fields = dict(
        part.strip().partition("=")[::2] for part in str(value["workspaceMount"]).split(",")
    )
    target = fields.get("target") or fields.get("dst") or fields.get("destination") or ""
    return target if found.work_tree == root and "$" not in target else ""


def _target(found: GitFolders, work_tree: str) -> str:
    """The path of the repository that git computes in the container; "" if it is not known."""
    if not work_tree:
        return ""
    folder = posixpath.join(work_tree, found.named.replace("\\", "/"))
    inner = os.path.relpath(found.common, found.folder).replace("\\", "/")
    target = posixpath.normpath(posixpath.join(folder, inner))
    is_own = target.count("/") > 1 and not f"{target}/".startswith(f"{work_tree}/")
    return target if is_own else ""
