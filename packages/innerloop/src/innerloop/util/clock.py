"""The time as records have it."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> str:
    """The current time in UTC, as ISO 8601 with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
