"""Reads which formatter a workspace's team uses, and whether it was adopted."""

from __future__ import annotations

from pathlib import Path

from ..model import team_formatter
from ..model.settings import adoption
from ..model.team_formatter import TeamFormatter
from ..util import files
from ..util.errors import UserError

# What is read here, relative to the workspace's root.
FILES = (*team_formatter.FILES, adoption.FILE)


def formatter_of(root: Path) -> TeamFormatter:
    """The formatter that the files at the workspace's root name."""
    texts = {name: _text(root / name) for name in team_formatter.FILES}
    there = {name: text for name, text in texts.items() if text is not None}
    return team_formatter.of(there, is_adopted=is_adopted(root))


def is_adopted(root: Path) -> bool:
    """Whether the repository was there before the tool."""
    texts = [_text(root / name) or "" for name in ("pyproject.toml", adoption.FILE)]
    return adoption.is_adopted(*texts)


def _text(path: Path) -> str | None:
    """None for a file that does not exist, or is no text: it says nothing."""
    try:
        return files.read_text(path)
    except UserError:
        return None
