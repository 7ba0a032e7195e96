"""Completes renames and removals that were killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import remove, rename


def finish(root: Path) -> Iterator[str]:
    """A message for each one that was completed."""
    for completed in (rename.finish(root), remove.finish(root)):
        if completed is not None:
            yield completed
