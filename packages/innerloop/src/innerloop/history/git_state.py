"""The code of a run: the commit, and what was not committed as a patch on it.

The repository's branches, index and work tree stay as they are: untracked files are added to a copy
of the index. What a submission refuses as a secret is in no patch: it is only named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..util import files, git, git_folders, process
from ..util.errors import UserError
from ..util.printable import as_unicode
from ..util.quick_dataclasses import dataclass

# Folders that are never code, also where a repository does not ignore them.
NOT_CODE = ("outputs/", "data/", ".innerloop/")
# An untracked file larger than this is not in the patch, only named (bytes).
LARGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class GitState:
    """The state of the repository.

    `changed` and `untracked` are paths relative to the repository's root. `left_out` are those that
    are not in `patch`: too large, unreadable, outside of the workspace, or with something that looks
    like a secret. Names are as Python reads them from the disk, also those that are not UTF-8, and the
    patch has the bytes of the files in the same way. `commit` is "" before the first commit, `branch` when none is checked out.
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
            "branch": as_unicode(self.branch),
            "dirty": self.dirty,
            "changed": [as_unicode(path) for path in self.changed],
            "untracked": [as_unicode(path) for path in self.untracked],
            "left_out": [as_unicode(path) for path in self.left_out],
        }


def read(root: Path) -> GitState | None:
    """None without git, without a repository, or when git refuses to read it."""
    try:
        return read_or_fail(root)
    except UserError:
        return None


def read_or_fail(root: Path) -> GitState | None:
    """None without git or a repository. UserError if git cannot read the repository that is there."""
    if process.which("git") is None:
        return None
    folders = git_folders.find(root)
    env = git.environment(os.environ, folders is not None)
    done = process.run(git.state(str(root)), timeout=60, exact=True, env=env)
    if not done.ok:
        if folders is not None:
            raise _unreadable(folders, done.err)
        return None
    below = "" if folders is None else root.relative_to(folders.work_tree).as_posix()
    state = parse(done.out, "" if below in ("", ".") else f"{below}/")
    if not state.dirty or not state.commit:
        return state
    patch, left_out = _patch(root, state, env)
    return replace(state, left_out=tuple(left_out), patch=patch)


def _unreadable(folders: git_folders.GitFolders, answer: str) -> UserError:
    lines = [line for line in answer.splitlines() if line.startswith("fatal: ")] or [answer.strip()]
    reason = lines[0].removeprefix("fatal: ")
    hint = "Run `git status` in the workspace"
    if folders.is_linked and not folders.is_there:
        reason = f"this is a worktree or a submodule of {folders.common}, which is not there"
        hint = "On the host, git works; `scripts/loop up` mounts that folder, too"
    elif "dubious ownership" in reason:
        reason = "the repository belongs to another user"
        hint = f"If you trust it: git config --global --add safe.directory {folders.work_tree}"
    return UserError(
        f"git cannot read the repository: {reason}",
        code="git-unreadable",
        where=str(folders.work_tree),
        hint=hint,
    )


def parse(text: str, prefix: str = "") -> GitState:
    """The state from the output of `util.git.state`.

    `prefix` is the workspace's folder in its repository, "" or with a "/" at the end.
    """
    commit = branch = ""
    changed, untracked = [], []
    for line in text.split("\0"):
        if line.startswith("# branch.oid "):
            commit = line.removeprefix("# branch.oid ").replace("(initial)", "")
        elif line.startswith("# branch.head "):
            branch = line.removeprefix("# branch.head ").replace("(detached)", "")
        elif line.startswith("? ") and not line[2:].removeprefix(prefix).startswith(NOT_CODE):
            untracked.append(line[2:])
        elif line.startswith("1 "):  # "1 XY sub mH mI mW hH hI path"
            changed.append(line.split(" ", 8)[8])
        elif line.startswith("u "):  # "u XY sub m1 m2 m3 mW h1 h2 h3 path"
            changed.append(line.split(" ", 10)[10])
    return GitState(commit, branch, tuple(changed), tuple(untracked))


def _patch(root: Path, state: GitState, env: Mapping[str, str]) -> tuple[str, list[str]]:
    """The patch, and the changed and untracked files that are not in it."""
    top = str(root)
    answer = process.run(git.index_path(top), exact=True, env=env)
    index_path, _, prefix = answer.out.partition("\n")
    prefix = prefix.rstrip("\n")
    inside = {path.removeprefix(prefix): path for path in (*state.changed, *state.untracked)
              if path.startswith(prefix)}  # fmt: skip
    untracked = {path.removeprefix(prefix) for path in state.untracked}
    safe = [path for path in inside if _may_be_copied(root, path, path in untracked)]
    with files.temporary_folder("innerloop-git-") as folder:
        index = folder / "index"
        original = Path(index_path)
        if answer.ok and original.is_file():
            files.copy(original, index)
        env = {**env, "GIT_INDEX_FILE": str(index)}
        new = [path for path in safe if path in untracked]
        for chunk in _chunks(new):
            if not process.run(git.announce(top, chunk), env=env).ok:
                # One that git refuses (another repository's folder) holds up no other.
                for path in chunk:
                    process.run(git.announce(top, [path]), env=env)
        patches = [_patch_of(top, chunk, env) for chunk in _chunks(safe)]
    copied = {inside[path] for _, paths in patches for path in paths}
    text = "".join(patch for patch, _ in patches)
    return text, [path for path in (*state.changed, *state.untracked) if path not in copied]


def _patch_of(top: str, paths: list[str], env: Mapping[str, str]) -> tuple[str, list[str]]:
    """The patch of these files without those whose lines hold a secret, and the files in it.

    What is searched is the patch itself, so no file can change between the search and the copy.
    """
    from ..model import secrets  # here, as below: often there is nothing to copy

    answer = process.run(git.diff(top, paths), env=env, timeout=60, exact=True)
    if answer.ok and secrets.by_content(answer.out) is None:
        return answer.out, paths
    if len(paths) == 1:
        return "", []
    half = len(paths) // 2
    parts = [_patch_of(top, part, env) for part in (paths[:half], paths[half:])]
    return "".join(patch for patch, _ in parts), [path for _, names in parts for path in names]


def _may_be_copied(root: Path, path: str, is_untracked: bool) -> bool:
    """Whether a file's name and content may be in a patch. A link is copied as its text."""
    from ..model import secrets

    full = root / path
    if path.endswith("/"):
        return False  # another repository in this one
    try:
        status = full.lstat()
    except OSError:
        return not secrets.by_name(path)  # removed
    if is_untracked and (status.st_size > LARGEST or path.startswith(NOT_CODE)):
        return False
    if not stat.S_ISREG(status.st_mode):
        return True
    try:
        content = full.read_bytes() if status.st_size <= secrets.LONGEST else None
    except OSError:
        return False
    if content is None and not os.access(full, os.R_OK):
        return False
    return secrets.suspicion(path, content) is None


def _chunks(paths: list[str]) -> list[list[str]]:
    """The length of a command line is limited."""
    return [paths[start : start + 200] for start in range(0, len(paths), 200)]
