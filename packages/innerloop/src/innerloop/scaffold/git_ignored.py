"""Git around a new workspace: its repository, and the files of it that git would not keep."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from ..util import files, process
from ..util.printable import one_line
from ..util.process import CompletedCommand
from ..util.quick_dataclasses import dataclass

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


def messages(
    folder: Path, paths: Sequence[str], wanted: bool, whole: Sequence[str] = ()
) -> list[str]:
    """Which of these files git would not keep, which line says so, and the lines that keep them.

    `wanted`: the person wants a repository. `whole`: folders that are the tool's as a whole; they
    end with a slash.
    """
    if process.which("git") is None:
        return [NO_GIT] if wanted else []
    return list(_by_rule(folder, paths, whole).values())


def of_new(folder: Path, paths: Iterable[str]) -> list[str]:
    """`messages` about files that a command has just made; empty without a repository."""
    made = sorted(path for path in paths if os.path.lexists(folder / path))
    if not made or process.which("git") is None or not _keeps(folder):
        return []
    return list(_by_rule(folder, made, ()).values())


def _by_rule(folder: Path, paths: Sequence[str], whole: Sequence[str]) -> dict[str, str]:
    """A message for each rule, by the first path that it is about."""
    found = ignored(folder, paths)
    rules: dict[IgnoreLine, list[str]] = {}
    for path, rule in found.items():
        rules.setdefault(rule, []).append(path)
    shut = _ignored_folders(folder, list(found))
    prefix = _git(folder, "rev-parse", "--show-prefix").out.rstrip("\n") if rules else ""
    messages = {}
    for rule, those in rules.items():
        below = _folder_of(rule, prefix)
        lines = lines_to_keep(*(_below(below, words) for words in (those, shut, whole)))
        messages[those[0]] = _message(rule, _folded(those, whole), f"{below}.gitignore", lines)
    return messages


def _folder_of(rule: IgnoreLine, prefix: str) -> str:
    """The folder whose ignore file can take back what a rule says; "" for the workspace's root.

    It is that of the rule if it is inside: a file of an inner folder overrides those around it.
    It ends with a slash. `prefix` is the root's path from the top of the repository.
    """
    source = rule.where.rpartition(":")[0]
    is_inside = source.startswith(prefix) and source.endswith("/.gitignore")
    return source[len(prefix) : -len(".gitignore")] if is_inside else ""


def _below(folder: str, paths: Iterable[str]) -> list[str]:
    """The paths that are in a folder, relative to it."""
    return [path[len(folder) :] for path in paths if path.startswith(folder)]


def _folded(paths: Sequence[str], whole: Sequence[str]) -> list[str]:
    """The paths, with a folder of `whole` for all that is in it."""
    folded = (next((one for one in whole if path.startswith(one)), path) for path in paths)
    return list(dict.fromkeys(folded))


def _message(rule: IgnoreLine, paths: list[str], file: str, lines: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    words = shlex.join(one_line(path) for path in paths)
    shown = " ".join(f"`{one_line(line)}`" for line in lines)
    return (
        f"git ignores {one_line(paths[0])}{more} because of `{one_line(rule.pattern)}` in "
        f"{one_line(rule.where)}, so a clone would lack them: `git add --force {words}` keeps them. "
        f"So do these lines at the end of {one_line(file)}: {shown}"
    )


def lines_to_keep(
    paths: Sequence[str], ignored_folders: Collection[str], whole: Sequence[str] = ()
) -> list[str]:
    """The lines, at the end of the `.gitignore` beside the paths' root, with which git keeps them.

    Git looks into no folder that it ignores (`ignored_folders`, without a slash at the end), so each
    such folder is taken back first, and what else is in it is ignored again. A folder of `whole` is
    taken back with all that is in it. Source: gitignore(5), "PATTERN FORMAT".
    """
    lines: dict[str, None] = {}
    for path in paths:
        own = next((folder for folder in whole if path.startswith(folder)), "")
        parts = (own.rstrip("/") or path).split("/")
        is_shut = False
        for length in range(1, len(parts) + bool(own)):
            folder = "/".join(parts[:length])
            is_shut = is_shut or folder in ignored_folders
            if is_shut:
                lines[f"!/{_literal(folder)}/"] = None
                if folder != own.rstrip("/"):
                    lines[f"/{_literal(folder)}/*"] = None
        lines[f"!/{_literal(own)}**" if own else f"!/{_literal(path)}"] = None
    return list(lines)


def _literal(path: str) -> str:
    """A path as a pattern of gitignore that matches it alone."""
    return re.sub(r"([\\*?\[])", r"\\\1", path)


def _ignored_folders(folder: Path, paths: Sequence[str]) -> set[str]:
    """The folders of the paths that git ignores as folders."""
    parents = {parent for path in paths for parent in _parents(path)}
    return {path.rstrip("/") for path in ignored(folder, [f"{one}/" for one in sorted(parents)])}


def _parents(path: str) -> Iterator[str]:
    parts = path.split("/")
    yield from ("/".join(parts[:length]) for length in range(1, len(parts)))


def lost(folder: Path, paths: Sequence[str], whole: Sequence[str] = ()) -> dict[str, str]:
    """`messages` about those of the paths that do not exist and that git ignores, by the first path.

    A clone lacks them because an ignore file kept them out of the repository.
    """
    missing = [path for path in paths if not os.path.lexists(folder / path)]
    if not missing or process.which("git") is None or not _keeps(folder):
        return {}
    return _by_rule(folder, missing, whole)


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
