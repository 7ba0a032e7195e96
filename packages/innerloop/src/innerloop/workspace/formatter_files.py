"""Reads which formatter a workspace's team uses."""

from __future__ import annotations

from pathlib import Path

from ..model import team_formatter
from ..model.settings import adoption, settings
from ..model.team_formatter import TeamFormatter
from ..util import files


def formatter_of(root: Path) -> TeamFormatter:
    """The formatter that the files at the workspace's root name."""
    texts = {name: files.read_text(root / name) for name in team_formatter.FILES}
    there = {name: text for name, text in texts.items() if text is not None}
    return team_formatter.of(there, is_adopted=is_adopted(root))


def is_adopted(root: Path) -> bool:
    """Whether the repository was there before the tool."""
    text = files.read_text(root / "pyproject.toml") or ""
    own = settings.of_workspace(text, "pyproject.toml")
    text_beside = files.read_text(root / adoption.FILE)
    return settings.of_root_file(text_beside, adoption.FILE, own).adopted is not None
