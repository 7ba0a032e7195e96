"""The kind of this machine's processor, without the time that importing `platform` takes."""

from __future__ import annotations

import os
import sys


def machine() -> str:
    """As `platform.machine()`, in small letters: "x86_64", "arm64"."""
    if sys.platform != "win32":
        return os.uname().machine.lower()
    import platform  # here: it takes long

    return platform.machine().lower()
