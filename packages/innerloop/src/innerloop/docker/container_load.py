"""The load of a container: from its cgroup on this machine, else from the engine."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ..history.system_recorder import MACHINE, Source
from ..util import load
from ..util.load import Load
from . import containers, engine


def source(name: str) -> Source | None:
    """What reads the load of the container with this name; None until its program has started.

    An engine in a virtual machine, as Docker Desktop's, is asked itself. One that does not answer on
    its socket leaves the load of the machine.
    """
    state = containers.find(name)
    if state is None or not state.pid:
        return None
    cgroup = load.cgroup_of(state.pid, state.id)
    if cgroup is not None and cgroup.load() is not None:
        return Source("container", cgroup.load)
    path = f"/containers/{quote(state.id)}/stats?stream=false&one-shot=true"
    if parse(engine.api_get(path)) is not None:
        return Source("container", lambda: parse(engine.api_get(path)))
    return MACHINE


def parse(answer: Any) -> Load | None:
    """The load in the engine's answer. Source: Docker Engine API, "ContainerStats"."""
    try:
        time = answer["cpu_stats"]["cpu_usage"]["total_usage"]
        memory = answer["memory_stats"]
        details = memory.get("stats") or {}
        cached = details.get("total_inactive_file") or details.get("inactive_file") or 0
        return Load(int(time) / 1e9, max(0, int(memory["usage"]) - int(cached)))
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
