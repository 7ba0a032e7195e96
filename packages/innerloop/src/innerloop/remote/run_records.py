"""A submitted job as a run among those of this machine: its record in outputs/<slug>/<job>/.run/,
from the ledger and from what the service said last."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..history.recorder import PATCH, RECORD, text_of
from ..util import files
from .submission_store import FOLDER, Entry


def note(root: Path, entry: Entry, code: int | None = None, seconds: float | None = None) -> None:
    """Writes the record anew. `code` is the job's outcome as an exit code, None while it has none;
    `seconds` is how long it ran, where that is known."""
    folder = root / entry.outputs
    before = _record(folder)
    record: dict[str, Any] = {
        "run": entry.name,
        "experiment": entry.experiment,
        "backend": entry.backend,
        "why": "submitted",
        "command": entry.command,
        "cwd": next(iter(entry.snapshots), ""),
        "image": None,
        "environment": entry.environment or None,
        "inputs": dict(entry.inputs),
        "arguments": [],
        "git": dict(entry.git) or None,
        "compute": entry.compute,
        "url": entry.url,
        "status": entry.status,
        "started": entry.at,
        "ended": None if code is None else before.get("ended") or _now(),
        "seconds": seconds if seconds is not None else before.get("seconds"),
        "exit_code": code,
    }
    patch = files.read_text(root / FOLDER / entry.name / "changes.patch")
    if patch is not None:
        files.write_text(folder / PATCH, patch)
    files.write_text(folder / RECORD, text_of(record))


def seconds_between(started: str, ended: str) -> float | None:
    """Of two of the service's times; None where one is missing."""
    first, last = time_of(started), time_of(ended)
    return None if first is None or last is None else max((last - first).total_seconds(), 0.0)


def time_of(text: str) -> datetime | None:
    """A time as the service writes it, in UTC."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _record(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads(files.read_text(folder / RECORD) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
