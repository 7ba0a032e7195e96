"""Links that git checked out as text files: `core.symlinks=false`, as on Windows without Developer Mode.

Such a file holds the link's text and nothing else. It is a link if git's index says so (mode 120000).
Where git cannot tell, it is one if it is below `common/` of an experiment and its one line leads to
code in src/common. Any other file is data, whatever it holds.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from ..model import shared_code
from ..model.experiment_paths import SOURCES
from ..model.paths import is_within
from ..util import git, git_folders, process, regular_files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass

# The longest text of a link, in bytes. Source: PATH_MAX of Linux, which git has too.
LONGEST = 4096
_LINK = "120000"
# Small files that are opened where git cannot tell what is a link.
_MOST_OPENED = 4_000
_MOST_TEXT = 500
_NO_CODE = frozenset({"outputs", "logs", "__pycache__", ".git", ".venv", "node_modules"})


@dataclass(frozen=True, slots=True)
class TextLink:
    """A link that is a text file on this disk. Paths are relative to the root, with "/".

    `target` is "" where it leads to nothing, out of the workspace, to a folder that contains it, or
    to another such file.
    """

    path: str
    text: str
    target: str


def below(root: Path, folder: str = "") -> tuple[TextLink, ...]:
    """The text links below a folder of the workspace, or the one at that path, sorted by path."""
    names = _names(root)
    prefix = "" if folder in ("", ".") else f"{folder}/"
    chosen = [name for name in names if name == folder or name.startswith(prefix)]
    found = ((name, _text(root / name)) for name in sorted(chosen))
    return tuple(
        TextLink(name, text, _target(root, name, text, names))
        for name, text in found
        if text is not None
    )


def targets(root: Path, folder: str = "") -> dict[str, str]:
    """Those below a folder that lead somewhere: each one's path with its target."""
    return {link.path: link.target for link in below(root, folder) if link.target}


def on_disk(root: Path, folder: str = "") -> dict[str, str]:
    """`targets` as absolute paths without links, which this system's programs use."""
    real = os.path.realpath(root)
    return {
        os.path.join(real, *path.split("/")): os.path.realpath(os.path.join(real, target))
        for path, target in targets(root, folder).items()
    }


def resolve(root: Path, path: str) -> str:
    """A path relative to the root, with the text link that it is, or is behind, followed."""
    if not (names := _names(root)):
        return path
    plain = posixpath.normpath(path)
    parts = plain.split("/")
    for count in range(1, len(parts) + 1):
        start = "/".join(parts[:count])
        if start in names and (target := targets(root, start).get(start)):
            return "/".join([target, *parts[count:]])
    return path


def by_content(root: Path) -> dict[str, str]:
    """The files that would be links if git could not tell: each one's path with its text."""
    found = ((name, _text(root / name)) for name in sorted(_by_content(str(root))))
    return {name: text for name, text in found if text is not None}


def may_be(root: Path) -> bool:
    """Whether git may have written links as text files here."""
    return git_folders.find(root) is not None and _mentions(str(root))


def is_kept_by_git(root: Path) -> bool:
    """Whether git's index can say which files are links."""
    return git_folders.find(root) is not None and process.which("git") is not None


def unlike_files(root: Path, paths: Iterable[str]) -> set[str]:
    """Those of the paths that git's index does not have as ordinary files; all where it cannot tell."""
    chosen = set(paths)
    modes = _modes(str(root), sorted(chosen)) if chosen and is_kept_by_git(root) else None
    return {path for path in chosen if (modes or {}).get(path, _LINK) == _LINK}


def record(root: Path, links: Mapping[str, str]) -> bool:
    """Have git's index hold text files as links: each path with its text.

    False where there is no repository, or git refuses: `git add` makes ordinary files of them then.
    """
    if not links or not is_kept_by_git(root):
        return not links
    rows = []
    for path, text in links.items():
        stored = _git(root, ["git", "-C", str(root), "hash-object", "-w", "--stdin"], stdin=text)
        if stored is None:
            return False
        rows.append(f"{_LINK} {stored.strip()} 0\t{_prefix(root)}{path}\0")
    done = _git(root, git.update_index(str(root)), stdin="".join(rows))
    forget()
    return done is not None


def release(root: Path, paths: Iterable[str]) -> None:
    """Have git's index forget links whose text files were removed.

    An ordinary file that is added at such a path would be kept as a link.
    """
    rows = [f"0 {'0' * 40}\t{_prefix(root)}{path}\0" for path in paths]
    if rows and is_kept_by_git(root):
        _git(root, git.update_index(str(root)), stdin="".join(rows))
    forget()


def forget() -> None:
    """Read git's settings and index again: a command has changed them."""
    _says_false.cache_clear()
    _of_stamp.cache_clear()
    _by_content.cache_clear()


def _names(root: Path) -> frozenset[str]:
    """The paths that are links for git. Their files may be gone, or have become real links."""
    found = git_folders.find(root)
    if found is None:
        return _by_content(str(root))
    if not _mentions(str(root)):
        return frozenset()
    if (is_false := _says_false(str(root))) is None:
        return _by_content(str(root))
    stamp = _stamp_of(found.folder / "index")
    return _of_stamp(str(root), stamp) if is_false else frozenset()


