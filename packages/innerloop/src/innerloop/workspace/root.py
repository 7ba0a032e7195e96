"""Where the workspace is. Apart from `loader`, which takes much longer to import."""

from __future__ import annotations

import os
from pathlib import Path


def root_of(launcher: str) -> Path:
    """The folder above the one that holds `scripts/loop`, by the path it was called with.

    A workspace may share its scripts through a link.
    """
    return Path(os.path.abspath(launcher)).parent.parent.resolve()
