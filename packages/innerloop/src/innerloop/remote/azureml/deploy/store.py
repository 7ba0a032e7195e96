"""What was deployed from this workspace: a folder each in `.innerloop/deployments/<endpoint>/`,
which git ignores. Azure's own word counts; this says from which code it came.

    deployment.json   the model, the environment, the commit, how far it came
    changes.patch     what was not committed, on top of that commit; only if there was something
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ....util import files

FOLDER = ".innerloop/deployments"
MAKING, FAILED, TESTED, SERVING = "making", "failed", "tested", "serving"
ROLLED_BACK, FINISHED = "rolled back", "finished"


@dataclass(frozen=True, slots=True)
class Entry:
    """One deployment; `state` is how far it came, `at` when it was begun (UTC)."""

    endpoint: str
    deployment: str
    fingerprint: str
    experiment: str
    workspace: Mapping[str, str]
    state: str
    at: str
    model: str = ""
    source: str = ""
    digest: str = ""
    environment: str = ""
    traffic: Mapping[str, int] = field(default_factory=dict)
    git: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> str:
        return f"{FOLDER}/{self.endpoint}/{self.deployment}-{self.fingerprint}"


def write(root: Path, entry: Entry, patch: str = "") -> None:
    folder = root / entry.folder
    files.write_text(folder / "deployment.json", json.dumps(asdict(entry), indent=2) + "\n")
    if patch:
        files.write_text(folder / "changes.patch", patch)


def note(root: Path, endpoint: str, deployment: str, **changes: Any) -> None:
    """What became of the newest deployment of that name, where it was made from here."""
    same = [one for one in entries(root, endpoint) if one.deployment == deployment]
    if same:
        write(root, replace(same[-1], **changes))


def entries(root: Path, endpoint: str) -> list[Entry]:
    """Those of one endpoint, the newest last."""
    folder = root / FOLDER / endpoint
    found = [_entry(one) for one in folder.iterdir()] if folder.is_dir() else []
    return sorted((one for one in found if one is not None), key=lambda one: one.at)


def _entry(folder: Path) -> Entry | None:
    try:
        table = json.loads(files.read_text(folder / "deployment.json") or "")
        known = {key: table[key] for key in Entry.__dataclass_fields__ if key in table}
        return Entry(**known)
    except (ValueError, TypeError):
        return None
