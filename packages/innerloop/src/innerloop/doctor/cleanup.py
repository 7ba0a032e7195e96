"""Find and remove what this workspace has created on this machine.

It created containers, images, volumes, cached environments and, to be removed on request only,
outputs. Nothing of another workspace is removed.
"""

from __future__ import annotations

import os
import posixpath
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..apptainer import sif_files
from ..docker import client, docker_cli, engine_facts, engine_location
from ..history import in_flight, past_runs, recorder
from ..local import lost_runs, tool_environments, venv_requirements
from ..model.build_context import BuildContext
from ..model.container import EXPERIMENT_LABEL, WORKSPACE_LABEL, image_name_part
from ..model.deployment import FOLDER as DEPLOY
from ..model.naming import slug_of
from ..model.removable import Removable
from ..model.workspace import Workspace
from ..runner import environment_resolver
from ..sync import engine
from ..util import files, json_records, process, venvs
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..util.undo_journal import Delete, DropEmpty
from ..workspace import loader

KINDS = ("containers", "images", "volumes", "environments", "outputs")
IN_DOCKER = {"containers", "images", "volumes"}
# Outputs are results: they are removed only if the person names this kind.
DEFAULT_KINDS = KINDS[:-1]
VOLUME = "innerloop-cache-"
KEPT = "it is kept: `loop runs keep RUN --remove` takes that back"


def find(workspace: Workspace, kinds: Sequence[str], older_than: float = 0) -> list[Removable]:
    """Everything of these kinds, outdated entries first.

    `older_than` is the minimum age of outputs in days.
    """
    lost_runs.settle_all(Path(workspace.root))
    found: list[Removable] = []
    if (
        IN_DOCKER & set(kinds)
        and client.is_installed()
        and not unavailable_reason(workspace, kinds)
    ):
        found += [item for item in _in_docker(workspace) if item.kind in kinds]
    if "images" in kinds:
        found += _sif_images(workspace)
    if "environments" in kinds:
        found += [*_environments(workspace), *_tool_environments(workspace)]
    if "outputs" in kinds:
        found += _outputs(workspace, older_than)
    return sorted(found, key=lambda item: (KINDS.index(item.kind), not item.outdated, item.name))


def unavailable_reason(workspace: Workspace, kinds: Sequence[str]) -> str:
    """Why the kinds that the engine has cannot be listed; "" if they can.

    An engine on another machine may have a workspace of the same path: nothing of it is listed.
    """
    return engine_location.unavailable_reason(workspace.root) if IN_DOCKER & set(kinds) else ""


def remove(workspace: Workspace, item: Removable) -> str:
    """Remove it. Returns "" or why that failed, in the engine's words."""
    if os.path.isabs(item.key):  # an engine's IDs and names are no paths
        # A run may have started since it was listed. The engine looks by itself.
        user = _user_of(workspace, Path(item.key).name)
        if reason := _in_flight(workspace).get(item.key) or user:
            return reason
        return _remove_folder(Path(item.key), is_output=item.kind == "outputs")
    argv = {
        "containers": docker_cli.remove_containers,
        "images": lambda keys: docker_cli.remove_image(keys[0]),
        "volumes": docker_cli.remove_volumes,
    }[item.kind]([item.key])
    done = process.run(argv)
    # Gone also with an image's last name, or because another program removed it.
    message = done.err.strip()
    gone = done.ok or any(sign in message.lower() for sign in ("no such", "not known"))
    return "" if gone else (message.splitlines() or ["the engine gives no reason"])[-1]


def _remove_folder(folder: Path, *, is_output: bool) -> str:
    """The whole folder or nothing of it, whatever ends this command."""
    if not files.is_removable(folder):
        return "some of its files cannot be removed"
    try:
        if is_output:
            root = folder.parents[2]
            name = folder.relative_to(root).as_posix()
            with engine.change(root, f"the removal of {name}", accepts_newer=True) as change:
                change.carry_out([Delete(name), DropEmpty(posixpath.dirname(name), "outputs")])
        else:
            with process.deferred_interrupts():
                files.remove_whole(folder)
    except UserError as error:
        return error.message()
    return ""


def sweep() -> None:
    """Remove what is left of environments that an interrupted command was removing."""
    for path in _environment_folders():
        if files.is_aside(path):
            files.remove_tree(path)


