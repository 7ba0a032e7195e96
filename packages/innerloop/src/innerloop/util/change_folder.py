"""Where a command that changes the workspace has what it needs meanwhile, and what a kill leaves."""

from __future__ import annotations

import os
from pathlib import Path

# Held by whatever changes the workspace, and for a moment by whatever starts.
LOCK = ".innerloop/sync.lock"
WAITING = "innerloop: another command is changing this workspace; waiting for it"
# Of changes with several steps (`undo_journal`), and of sync (`sync.transaction`).
CHANGE = ".innerloop/changing"
SYNC = ".innerloop/writing"
# What earlier versions left when they were killed, which went on instead of back.
OLD_STAGING = ".innerloop/creating"
OLD_RECORDS = (".innerloop/renaming.json", ".innerloop/removing.json")


def is_pending(root: Path) -> bool:
    """Whether a command that changes the workspace was killed, or is at work now."""
    paths = (CHANGE, SYNC, OLD_STAGING, *OLD_RECORDS)
    return any(os.path.lexists(os.path.join(root, path)) for path in paths)
