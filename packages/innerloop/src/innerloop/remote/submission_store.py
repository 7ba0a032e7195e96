"""What was submitted from this workspace: a folder per job in `.innerloop/jobs/`, which git ignores.

    job.json        what was sent, from which commit, where to, and how far it came
    changes.patch   what was not committed, on top of that commit; only if there was something

An entry is written before its job is sent and again when it has arrived: one that never arrived
tells the next submission of the very same thing under which name to go on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..history.git_state import GitState
from ..util import files
from ..util.errors import UserError

FOLDER = ".innerloop/jobs"
SENDING, SENT, REFUSED = "sending", "sent", "refused"


@dataclass(frozen=True, slots=True)
class Entry:
    """One submission. `state`: "sending" (it may or may not have arrived), "sent", "refused".
    `fingerprint` is the same for two submissions of the same thing to the same workspace.
    `status` is the job's as it was last seen. `at` is when it was submitted, UTC. `place` is "azureml"
    or "argo"; `kept` says where ./outputs are, where they are not on Azure ML. `workspace` is what
    names the workspace, or the cluster."""

    name: str
    experiment: str
    slug: str
    file: str
    workspace: Mapping[str, str]
    state: str
    fingerprint: str
    at: str
    kind: str = "command"
    sets: tuple[str, ...] = ()
    command: str = ""
    compute: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    environment: str = ""
    snapshots: Mapping[str, str] = field(default_factory=dict)
    git: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    status: str = ""
    backend: str = "azureml"
    kept: str = ""

    @property
    def outputs(self) -> str:
        """Where its outputs are put, relative to the workspace's root, beside those of local runs."""
        return f"outputs/{self.slug}/{self.name}"


def write(root: Path, entry: Entry, patch: str = "") -> None:
    folder = root / FOLDER / entry.name
    text = json.dumps(asdict(entry), indent=2, ensure_ascii=False) + "\n"
    files.write_text(folder / "job.json", text)
    if patch:
        files.write_text(folder / "changes.patch", patch)


def beside(root: Path, entry: Entry, name: str, text: str) -> None:
    """Another file of an entry's folder."""
    files.write_text(root / FOLDER / entry.name / name, text)


def update(root: Path, entry: Entry, **changes: Any) -> Entry:
    """The entry with other values, on disk as well."""
    changed = replace(entry, **changes)
    write(root, changed)
    return changed


def read(root: Path, name: str) -> Entry | None:
    return _entry(root / FOLDER / name)


def entries(root: Path) -> list[Entry]:
    """All of them, the newest last."""
    folder = root / FOLDER
    found = [_entry(one) for one in folder.iterdir()] if folder.is_dir() else []
    return sorted((one for one in found if one is not None), key=lambda one: (one.at, one.name))


def last_sent(root: Path) -> Entry | None:
    return next((one for one in reversed(entries(root)) if one.state == SENT), None)


def require_new(root: Path, name: str, of_file: str = "") -> None:
    """`of_file` is the job file that says the name, where it is one that does."""
    known = read(root, name)
    if known is not None and known.state == SENT:
        other = f"take name: out of {of_file}" if of_file else "leave it away"
        raise UserError(
            f'a job "{name}" was submitted from here already',
            hint=f"Choose another --name, or {other}",
        )


def cut_off(root: Path, fingerprint: str) -> Entry | None:
    """The submission of the very same thing that may not have arrived."""
    same = [one for one in entries(root) if one.fingerprint == fingerprint]
    return same[-1] if same and same[-1].state == SENDING else None


def was_sent(root: Path, workspace: Mapping[str, str], digest: str) -> Entry | None:
    """The last job that took a snapshot or an environment of this digest to this workspace."""
    for one in reversed(entries(root)):
        known = {one.environment, *one.snapshots.values()}
        if one.state == SENT and dict(one.workspace) == dict(workspace) and digest in known:
            return one
    return None


def code_of(state: GitState | None) -> tuple[dict[str, Any], str]:
    """What an entry keeps of the code: commit and files, and the patch; nothing without git."""
    return (state.json(), state.patch) if state is not None else ({}, "")


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _entry(folder: Path) -> Entry | None:
    text = files.read_text(folder / "job.json")
    try:
        table = json.loads(text or "")
        known = {key: table[key] for key in Entry.__dataclass_fields__ if key in table}
        return Entry(**{**known, "sets": tuple(known.get("sets", ()))})
    except (ValueError, TypeError):
        return None