def _environment_folders() -> list[Path]:
    folder = venvs.cache_folder() / "envs"
    return sorted(folder.iterdir()) if folder.is_dir() else []


@dataclass(frozen=True, slots=True)
class _Image:
    id: str
    names: tuple[str, ...]
    labels: Mapping[str, str]
    size: int


def _in_docker(workspace: Workspace) -> list[Removable]:
    """Everything in Docker: one round of commands at once, and one about the images found."""
    root = workspace.identity
    ours, dev, labelled, named, listed, disk = process.run_together(
        docker_cli.list_containers(WORKSPACE_LABEL, root),
        docker_cli.list_containers(docker_cli.DEVCONTAINER_FOLDER, root),
        docker_cli.list_images(docker_cli.workspace_filter(root)),
        docker_cli.list_images(f"reference={workspace.image_name}/*"),
        docker_cli.list_volumes(),
        docker_cli.disk_usage(),
    )
    if not ours.ok:
        return []
    rows = dict.fromkeys(
        tuple(line.split("\t")) for done in (ours, dev) for line in done.out.splitlines()
    )
    running = {value.id for value in in_flight.read_all(Path(workspace.root))}
    lost = lost_runs.unwatched(workspace)
    ids = [*dict.fromkeys([*labelled.out.split(), *named.out.split()])]
    images = list(_images(process.run(docker_cli.inspect_images(ids)).out)) if ids else []
    alone, known = _sizes(disk.out)
    volumes = {name: known.get(name, (0, False)) for name in (*listed.out.split(), *known)}
    in_use = {engine_facts.image_name(row[2]): row[1] for row in rows if len(row) > 2}
    return [
        *(_container(row, running, lost) for row in rows),
        *(item for image in images for item in _image(workspace, image, alone, in_use)),
        *_volumes(workspace, volumes),
    ]


def _container(row: tuple[str, ...], ids: Collection[str], lost: Collection[str]) -> Removable:
    key, name, image, status, run = (*row, "", "", "", "", "")[:5]
    running = status.startswith(("Up", "Restarting", "Removal"))
    kept = "it is running" if running else ""
    if name in lost:
        kept = f"it is running, and its command was killed (`{client.program()} stop {name}`)"
    elif not running and run in ids:
        kept = "its command is at work"
    # A container that never started is in the way of the next start; a stopped one can be started.
    outdated = status.startswith(("Created", "Dead"))
    # A stopped model server is never started again.
    outdated = outdated or (not running and image.endswith(f":{DEPLOY}"))
    return Removable(
        "containers", name, key, 0, f"{status.lower()}, of {image[:60]}", outdated, kept
    )


def _images(text: str) -> Iterator[_Image]:
    """The images of the engine's JSON; none of them if it is not JSON."""
    value = json_records.lenient(text)
    for entry in value if isinstance(value, list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("Id"), str):
            continue
        config, names, size = entry.get("Config"), entry.get("RepoTags"), entry.get("Size")
        labels = config.get("Labels") if isinstance(config, dict) else None
        yield _Image(
            engine_facts.image_id(entry["Id"]),
            tuple(engine_facts.image_name(name) for name in _texts(names)),
            labels if isinstance(labels, dict) else {},
            size if isinstance(size, int) else 0,
        )


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _image(
    workspace: Workspace, image: _Image, alone: Mapping[str, int], in_use: Mapping[str, str]
) -> Iterator[Removable]:
    """One entry per name of this workspace, the size with the first.

    Names of other workspaces are left out.
    """
    prefix = f"{workspace.image_name}/"
    mine = [name for name in image.names if name.startswith(prefix)]
    if image.names and not mine:
        mine = [name for name in image.names if image.labels.get(WORKSPACE_LABEL)]
    size = alone.get(image.id, image.size)
    for index, name in enumerate(mine or ([] if image.names else [""])):
        why = _why_outdated(workspace, image, name)
        user = in_use.get(name) or in_use.get(image.id) or in_use.get(image.id[7:19])
        yield Removable(
            "images",
            name or image.id[7:19],
            name or image.id,
            size if index == 0 else 0,
            why or f"up to date with {_folder(workspace, image, name)}/",
            bool(why),
            f"the container {user} uses it" if user else "",
        )


