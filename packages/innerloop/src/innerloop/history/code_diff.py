"""The difference between the code of two runs: from the commit and the patch of each.

Both are put together beside the repository, whose branches, index, objects and work tree stay as they
are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..util import files, git, git_folders, process
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from .past_runs import PastRun
from .recorder import PATCH

# A longer difference is cut off (characters).
LONGEST = 1_000_000
_COMMIT = late_pattern("[0-9a-f]{7,64}")


@dataclass(frozen=True, slots=True)
class CodeDiff:
    """What differs, or why that is not known.

    `files` are the paths that differ, relative to the repository's root; `patch` turns the first code
    into the second. `why` says why they are not known; it is "" if they are. `left_out` are files whose content one of the runs did not record.
    """

    files: tuple[str, ...] = ()
    patch: str = ""
    why: str = ""
    left_out: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        return {
            "files": list(self.files),
            "patch": self.patch,
            "why": self.why,
            "left_out": list(self.left_out),
        }


def between(root: Path, one: PastRun, other: PastRun) -> CodeDiff:
    """The difference, without an error: where there is none to be had, `why` says the reason."""
    states = [run.record.get("git") or {} for run in (one, other)]
    listed = (state.get("left_out") for state in states)
    left_out = dict.fromkeys(
        str(path) for paths in listed if isinstance(paths, list) for path in paths
    )
    for run, state in zip((one, other), states, strict=True):
        if not _COMMIT.fullmatch(str(state.get("commit") or "")):
            return CodeDiff(why=f"the record of {run.id} has no commit")
    if process.which("git") is None:
        return CodeDiff(why="git is not on PATH")
    with files.temporary_folder("innerloop-diff-") as folder:
        return _between(root, folder, one, other, tuple(left_out))


def _between(
    root: Path, folder: Path, one: PastRun, other: PastRun, left_out: tuple[str, ...]
) -> CodeDiff:
    env = git.environment(os.environ, git_folders.find(root) is not None)
    found = process.run(git.objects_path(str(root)), env=env)
    if not found.ok:
        return CodeDiff(why="there is no git repository here")
    objects = files.make_folder(folder / "objects")
    env |= {
        "GIT_OBJECT_DIRECTORY": str(objects),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": found.out.rstrip("\n"),
    }
    trees = []
    for number, run in enumerate((one, other)):
        tree, why = _tree(root, run, {**env, "GIT_INDEX_FILE": str(folder / f"index{number}")})
        if why:
            return CodeDiff(why=why)
        trees.append(tree)
    if trees[0] == trees[1]:
        return CodeDiff(left_out=left_out)
    patch = process.run(git.between(str(root), *trees), env=env, timeout=60, exact=True)
    names = process.run(git.names_between(str(root), *trees), env=env, timeout=60, exact=True)
    if not patch.ok or not names.ok:
        return CodeDiff(why="git cannot compare the code of the two runs")
    listed = tuple(name for name in names.out.split("\0") if name)
    return CodeDiff(listed, patch.out[:LONGEST], "", left_out)


def _tree(root: Path, run: PastRun, env: Mapping[str, str]) -> tuple[str, str]:
    """The object of the code of a run, or why there is none."""
    commit = str((run.record.get("git") or {})["commit"])
    if not process.run(git.read_tree(str(root), commit), env=env, timeout=60).ok:
        return "", f"this repository does not have the commit {commit[:8]} of {run.id}"
    patch = root / run.folder / PATCH
    if patch.is_file() and not patch.is_symlink() and patch.stat().st_size:
        done = process.run(git.apply_to_index(str(root), str(patch)), env=env, timeout=60)
        if not done.ok:
            return "", f"the patch of {run.id} does not fit its commit"
    written = process.run(git.write_tree(str(root)), env=env, timeout=60)
    return (written.out.strip(), "") if written.ok else ("", "git cannot write the tree")
