"""What this workspace has left on this machine, and taking it away: containers, images, volumes,
cached environments, and, where a person names them, outputs. Nobody else's is ever in the list."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..docker import docker_cli, engine
from ..docker import docker_cli as docker_tool
from ..history import past_runs
from ..local import venv
from ..model.container import EXPERIMENT_LABEL, WORKSPACE_LABEL, image_name_part
from ..model.deployment import FOLDER as DEPLOY
from ..model.run import Run
from ..model.workspace import Workspace
from ..runner import venv_requirements
from ..util import files, process, venvs
from ..util.errors import UserError
from ..workspace import loader

KINDS = ("containers", "images", "volumes", "environments", "outputs")
IN_DOCKER = {"containers", "images", "volumes"}
# Outputs are results: they go only where a person asks for them by this name.
DEFAULT_KINDS = KINDS[:-1]
VOLUME = "innerloop-cache-"


@dataclass(frozen=True, slots=True)
class Removable:
    """`key` is what to take it away by, `size` what that frees in bytes, `why` says why it may
    go. `stale`: nothing needs it any more. `kept`: why it stays all the same, "" when it may go."""

    kind: str
    name: str
    key: str
    size: int
    why: str
    stale: bool
    kept: str = ""

    def json(self) -> dict[str, Any]:
        return asdict(self)


def find(workspace: Workspace, kinds: Sequence[str], older_than: float = 0) -> list[Removable]:
    """All that is there of these kinds, what is stale first. `older_than` is for outputs, in
    days."""
    found: list[Removable] = []
    if IN_DOCKER & set(kinds) and process.which("docker"):
        found += [one for one in _in_docker(workspace) if one.kind in kinds]
    if "environments" in kinds:
        found += _environments(workspace)
    if "outputs" in kinds:
        found += _outputs(workspace, older_than)
    return sorted(found, key=lambda one: (KINDS.index(one.kind), not one.stale, one.name))


def unavailable_reason(kinds: Sequence[str]) -> str:
    """Why nothing is known of what is in Docker, where the engine is silent; "" when it is known."""
    return engine.unavailable_reason() if IN_DOCKER & set(kinds) else ""


def remove(thing: Removable) -> str:
    """Takes it away; "" when it is gone, else the reason in the engine's own words."""
    if thing.kind in ("environments", "outputs"):
        files.remove_tree(Path(thing.key))
        files.remove_if_empty(Path(thing.key).parent)
        return "" if not Path(thing.key).exists() else "some of its files could not be removed"
    argv = {
        "containers": docker_cli.remove_containers,
        "images": lambda keys: docker_tool.remove_image(keys[0]),
        "volumes": docker_cli.remove_volumes,
    }[thing.kind]([thing.key])
    done = process.run(argv)
    gone = done.ok or "no such" in done.err.lower()  # with the last name of an image, or by another
    return "" if gone else done.err.strip().splitlines()[-1]


@dataclass(frozen=True, slots=True)
class _Image:
    id: str
    names: tuple[str, ...]
    labels: Mapping[str, str]
    size: int


def _in_docker(workspace: Workspace) -> list[Removable]:
    """One round of questions, all at once, and a second about what was found."""
    root = workspace.identity
    ours, dev, labelled, named, disk = process.run_together(
        docker_cli.list_containers(WORKSPACE_LABEL, root),
        docker_cli.list_containers(docker_cli.DEVCONTAINER_FOLDER, root),
        docker_cli.list_images(docker_cli.workspace_filter(root)),
        docker_cli.list_images(f"reference={workspace.image_name}/*"),
        docker_cli.disk_usage(),
    )
    if not ours.ok:
        return []
    rows = dict.fromkeys(
        tuple(line.split("\t")) for done in (ours, dev) for line in done.out.splitlines()
    )
    ids = [*dict.fromkeys([*labelled.out.split(), *named.out.split()])]
    images = list(_images(process.run(docker_cli.inspect_images(ids)).out)) if ids else []
    alone, volumes = _sizes(disk.out)
    in_use = {row[2]: row[1] for row in rows}
    return [
        *map(_container, rows),
        *(one for image in images for one in _image(workspace, image, alone, in_use)),
        *_volumes(workspace, volumes),
    ]


def _container(row: tuple[str, ...]) -> Removable:
    key, name, image, status = row
    running = status.startswith(("Up", "Restarting"))
    kept = "it is running" if running else ""
    # One that never came up stands in the way of the next start; one that stopped may start again.
    stale = status.startswith(("Created", "Dead"))
    # A server has nothing that is worth to be started again.
    stale = stale or (not running and image.endswith(f":{DEPLOY}"))
    return Removable("containers", name, key, 0, f"{status.lower()}, of {image[:60]}", stale, kept)


def _images(text: str) -> Iterator[_Image]:
    for line in text.splitlines():
        key, names, labels, size = json.loads(line)
        yield _Image(key, tuple(names or ()), labels or {}, size)


def _image(
    workspace: Workspace, image: _Image, alone: Mapping[str, int], in_use: Mapping[str, str]
) -> Iterator[Removable]:
    """One for each of its names, the size with the first; another workspace's names are not ours."""
    prefix = f"{workspace.image_name}/"
    mine = [name for name in image.names if name.startswith(prefix)]
    if image.names and not mine:
        mine = [name for name in image.names if image.labels.get(WORKSPACE_LABEL)]
    size = alone.get(image.id, image.size)
    for index, name in enumerate(mine or ([] if image.names else [""])):
        why = _why_stale(workspace, image, name)
        user = in_use.get(name) or in_use.get(image.id) or in_use.get(image.id[7:19])
        yield Removable(
            "images",
            name or image.id[7:19],
            name or image.id,
            size if index == 0 else 0,
            why or f"up to date with {_folder(name)}/",
            bool(why),
            f"the container {user} is made of it" if user else "",
        )


def _why_stale(workspace: Workspace, image: _Image, name: str) -> str:
    experiment = image.labels.get(EXPERIMENT_LABEL, "")
    if not name:
        return "a newer one has its name"
    if not experiment:
        return ""
    if experiment not in workspace.experiments:
        return f"{experiment} is gone"
    own = f"{workspace.image_name}/{image_name_part(experiment.replace('/', '.'))}"
    if name.rpartition(":")[0] != own:
        return ""  # of a job whose environment is another folder: only the run knows
    folder = Path(workspace.root, "src", *experiment.split("/"), _folder(name))
    digest = docker_cli.digest_label(image.labels)
    return "" if digest in ("", loader.digest_of(folder)) else f"{folder.name}/ has changed since"


def _folder(image: str) -> str:
    """The folder of an experiment that one of its images is built from."""
    return DEPLOY if image.endswith(f":{DEPLOY}") else "environment"


def _sizes(text: str) -> tuple[dict[str, int], dict[str, tuple[int, bool]]]:
    """What each image alone takes, by id; each volume's size and whether a container has it."""
    lines = text.splitlines()
    if len(lines) < 2:
        return {}, {}
    images = {
        one["ID"]: docker_cli.parse_size(one["UniqueSize"]) for one in json.loads(lines[0]) or []
    }
    volumes = {
        one["Name"]: (docker_cli.parse_size(one["Size"]), one["Links"] not in ("0", "N/A", 0))
        for one in json.loads(lines[1]) or []
    }
    return images, volumes


def _volumes(workspace: Workspace, there: Mapping[str, tuple[int, bool]]) -> Iterator[Removable]:
    """The caches of the dev containers. Their names are computed, so another clone's are not met."""
    configs = {".devcontainer/devcontainer.json": "the workspace"}
    for name in workspace.experiments:
        configs[f".devcontainer/{name.replace('/', '.')}/devcontainer.json"] = name
    separator = "\\" if re.match(r"[A-Za-z]:\\|\\\\", workspace.identity) else "/"
    for config, owner in configs.items():
        path = separator.join([workspace.identity, *config.split("/")])
        name = VOLUME + docker_cli.dev_container_id(workspace.identity, path)
        if name in there:
            size, used = there[name]
            kept = "a container has it" if used else ""
            yield Removable("volumes", name, name, size, f"the caches of {owner}", False, kept)


def _environments(workspace: Workspace) -> Iterator[Removable]:
    folder = venvs.cache_folder() / "envs"
    current = set(_current_environments(workspace))
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if files.read_text(path / venvs.OWNER) != workspace.root:
            continue
        stale = path not in current
        why = "its lock has changed or is gone" if stale else "up to date with its lock"
        yield Removable("environments", path.name, str(path), files.size_of(path), why, stale)


def _current_environments(workspace: Workspace) -> Iterator[Path]:
    for name in workspace.experiments:
        try:
            experiment = loader.open_experiment(workspace, name)
            run = Run(workspace, experiment, loader.open_job(workspace, experiment), "", {})
        except UserError:
            continue  # a broken experiment has none
        for dev in (False, True):
            wanted = venv_requirements.packages_for(run, dev=dev)
            if wanted.missing is None:
                _, version, _ = venv.interpreter(wanted.python)
                yield venv.environment_of(experiment, wanted.files, version, wanted.text)


def _outputs(workspace: Workspace, older_than: float) -> Iterator[Removable]:
    root = Path(workspace.root)
    alive = {run.folder for run in past_runs.find(root) if run.alive}
    for path in sorted((root / "outputs").glob("*/*")):
        name = path.relative_to(root).as_posix()
        days = (time.time() - path.stat().st_mtime) / 86400
        if path.is_dir() and not path.is_symlink() and days >= older_than:
            kept = "it is running" if name in alive else ""
            why = f"{days:.0f} days old"
            yield Removable("outputs", name, str(path), files.size_of(path), why, True, kept)


def readable(size: int) -> str:
    """ "1.2 GB", as Docker counts (a thousand at a time)."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def total(things: Sequence[Removable]) -> int:
    return sum(one.size for one in things)
