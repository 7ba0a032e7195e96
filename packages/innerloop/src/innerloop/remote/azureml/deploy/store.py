"""The deployments from this workspace.

Each has a folder in `.innerloop/deployments/<endpoint>/`, which git ignores. Azure's own state is
authoritative; a record says from which code a deployment came.

    deployment.json   the model, the environment, the commit, how far it got
    changes.patch     what was not committed, on top of that commit; only if there was something
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any

from ....util import files, json_records, redaction
from ....util.json_records import RecordError
from ....util.quick_dataclasses import dataclass

FOLDER = ".innerloop/deployments"
MAKING, FAILED, TESTED, SERVING = "making", "failed", "tested", "serving"
ROLLED_BACK, FINISHED = "rolled back", "finished"


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """One deployment; `state` is how far it got, `at` when it began (UTC)."""

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


def write(root: Path, record: DeploymentRecord, patch: str = "") -> None:
    folder = root / record.folder
    masked = redaction.of_process().tree(asdict(record))
    files.write_text(folder / "deployment.json", json.dumps(masked, indent=2) + "\n")
    if patch:
        files.write_private(folder / "changes.patch", patch)


def update(root: Path, endpoint: str, deployment: str, **changes: Any) -> None:
    """Changes the newest record of that deployment, if it was created from here."""
    same = [record for record in records(root, endpoint) if record.deployment == deployment]
    if same:
        write(root, replace(same[-1], **changes))


def records(root: Path, endpoint: str) -> list[DeploymentRecord]:
    """The records of one endpoint, the newest last."""
    folder = root / FOLDER / endpoint
    paths = folder.iterdir() if folder.is_dir() else ()
    found = filter(None, map(_read_record, paths))
    return sorted(found, key=lambda record: record.at)


def _read_record(folder: Path) -> DeploymentRecord | None:
    """The record in a folder; None if there is none, or it is not one: Azure knows what is there."""
    try:
        record = json_records.read_file(folder / "deployment.json")
        if record is None:
            return None
        return DeploymentRecord(
            endpoint=record.as_name("endpoint"),
            deployment=record.as_name("deployment"),
            fingerprint=record.as_name("fingerprint"),
            **{key: record.as_str(key) for key in ("experiment", "state", "at")},
            **{key: record.as_str(key, "") for key in ("model", "source", "digest", "environment")},
            workspace=record.as_map_of("workspace", str),
            traffic=record.as_map_of("traffic", int, {}),
            git=record.as_mapping("git", {}),
        )
    except RecordError:
        return None