def _why_outdated(workspace: Workspace, image: _Image, name: str) -> str:
    """Why nothing uses the image any more; "" if something may."""
    experiment = image.labels.get(EXPERIMENT_LABEL, "")
    if not name:
        return "a newer image has its name"
    if not experiment:
        return ""
    if experiment not in workspace.experiments:
        return f"{experiment} no longer exists"
    own = f"{workspace.image_name}/{image_name_part(experiment.replace('/', '.'))}"
    if name.rpartition(":")[0] != own:
        return ""  # the image of a job whose environment is another folder
    digest = docker_cli.digest_label(image.labels)
    if name.endswith(f":{DEPLOY}"):
        folder = Path(workspace.root, workspace.paths_of(experiment).folder, DEPLOY)
        return "" if digest in ("", loader.digest_of(folder)) else f"{folder.name}/ has changed"
    context = _context_of(workspace, experiment)
    if context is None or digest in ("", loader.digest_of(context)):
        return ""
    return f"{Path(context.folder).name}/ has changed"


def _folder(workspace: Workspace, image: _Image, name: str) -> str:
    """The name of the folder that one of an experiment's images is built from."""
    paths = workspace.paths_of(image.labels.get(EXPERIMENT_LABEL, ""))
    return DEPLOY if name.endswith(f":{DEPLOY}") else posixpath.basename(paths.context)


def _context_of(workspace: Workspace, name: str) -> BuildContext | None:
    """What an experiment's image is built from; None if the experiment cannot be read."""
    try:
        return loader.context_of(workspace, loader.open_experiment(workspace, name))
    except UserError:
        return None


def _sizes(text: str) -> tuple[dict[str, int], dict[str, tuple[int, bool]]]:
    """The sizes of images and of volumes, as far as the engine says them.

    The first mapping has the size of each image's own layers by ID, the second each volume's size,
    and whether a container uses it. Both are empty for an answer that is not JSON: Podman's is a table.
    """
    images, volumes = (_rows(line) for line in (*text.splitlines(), "", "")[:2])
    return {
        str(image.get("ID")): docker_cli.parse_size(str(image.get("UniqueSize")))
        for image in images
    }, {
        str(volume.get("Name")): (
            docker_cli.parse_size(str(volume.get("Size"))),
            volume.get("Links") not in ("0", "N/A", 0, None),
        )
        for volume in volumes
    }


def _rows(line: str) -> list[dict[str, Any]]:
    value = json_records.lenient(line)
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _volumes(workspace: Workspace, volumes: Mapping[str, tuple[int, bool]]) -> Iterator[Removable]:
    """The caches of the dev containers, by their computed names: never those of another clone."""
    configs = {".devcontainer/devcontainer.json": "the workspace"}
    for name in workspace.experiments:
        paths = workspace.paths_of(name)
        configs[paths.devcontainer or f".devcontainer/{slug_of(name)}/devcontainer.json"] = name
    separator = "\\" if re.match(r"[A-Za-z]:\\|\\\\", workspace.identity) else "/"
    for config, owner in configs.items():
        path = separator.join([workspace.identity, *config.split("/")])
        name = VOLUME + docker_cli.dev_container_id(workspace.identity, path)
        if name in volumes:
            size, used = volumes[name]
            kept = "a container uses it" if used else ""
            yield Removable("volumes", name, name, size, f"the caches of {owner}", False, kept)


def _environments(workspace: Workspace) -> Iterator[Removable]:
    current = set(_current_environments(workspace))
    for path in _environment_folders():
        if files.is_aside(path) or files.read_text(path / venvs.OWNER) != workspace.root:
            continue
        outdated = path not in current
        kept = _user_of(workspace, path.name)
        why = "its lock has changed or was removed" if outdated else "up to date with its lock"
        yield Removable(
            "environments", path.name, str(path), files.size_of(path), why, outdated, kept
        )


def _sif_images(workspace: Workspace) -> Iterator[Removable]:
    """The image files of Apptainer that were first made for this workspace."""
    for found in sif_files.all_images():
        if found.workspace != workspace.root:
            continue
        is_known = found.experiment in workspace.experiments
        context = _context_of(workspace, found.experiment) if is_known else None
        digest = loader.digest_of(context) if context is not None else ""
        why = sif_files.why_outdated(found, digest)
        yield Removable(
            "images",
            f"{found.folder.name}/{sif_files.FILE}",
            str(found.folder),
            files.size_of(found.folder),
            why or "up to date with environment/",
            bool(why),
            _user_of(workspace, found.folder.name),
        )


def _tool_environments(workspace: Workspace) -> Iterator[Removable]:
    """What tools have in place of a `.venv` in the code."""
    root = Path(workspace.root)
    slugs = {name.replace("/", ".") for name in workspace.experiments}
    for path in tool_environments.of_workspace(root):
        if path.is_symlink() or files.is_aside(path):
            continue
        outdated = path.name.rpartition("-")[0] not in slugs
        why = "its experiment no longer exists" if outdated else "in place of .venv in the code"
        name = path.relative_to(root).as_posix()
        kept = _user_of(workspace, path.name)
        yield Removable("environments", name, str(path), files.size_of(path), why, outdated, kept)


def _user_of(workspace: Workspace, environment: str) -> str:
    """Why an environment of the cache is in use; "" if it is not."""
    for value in in_flight.read_all(Path(workspace.root)):
        slug = value.experiment.replace("/", ".")
        if re.fullmatch(rf"{re.escape(slug)}-\w+", environment):
            return f"the {value.what} {value.id} uses it"
    return ""


def _current_environments(workspace: Workspace) -> Iterator[Path]:
    for name in workspace.experiments:
        try:
            experiment = loader.open_experiment(workspace, name)
            job = loader.open_job(workspace, experiment)
        except UserError:
            continue  # a broken experiment has no environment
        for dev, test in ((False, False), (True, False), (True, True)):
            resolved = environment_resolver.resolve(workspace, experiment, job, dev=dev, test=test)
            packages = venv_requirements.packages_for(workspace, resolved)
            if packages.missing is None:
                _, version, _ = venv_requirements.interpreter(packages.python)
                yield venv_requirements.environment_of(
                    experiment, packages.files, version, packages.key
                )


def outputs(workspace: Workspace, names: Collection[str]) -> list[Removable]:
    """The outputs of runs, whose folders are named relative to the workspace's root."""
    return [item for item in _outputs(workspace, -1, names) if item.name in names]


def _outputs(
    workspace: Workspace, older_than: float, names: Collection[str] | None = None
) -> Iterator[Removable]:
    root = Path(workspace.root)
    runs = {run.folder: run for run in past_runs.find(root)}
    kept_by_person = {
        str(root.joinpath(*run.folder.split("/")[:3])): KEPT
        for run in runs.values()
        if run.said.kept
    }
    in_use = kept_by_person | _in_use(workspace)
    for path in sorted((root / "outputs").glob("*/*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() or not path.is_dir() or (names is not None and name not in names):
            continue
        days = (time.time() - path.stat().st_mtime) / 86400
        if days >= older_than:
            run = runs.get(name)
            kept = in_use.get(str(path), "")
            why = f"{days:.0f} days old"
            why += ", its record is unreadable" if run is not None and run.unreadable else ""
            yield Removable("outputs", name, str(path), files.size_of(path), why, True, kept)


def _in_use(workspace: Workspace) -> dict[str, str]:
    """The folders of outputs of what runs, and why each stays."""
    root = Path(workspace.root)
    runs = lost_runs.settle(root, past_runs.find(root))
    folders = {
        str(root.joinpath(*run.folder.split("/")[:3])): (
            "it is running"
            if run.alive
            else "it may be running: it was started on another machine or in a container"
        )
        for run in runs
        if run.alive or (run.unknown and _is_recent(root / run.folder))
    }
    return folders | _in_flight(workspace)


def _in_flight(workspace: Workspace) -> dict[str, str]:
    """The same of what was started and whose end is not known: a pipeline between two steps too."""
    root = Path(workspace.root)
    values = [value for value in in_flight.read_all(root) if value.life != "dead" or value.folder]
    folders = [
        value.folder or f"outputs/{value.experiment.replace('/', '.')}/{value.id}"
        for value in values
    ]
    return {str(root.joinpath(*folder.split("/")[:3])): "it is running" for folder in folders}


def _is_recent(folder: Path) -> bool:
    """Whether a run printed something within the last day."""
    try:
        return time.time() - (folder / recorder.LOG).stat().st_mtime < 86400
    except OSError:
        return False


def readable(size: int) -> str:
    """A size such as "1.2 GB", with decimal units as Docker has them."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def total(items: Sequence[Removable]) -> int:
    """The sum of the sizes, in bytes."""
    return sum(item.size for item in items)