@lru_cache(maxsize=8)
def _of_stamp(root: str, _index: tuple[int, ...]) -> frozenset[str]:
    modes = _modes(root, [])
    if modes is None:
        return _by_content(root)
    return frozenset(path for path, mode in modes.items() if mode == _LINK)


def _modes(root: str, paths: list[str]) -> dict[str, str] | None:
    """The mode of each of the paths (none: of all files) in the index; None where git cannot read it."""
    out = _git(Path(root), git.in_index(root, paths))
    if out is None:
        return None
    rows = (row.partition("\t") for row in out.split("\0"))
    return {path: about.partition(" ")[0] for about, _, path in rows if path}


@lru_cache(maxsize=8)
def _mentions(root: str) -> bool:
    """Whether a file of git's settings names core.symlinks at all: few do, and git takes longer.

    Git writes the setting into the repository's own file where it cannot make links. Source:
    git-config(1), core.symlinks.
    """
    if any(name.startswith("GIT_CONFIG") for name in os.environ):
        return True
    paths = settings_files(Path(root))
    for path in paths:
        try:
            text = regular_files.read_bytes(path, 1_000_000).lower()
        except (OSError, UserError):
            continue
        if b"symlinks" in text or b"[include" in text:
            return True
    return False


def settings_files(root: Path) -> list[str]:
    """The files of git's settings for the workspace, whether they exist or not."""
    home = os.path.expanduser("~")
    more = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    found = git_folders.find(root)
    paths = [f"{home}/.gitconfig", f"{more}/git/config", "/etc/gitconfig"]
    if found is not None:
        paths += [str(found.common / "config"), str(found.folder / "config.worktree")]
    return paths


@lru_cache(maxsize=8)
def _says_false(root: str) -> bool | None:
    """Whether core.symlinks is false; None where git cannot say."""
    if process.which("git") is None:
        return None
    argv = ["git", "-C", root, "config", "--type=bool", "--default=true", "--get", "core.symlinks"]
    out = _git(Path(root), argv)
    return None if out is None else out.strip() == "false"


@lru_cache(maxsize=8)
def _by_content(root: str) -> frozenset[str]:
    found = (
        Path(entry.path) for entry in _small_files(os.path.join(root, SOURCES), [0], is_top=True)
    )
    names = {path.relative_to(root).as_posix(): path for path in found}
    return frozenset(
        name
        for name, path in names.items()
        if (text := _text(path)) is not None
        and shared_code.text_of_a_link(text, name) is not None
        and os.path.exists(os.path.join(root, shared_code.leads(name, text)))
    )


def _small_files(
    folder: str, count: list[int], *, is_top: bool = False, is_in_common: bool = False
) -> Iterator[os.DirEntry[str]]:
    """The small files in folders named `common` of experiments; `count` is how many so far."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name in _NO_CODE or (is_top and entry.name == "common"):
                continue
            is_common = is_in_common or entry.name == "common"
            yield from _small_files(entry.path, count, is_in_common=is_common)
        elif is_in_common and entry.is_file(follow_symlinks=False) and count[0] < _MOST_OPENED:
            if entry.stat(follow_symlinks=False).st_size >= _MOST_TEXT:
                continue
            count[0] += 1
            yield entry


def _text(path: Path) -> str | None:
    """The link's text, if the path is a regular file with one line; a real link has none."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        content = regular_files.read_bytes(path, LONGEST, follow=False).decode("utf-8")
    except (OSError, UserError, UnicodeDecodeError):
        return None
    text = content.rstrip("\r\n")
    return text if text and text.isprintable() else None


def _target(root: Path, name: str, text: str, names: frozenset[str]) -> str:
    if re.match(r"[/\\]|[A-Za-z]:", text):
        return ""
    target = shared_code.leads(name, text)
    leads_out = target in (".", "..") or target.startswith("../")
    if leads_out or is_within(name, target) or any(is_within(target, other) for other in names):
        return ""
    try:
        mode = os.stat(root / target).st_mode
        real = os.path.realpath(root / target)
    except (OSError, ValueError):
        return ""
    is_code = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    return target if is_code and is_within(real, os.path.realpath(root)) else ""


def _prefix(root: Path) -> str:
    """The workspace's folder in its repository, "" or with a "/" at the end."""
    found = git_folders.find(root)
    below = "." if found is None else root.relative_to(found.work_tree).as_posix()
    return "" if below == "." else f"{below}/"


def _git(root: Path, argv: list[str], stdin: str | None = None) -> str | None:
    """What git prints; None where it fails."""
    if process.which("git") is None:
        return None
    env = git.environment(os.environ, git_folders.find(root) is not None)
    done = process.run(argv, timeout=60, exact=True, env=env, stdin=stdin)
    return done.out if done.ok else None


def _stamp_of(path: Path) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino
