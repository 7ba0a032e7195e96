"""`loop clean --backend ssh:NAME`: what is there, and what nothing needs any more.

Outputs that were not brought back are kept unless the person names `jobs`.
"""

from __future__ import annotations

from pathlib import Path

from ...model.container import EXPERIMENT_LABEL, WORKSPACE_LABEL
from ...model.removable import Removable
from ...model.settings import remotes
from ...model.settings.remotes import DOCKER, PODMAN
from ...model.workspace import Workspace
from ...workspace import loader
from .host import RemoteHost

JOBS, TREES, ENVIRONMENTS, IMAGES = "jobs", "trees", "environments", "images"
_KINDS = {"job": JOBS, "tree": TREES, "env": ENVIRONMENTS}
_STATES = {
    "running": "it runs",
    "fetched": "its outputs are here",
    "ended": "its outputs were not downloaded",
    "lost": "its supervisor is gone, and its outputs were not downloaded",
}


def find(root: Path, host: RemoteHost, remote: str) -> list[Removable]:
    """The jobs and images of this workspace; code, data and environments of all of the person's."""
    workspace = loader.open_workspace(root)
    setting = remotes.named(workspace.settings.remote, remote)
    facts = host.facts(setting.engine)
    running = host.query("running").split()
    in_use = f"{running[0].rpartition('/')[2]} runs" if running else ""
    items = [
        _item(line.split("\t"), in_use)
        for line in host.query("usage", workspace.image_name).splitlines()
        if line.count("\t") == 3
    ]
    if facts.engine in (DOCKER, PODMAN):
        items += _images(workspace, host, facts.engine, in_use)
    return sorted(items, key=lambda item: (item.kind, not item.outdated, item.name))


def _item(fields: list[str], in_use: str) -> Removable:
    kind, key, kilobytes, state = fields
    size = int(kilobytes) * 1024 if kilobytes.isdecimal() else 0
    name = key.rpartition("/")[2]
    if kind == "job":
        kept = "it runs" if state == "running" else ""
        why = _STATES.get(state, state)
        return Removable(JOBS, name, key, size, why, state == "fetched", kept)
    why = "code or data that was sent" if kind == "tree" else "a Python environment"
    return Removable(_KINDS.get(kind, kind), name, key, size, why, False, in_use)


def _images(workspace: Workspace, host: RemoteHost, engine: str, in_use: str) -> list[Removable]:
    label = f"label={WORKSPACE_LABEL}={workspace.identity}"
    found = host.answer("run", engine, "images", "--quiet", "--no-trunc", "--filter", label)
    ids = list(dict.fromkeys(found.out.split())) if found.ok else []
    if not ids:
        return []
    form = (
        "{{.Id}}\t{{.Size}}\t{{with .RepoTags}}{{index . 0}}{{end}}\t"
        f'{{{{index .Config.Labels "{EXPERIMENT_LABEL}"}}}}'
    )
    shown = host.answer("run", engine, "image", "inspect", "--format", form, *ids)
    items = []
    for line in shown.out.splitlines():
        id_, size, name, experiment = (*line.split("\t"), "", "", "", "")[:4]
        is_outdated = not name or experiment not in workspace.experiments
        why = f"of {experiment}" if name else f"an older image of {experiment}"
        bytes_ = int(size) if size.isdecimal() else 0
        items.append(Removable(IMAGES, name or id_, id_, bytes_, why, is_outdated, in_use))
    return items


def remove(host: RemoteHost, item: Removable) -> str:
    """Remove it, and the contents that no tree has any more."""
    if item.kind == IMAGES:
        engine = host.facts(None).engine
        done = host.answer("run", engine, "rmi", "--force", item.key)
    else:
        kind = next(short for short, kind in _KINDS.items() if kind == item.kind)
        done = host.answer("remove", kind, item.key)
    if done.ok and item.kind == TREES:
        host.answer("prune")
    return "" if done.ok else (done.err.strip().splitlines() or ["it says no reason"])[-1]
