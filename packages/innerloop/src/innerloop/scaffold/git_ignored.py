"""Git around a new workspace: its repository, and the files of it that git would not keep."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..util import files, process
from ..util.printable import one_line
from ..util.process import CompletedCommand

NO_GIT = "git is not on PATH, so no repository was made: `git init` makes one"


@dataclass(frozen=True, slots=True)
class IgnoreLine:
    """A line of an ignore file that decides about some paths: `where` is FILE:LINE."""

    where: str
    pattern: str


def make_repository(root: Path, folder: Path) -> bool:
    """Make a repository in `root`, which becomes `folder`; False if one keeps that already.

    A repository around it that ignores the folder keeps nothing of it.
    """
    if process.which("git") is None or os.path.lexists(root / ".git"):
        return False
    around = next(parent for parent in folder.parents if parent.is_dir())
    inside = str(folder / "pyproject.toml")
    if _keeps(around) and not _git(around, "check-ignore", "--quiet", "--", inside).ok:
        return False
    # An older git than 2.28 does not know the setting, and names the branch master.
    name = _git(root, "config", "--get", "init.defaultBranch").out.strip() or "main"
    return _git(root, "-c", f"init.defaultBranch={name}", "init", "--quiet").ok


def repository_around(folder: Path) -> str:
    """The top of the repository that keeps the folder; "" for none, and if it is the folder.

    The folder need not exist.
    """
    if process.which("git") is None:
        return ""
    around = next(path for path in (folder, *folder.parents) if path.is_dir())
    top = _git(around, "rev-parse", "--show-toplevel").out.rstrip("\n")
    inside = str(folder / "pyproject.toml")
    if not top or _git(around, "check-ignore", "--quiet", "--", inside).ok:
        return ""
    return "" if around == folder and os.path.samefile(top, folder) else top


def messages(folder: Path, paths: Sequence[str], wanted: bool) -> list[str]:
    """Which of these files git would not keep, and which line of which file says so.

    `wanted`: the person wants a repository.
    """
    if process.which("git") is None:
        return [NO_GIT] if wanted else []
    found = ignored(folder, paths)
    rules: dict[IgnoreLine, list[str]] = {}
    for path, rule in found.items():
        rules.setdefault(rule, []).append(path)
    return [_message(rule, those) for rule, those in rules.items()]


def _message(rule: IgnoreLine, paths: list[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    words = shlex.join(one_line(path) for path in paths)
    return (
        f"git ignores {one_line(paths[0])}{more} because of `{one_line(rule.pattern)}` in "
        f"{one_line(rule.where)}, so a clone would lack them: `git add --force {words}` keeps them"
    )


def ignored(folder: Path, paths: Sequence[str]) -> dict[str, IgnoreLine]:
    """The files that git does not track and would not add, and the line that decides it.

    The user's own ignore files count. A folder in no repository is taken as a new one.
    """
    words = ["check-ignore", "--verbose", "-z", "--stdin"]
    text = "".join(f"{path}\0" for path in paths)
    if _keeps(folder):
        listed = _git(folder, *words, stdin=text)
    else:
        with files.temporary_folder("innerloop-git-") as scratch:
            _git(scratch, "init", "--quiet")
            alone = [f"--git-dir={scratch / '.git'}", f"--work-tree={folder}"]
            listed = _git(folder, *alone, *words, stdin=text)
    fields = listed.out.split("\0")
    found = {}
    for source, line, pattern, path in zip(*(fields[at::4] for at in range(4)), strict=False):
        if not pattern.startswith("!"):
            found[path] = IgnoreLine(f"{source}:{line}", pattern)
    return found


def kept_files(folder: Path) -> list[str] | None:
    """The files that git keeps or would add, relative to the folder; None without a repository."""
    if process.which("git") is None or not _keeps(folder):
        return None
    words = ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "-z"]
    listed = _git(folder, *words)
    if not listed.ok:  # a git before 2.31, which does not know --deduplicate
        listed = _git(folder, *[word for word in words if word != "--deduplicate"])
    return list(dict.fromkeys(filter(None, listed.out.split("\0")))) if listed.ok else None


def patterns_in_use(folder: Path, gone: tuple[str, ...]) -> set[str]:
    """The lines of the folder's `.gitignore` that keep something out of git that is there.

    `gone` are beginnings of paths that do not count. Empty without a repository.
    """
    if process.which("git") is None or not _keeps(folder):
        return set()
    words = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"]
    paths = [path for path in _git(folder, *words).out.split("\0") if path]
    found = ignored(folder, [path for path in paths if not path.startswith(gone)])
    # Git names an ignore file by its path from the top of the repository.
    own = _git(folder, "rev-parse", "--show-prefix").out.rstrip("\n") + ".gitignore:"
    return {rule.pattern for rule in found.values() if rule.where.startswith(own)}


def _keeps(folder: Path) -> bool:
    """Whether a repository has the folder in its work tree, and this user may ask it."""
    return _git(folder, "rev-parse", "--is-inside-work-tree").out.strip() == "true"


def _git(folder: Path, *words: str, stdin: str | None = None) -> CompletedCommand:
    """Git in a folder, whatever repository the variables of its caller name, as in a hook."""
    argv = ["git", "-C", str(folder), *words]
    return process.run(argv, env=_environment(), stdin=stdin, timeout=60)


def _environment() -> dict[str, str]:
    """Source: git(1), the variables that `git rev-parse --local-env-vars` lists."""
    local = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"}
    local |= {"GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_ALTERNATE_OBJECT_DIRECTORIES"}
    return {name: value for name, value in os.environ.items() if name not in local}
