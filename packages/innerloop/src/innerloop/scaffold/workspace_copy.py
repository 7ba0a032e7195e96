"""A private copy of what sync reads, to plan on files that a migration changes first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..sync import transaction
from ..util import files
from ..util.cache_folder import cache_folder
from .workspace_template import RUN_LEFTOVERS

# Sync reads no file that is larger. Of a larger one, only its name counts.
_LARGEST = 4_000_000
_SKIPPED = RUN_LEFTOVERS | {"node_modules", ".innerloop", "data"}


@contextmanager
def copied(root: Path) -> Iterator[Path]:
    """The root of a copy, which is removed at the end."""
    parent = files.make_folder(cache_folder() / "upgrade")
    with files.temporary_folder("plan-", str(parent)) as folder:
        copy = files.make_folder(folder / root.name)
        for path in _paths(root):
            source, target = root / path, copy / path
            files.make_folder(target.parent)
            if source.is_symlink() or source.stat().st_size <= _LARGEST:
                files.keep(source, target)
            else:
                files.write_new(target, "")
        if os.path.lexists(root / ".git"):  # it knows both sides of a file in conflict
            files.make_link(copy / ".git", os.path.realpath(root / ".git"))
        state = transaction.state_text(root)
        if state is not None:
            files.write_text(copy / transaction.STATE, state)
        try:
            yield copy
        finally:
            files.release(copy)


def _paths(root: Path) -> Iterator[str]:
    """Files and links, without what runs leave. Other kinds of files are left out."""
    for folder, folders, names in os.walk(root):
        below = Path(folder).relative_to(root)
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        folders[:] = [name for name in folders if name not in {*links, *_SKIPPED}]
        for name in (*names, *(link for link in links if link not in _SKIPPED)):
            path = os.path.join(folder, name)
            if os.path.islink(path) or os.path.isfile(path):
                yield (below / name).as_posix()
