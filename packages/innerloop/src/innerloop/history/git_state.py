"""The code of a run: the commit, and what was not committed as a patch on it.

The repository's branches, index and work tree stay as they are: untracked files are added to a copy
of the index.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..util import files, git, process

# Folders that are never code, also where a repository does not ignore them.
NOT_CODE = ("outputs/", "data/", ".innerloop/")
# An untracked file larger than this is not in the patch, only named (bytes).
LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class GitState:
    """The state of the repository.

    `changed` and `untracked` are paths relative to the repository's root. `left_out` are the
    untracked files that are too large for `patch`. `commit` is "" before the first commit, `branch`
    when none is checked out.
    """

    commit: str
    branch: str
    changed: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    patch: str = ""

    @property
    def dirty(self) -> bool:
        return bool(self.changed or self.untracked)

    def json(self) -> dict[str, Any]:
        return {
            "commit": self.commit,
            "branch": self.branch,
            "dirty": self.dirty,
            "changed": list(self.changed),
            "untracked": list(self.untracked),
            "left_out": list(self.left_out),
        }


def read(root: Path) -> GitState | None:
    """None without git, without a repository, or when git refuses to read it."""
    if process.which("git") is None:
        return None
    done = process.run(git.state(str(root)), timeout=60)
    if not done.ok:
        return None
    state = parse(done.out)
    if not state.dirty or not state.commit:
        return state
    small = [path for path in state.untracked if _size(root / path) <= LARGEST]
    left_out = tuple(path for path in state.untracked if path not in small)
    return replace(state, left_out=left_out, patch=_patch(root, small))


def parse(text: str) -> GitState:
    """The state from the output of `util.git.state`."""
    commit = branch = ""
    changed, untracked = [], []
    for line in text.split("\0"):
        if line.startswith("# branch.oid "):
            commit = line.removeprefix("# branch.oid ").replace("(initial)", "")
        elif line.startswith("# branch.head "):
            branch = line.removeprefix("# branch.head ").replace("(detached)", "")
        elif line.startswith("? ") and not line[2:].startswith(NOT_CODE):
            untracked.append(line[2:])
        elif line.startswith("1 "):  # "1 XY sub mH mI mW hH hI path"
            changed.append(line.split(" ", 8)[8])
        elif line.startswith("u "):  # "u XY sub m1 m2 m3 mW h1 h2 h3 path"
            changed.append(line.split(" ", 10)[10])
    return GitState(commit, branch, tuple(changed), tuple(untracked))


def _patch(root: Path, untracked: list[str]) -> str:
    top = str(root)
    index_path = process.run(git.index_path(top))
    with files.temporary_folder("innerloop-git-") as folder:
        index = folder / "index"
        original = Path(index_path.out.strip())
        if index_path.ok and original.is_file():
            files.copy(original, index)
        env = {**os.environ, "GIT_INDEX_FILE": str(index)}
        for start in range(0, len(untracked), 500):  # the length of a command line is limited
            process.run(git.announce(top, untracked[start : start + 500]), env=env)
        return process.run(git.diff(top), env=env, timeout=60).out


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
