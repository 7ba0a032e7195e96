"""Reads which formatter a workspace's team uses."""

from __future__ import annotations

from pathlib import Path

from ..model import team_formatter
from ..model.settings import adoption
from ..model.team_formatter import TeamFormatter
from ..util import files


def formatter_of(root: Path) -> TeamFormatter:
    """The formatter that the files at the workspace's root name."""
    texts = {name: files.read_text(root / name) for name in team_formatter.FILES}
    there = {name: text for name, text in texts.items() if text is not None}
    return team_formatter.of(there, is_adopted=is_adopted(root))


def is_adopted(root: Path) -> bool:
    """Whether the repository was there before the tool."""
    texts = [files.read_text(root / name) or "" for name in ("pyproject.toml", adoption.FILE)]
    return adoption.is_adopted(*texts)
