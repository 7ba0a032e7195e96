"""Reads the files of a repository, in limits of number, size and time; follows no link.

Where git keeps the folder, git says which files count: those that it ignores do not.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatch
from itertools import islice
from pathlib import Path

from ...util import regular_files
from ...util.errors import UserError
from ...util.printable import is_unicode
from .. import git_ignored
from .repository_tree import RepositoryTree

MOST_FILES = 50_000
# Of the texts that are read: their number, and the size of each in bytes.
MOST_TEXTS = 5_000
LARGEST_TEXT = 256_000
# Locks are long: those of this size are read, too.
LOCKS = frozenset({"uv.lock", "poetry.lock", "pixi.lock"})
LARGEST_LOCK = 8_000_000
# Folders of other programs, of their caches and of what they make.
LEFT_OUT = frozenset(
    {
        *(".git", ".hg", ".svn", ".innerloop", "node_modules", "site-packages", "__pycache__"),
        *(".venv", "venv", ".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".eggs"),
        *(
            ".ipynb_checkpoints",
            "outputs",
            "mlruns",
            "wandb",
            "lightning_logs",
            ".dvc",
            ".terraform",
        ),
    }
)
# What is read of a file: by its name, or by its path.
_READ = (
    *("*.yml", "*.yaml", "*.toml", "*.py", "*.cfg", "tox.ini", ".style.yapf", ".isort.cfg"),
    *sorted(LOCKS),
    *("Dockerfile*", "*.dockerfile", "*requirements*.txt", "*.code-workspace", "pytest.ini"),
    *(
        "devcontainer.json",
        "tasks.json",
        "launch.json",
        "settings.json",
        ".devcontainer.json",
        ".gitignore",
        ".gitattributes",
    ),
)


def read(root: Path) -> RepositoryTree:
    """The repository's files. A file that cannot be read has no text."""
    listed = git_ignored.kept_files(root)
    found = _walk(root) if listed is None else (path for path in listed if _counts(root, path))
    paths = sorted(path for path in islice(found, MOST_FILES + 1) if is_unicode(path))
    read_ = (path for path in paths if any(fnmatch(path.split("/")[-1], glob) for glob in _READ))
    texts = {}
    for path in islice(_shallow_first(read_), MOST_TEXTS):
        text = _text(root, path)
        if text is not None:
            texts[path] = text
    return RepositoryTree(tuple(paths[:MOST_FILES]), texts, len(paths) > MOST_FILES)


def _shallow_first(paths: Iterator[str]) -> list[str]:
    return sorted(paths, key=lambda path: (path.count("/"), path))


def _counts(root: Path, path: str) -> bool:
    """Whether a path that git lists is a regular file that no link leads to."""
    folders = path.split("/")[:-1]
    if LEFT_OUT.intersection(folders):
        return False
    try:
        return stat.S_ISREG(os.lstat(root / path).st_mode) and not _behind_link(root, folders)
    except (OSError, ValueError):  # in the index alone
        return False


def _behind_link(root: Path, folders: list[str]) -> bool:
    return any(
        os.path.islink(root.joinpath(*folders[:length])) for length in range(1, len(folders) + 1)
    )


def _walk(root: Path) -> Iterator[str]:
    """The regular files of a folder that is in no repository."""
    todo = [""]
    while todo:
        below = todo.pop()
        try:
            entries = sorted(os.scandir(root / below), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in LEFT_OUT:
                    todo.append(f"{path}/")
            elif entry.is_file(follow_symlinks=False):
                yield path


def _text(root: Path, path: str) -> str | None:
    try:
        name = path.rpartition("/")[2]
        largest = LARGEST_LOCK if name in LOCKS or name.startswith("pylock") else LARGEST_TEXT
        content = regular_files.read_bytes(root / path, largest, follow=False)
        return content.decode("utf-8-sig")
    except (OSError, UserError, UnicodeDecodeError):
        return None
