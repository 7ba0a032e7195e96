"""Where the repository of a folder is, read from its `.git`. Nothing here runs git.

In an ordinary clone `.git` is the repository. In a linked worktree and in a submodule it is a file
that names a folder elsewhere, by a full path or (submodules, and worktrees of git 2.48 or newer with
worktree.useRelativePaths) a relative one. Source: gitrepository-layout(5), git-worktree(1).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from . import regular_files
from .errors import UserError
from .quick_dataclasses import dataclass

_LONGEST = 65_536


@dataclass(frozen=True, slots=True)
class GitFolders:
    """The folders of a repository; all paths are absolute.

    `work_tree` has the `.git`. `folder` is the worktree's own git folder, `common` the one of the
    repository (the same in a clone and in a submodule). `named` is the text of a `.git` that is a
    file, "" where it is the repository itself. `is_mutual`: the git folder exists, and names this
    work tree as one of its own.
    """

    work_tree: Path
    folder: Path
    common: Path
    named: str = ""
    is_mutual: bool = True

    @property
    def is_linked(self) -> bool:
        """Whether the repository is outside of the work tree."""
        return bool(self.named)

    @property
    def is_there(self) -> bool:
        return (self.folder / "HEAD").exists() and (self.common / "objects").exists()


def find(folder: Path) -> GitFolders | None:
    """The repository that a folder is in; None without one.

    A check of many experiments asks often: without a `pathlib` for each folder above.
    """
    place = os.fspath(folder)
    while True:
        mark = os.path.join(place, ".git")
        try:
            mode = os.stat(mark).st_mode
        except (OSError, ValueError):
            mode = 0
        if stat.S_ISDIR(mode):
            return GitFolders(Path(place), Path(mark), Path(mark))
        if stat.S_ISREG(mode):
            return _linked(Path(place), Path(mark))
        above = os.path.dirname(place)
        if above == place:
            return None
        place = above


def _linked(work_tree: Path, mark: Path) -> GitFolders | None:
    text = _line(mark)
    named = text.removeprefix("gitdir:").strip()
    if named in ("", text):
        return None
    folder = _below(work_tree, named)
    common = _below(folder, _line(folder / "commondir") or ".")
    return GitFolders(work_tree, folder, common, named, _is_mutual(work_tree, mark, folder, common))


def _is_mutual(work_tree: Path, mark: Path, folder: Path, common: Path) -> bool:
    """Whether the repository knows the work tree: a `.git` of a stranger may name any folder."""
    if not (folder / "HEAD").is_file() or not (common / "objects").is_dir():
        return False
    back = _line(folder / "gitdir")
    if back:  # a worktree's folder is the repository's, and names the `.git` of the worktree
        own = os.path.join(os.path.realpath(common), "worktrees")
        is_own = os.path.dirname(os.path.realpath(folder)) == own
        return is_own and os.path.realpath(_below(folder, back)) == os.path.realpath(mark)
    if folder != common:
        return False
    configured = _work_tree_of(folder / "config")
    return bool(configured) and os.path.realpath(_below(folder, configured)) == os.path.realpath(
        work_tree
    )


def _work_tree_of(config: Path) -> str:
    """core.worktree of a submodule's configuration; "" without one."""
    import configparser  # here: only submodules need it

    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        text = regular_files.read_bytes(config, _LONGEST * 16).decode("utf-8", "surrogateescape")
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
        return (parser.get("core", "worktree", fallback="") or "").strip('"')
    except (OSError, UserError, configparser.Error):
        return ""


def _line(path: Path) -> str:
    """The first line of a small file; "" if there is none."""
    try:
        content = regular_files.read_bytes(path, _LONGEST)
    except (OSError, UserError):
        return ""
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    return lines[0].strip() if lines else ""


def _below(folder: Path, name: str) -> Path:
    return Path(os.path.normpath(folder / name))
