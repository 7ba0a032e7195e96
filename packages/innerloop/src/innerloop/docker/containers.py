"""The containers of a workspace as values: what runs, what has ended and how, and their removal.

The engine is asked through its socket where that is possible, which takes a millisecond; else through
its client.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ..model.container import EXPERIMENT_LABEL, RUN_LABEL, WORKSPACE_LABEL
from ..util import process
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import client, docker_cli, engine


@dataclass(frozen=True, slots=True)
class OwnContainer:
    """A container of ours.

    `state` is Docker's ("running", "paused", "exited" ...). `started` and `finished` are times as
    Docker has them; `exit_code` counts once it has ended. `pid` is that of its first process on the
    engine's machine, 0 while there is none.
    """

    id: str
    name: str
    state: str
    labels: Mapping[str, str]
    exit_code: int = 0
    started: str = ""
    finished: str = ""
    pid: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether a program of it runs or can go on: also while it is paused or restarts."""
        return self.state in ("running", "paused", "restarting", "removing")

    @property
    def has_started(self) -> bool:
        return self.state not in ("created", "initialized", "configured")

    @property
    def run(self) -> str:
        return self.labels.get(RUN_LABEL, "")

    @property
    def experiment(self) -> str:
        return self.labels.get(EXPERIMENT_LABEL, "")

    @property
    def is_server(self) -> bool:
        return docker_cli.SERVER_PORT in self.labels


def of_workspace(identity: str, run: str = "") -> list[OwnContainer] | None:
    """The workspace's containers, or those of one run; None if no engine answers.

    Dev containers are not among them.
    """
    labels = [f"{WORKSPACE_LABEL}={identity}", *([f"{RUN_LABEL}={run}"] if run else [])]
    filters = quote(json.dumps({"label": labels}))
    listed = engine.api_get(f"/containers/json?all=1&filters={filters}")
    if isinstance(listed, list):
        ids = [str(entry.get("Id")) for entry in listed]
    else:
        if not client.is_installed():
            return None
        done = process.run(docker_cli.container_ids(*labels), timeout=30)
        if not done.ok:
            return None
        ids = done.out.split()
    try:
        return [found for found in map(find, ids) if found is not None]
    except UserError:
        return None


def find(name: str) -> OwnContainer | None:
    """A container by its name or ID; None if there is none. UserError if no engine answers."""
    value: Any
    code, value = engine.api("GET", f"/containers/{quote(name)}/json") or (None, None)
    if code == 404:
        return None
    if code != 200:
        if not client.is_installed():
            engine.require(engine.ask(""))
        done = process.run(docker_cli.inspect_containers(name), timeout=30)
        if not done.ok:
            message = done.err.strip()
            if "no such container" in message.lower():
                return None
            last = message.splitlines()[-1:] or ["no answer"]
            raise UserError(f"the engine does not answer: {last[0]}", code="engine-unavailable")
        value = json.loads(done.out)[0]
    return _parse(value)


def remove_ended(name: str) -> bool:
    """Remove a container unless it runs. False if it runs."""
    code, _ = engine.api("DELETE", f"/containers/{quote(name)}?v=1") or (None, None)
    if code in (204, 404):
        return True
    if code == 409:
        found = find(name)
        return found is None or not found.is_alive
    done = process.run(docker_cli.remove_ended(name), timeout=60)
    return "is running" not in done.err and "running container" not in done.err


def stop(name: str, seconds: int) -> None:
    """Ask a container to end, and end it after so many seconds."""
    code, _ = engine.api("POST", f"/containers/{quote(name)}/stop?t={seconds}") or (None, None)
    if code not in (204, 304, 404):
        process.run(docker_cli.stop(name, seconds), timeout=30)


def remove(name: str) -> None:
    """Remove a container, whether it runs or not."""
    code, _ = engine.api("DELETE", f"/containers/{quote(name)}?v=1&force=1") or (None, None)
    if code not in (204, 404):
        process.run(docker_cli.remove(name), timeout=30)


def _parse(value: Mapping[str, Any]) -> OwnContainer:
    state = value.get("State") or {}
    return OwnContainer(
        id=str(value.get("Id")),
        name=str(value.get("Name")).lstrip("/"),
        state=str(state.get("Status")),
        labels=(value.get("Config") or {}).get("Labels") or {},
        exit_code=int(state.get("ExitCode") or 0),
        started=str(state.get("StartedAt") or ""),
        finished=str(state.get("FinishedAt") or ""),
        pid=int(state.get("Pid") or 0),
    )
