"""The places of a container's mounts on this machine, for as long as a run goes on.

They are the folder of its outputs, the view of its code (see `code_view`), and empty folders where
environments are mounted.
"""

from __future__ import annotations

import os
import posixpath
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..history import in_flight, recorder
from ..model.container import Mount, image_name_part
from ..model.paths import BESIDE, OWN_ENVIRONMENTS
from ..util import console, files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass

# Imported where there is a view of the code.
if TYPE_CHECKING:
    from ..model.run import Request, Run
    from . import code_view


def container_name(run: Run) -> str:
    return f"innerloop-{image_name_part(run.experiment.slug)}-{run.id}"


@contextmanager
def mount_points(run: Run, request: Request) -> Iterator[None]:
    """Within, what the request mounts has its places, and the view of the code exists."""
    since = time.time()
    points = _Points(_expected_view(run, request))
    is_lost = False
    try:
        points = _make_mount_points(run, request)
        yield
    except recorder.RunLost:
        is_lost = True  # it may go on, and works in its folders
        raise
    finally:
        if not is_lost:
            _remove_mount_points(run, points, since)


def _expected_view(run: Run, request: Request) -> code_view.View | None:
    if not any(mount.view for mount in request.mounts):
        return None
    from . import code_view

    return code_view.View(Path(run.workspace.root, run.work), run.code)


@dataclass(frozen=True, slots=True)
class _Points:
    """Where something is mounted: a view of the code, and empty folders that were made for it."""

    view: code_view.View | None = None
    folders: tuple[Path, ...] = ()


def _make_mount_points(run: Run, request: Request) -> _Points:
    """Create them as this user before Docker creates them as root."""
    root = Path(run.workspace.root)
    mounts = request.mounts
    for mount in mounts:
        if is_environment(mount) and not mount.is_for_plain:
            files.make_folder(_environment_on_disk(root, mount))
    code = next((mount for mount in mounts if mount.view), None)
    if not run.in_place:
        files.make_folder(root / run.outputs)
    if code is not None and run.code is not None:
        return _Points(_make_view(run, run.code, code, mounts))
    made = _make_environment_points(run, mounts)
    if run.in_place:
        return _Points(folders=made)
    if run.code is None or run.code_is_file:
        files.make_folder(root / run.work / "outputs")
        if run.code is not None:
            files.write_text(root / run.work / os.path.basename(run.code), "")
    elif not (outputs := Path(run.code) / "outputs").exists():
        made = (*made, files.make_folder(outputs))
    return _Points(folders=made)


def _make_view(run: Run, code: str, mount: Mount, mounts: Sequence[Mount]) -> code_view.View:
    """The view with a place for each of its parts, and for what else is mounted directly into it."""
    from . import code_view

    inner = [m for m in mounts if posixpath.dirname(m.target) == mount.target]
    names = {posixpath.basename(m.target) for m in inner}
    is_file = {name: os.path.isfile(os.path.join(code, name)) for name in {*mount.parts, *names}}
    texts = code_view.texts_of(run)
    is_file = {name: value for name, value in is_file.items() if name not in texts}
    found = code_view.entries_of(code, environments=is_file, texts=texts)
    foreign = tuple(sorted(name for name in is_file if is_file[name]))
    entries = replace(found, folders=(), foreign=foreign)
    absent = {posixpath.basename(m.target) for m in inner if m.is_for_plain}
    points = [name for name in is_file if not is_file[name] and name not in absent]
    return code_view.make_for_container(code, Path(run.workspace.root, run.work), entries, points)


def _make_environment_points(run: Run, mounts: Sequence[Mount]) -> tuple[Path, ...]:
    """Empty folders in the code, for environments that are mounted there; those that were made."""
    made = []
    for host, target in code_folders(run):
        for mount in mounts:
            if is_environment(mount) and posixpath.dirname(mount.target) == target:
                folder = Path(host, posixpath.basename(mount.target))
                if not folder.exists():
                    made.append(files.make_folder(folder))
    return tuple(made)


def _remove_mount_points(run: Run, points: _Points, since: float) -> None:
    root = Path(run.workspace.root)
    try:
        if points.view is not None:
            from . import code_view

            code_view.close(points.view, root / run.outputs, since)
        elif not run.in_place and not run.has_code_folder:
            remove_scratch(run.workspace.root, run.work, run.outputs, run.code)
    except (UserError, OSError) as error:  # the exit code is the program's all the same
        console.say(f"{run.work} is not removed: {error}")
    # A folder that is a place for a mount in another container stays: there it would disappear.
    others = [value for value in in_flight.read_all(root) if value.id != run.id]
    if not any(value.experiment == run.experiment.name for value in others):
        for folder in points.folders:
            files.remove_if_empty(folder)


def remove_scratch(root: str, work: str, outputs: str, code: str | None = None) -> None:
    """Remove a run's scratch folder; all paths are relative to the workspace's `root`.

    Files that the program wrote there beside ./outputs, which Azure ML would not keep, move to
    `beside-outputs` in the run's folder. `code` is the job's one file, which is mounted there.
    """
    from . import code_view

    folder = Path(root, work)
    if code is not None:
        files.remove(folder / os.path.basename(code))
    files.remove_if_empty(folder / "outputs")
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        is_folder = path.is_dir() and not path.is_symlink()
        for written in code_view.kept_folder(path) if is_folder else [path]:
            files.move_into(written, Path(root, outputs) / BESIDE)
    files.remove_if_empty(folder)
    files.remove_if_empty(folder.parent)


def code_folders(run: Run) -> list[tuple[str, str]]:
    """The folders of code that a container sees, each with its path there: the outer ones first."""
    root = posixpath.join("/workspaces", run.workspace.name)
    pairs = []
    for link in run.links:
        source = path_on_host(run.workspace.root, link.target)
        if link.is_inside and os.path.isdir(source):
            pairs.append((source, posixpath.normpath(posixpath.join(root, link.target))))
    if run.has_code_folder and run.code is not None and run.code_place is not None:
        pairs.append((run.code, path_in_container(run, run.code_place, root, "code")))
    return list(dict.fromkeys(pairs))


def is_environment(mount: Mount) -> bool:
    return f"/{OWN_ENVIRONMENTS}/" in mount.source.replace("\\", "/")


def _environment_on_disk(root: Path, mount: Mount) -> Path:
    """The folder of an environment's mount as this process reaches it."""
    path = mount.source.replace("\\", "/").rpartition(f"/{OWN_ENVIRONMENTS}/")[2]
    return root.joinpath(*OWN_ENVIRONMENTS.split("/"), *path.split("/"))


def path_in_container(run: Run, path: str, root: str, otherwise: str) -> str:
    """A path of this machine as the container has it.

    A path inside the workspace keeps its position below `root`, any other appears below
    /mnt/`otherwise`.
    """
    try:
        relative = os.path.relpath(path, run.workspace.root).replace("\\", "/")
    except ValueError:  # another drive, on Windows
        relative = ".."
    if relative == ".." or relative.startswith("../") or os.path.isabs(relative):
        return f"/mnt/{otherwise}/{posixpath.basename(path.replace(chr(92), '/'))}"
    return posixpath.normpath(posixpath.join(root, relative))


def path_on_host(host: str, relative: str) -> str:
    return os.path.normpath(os.path.join(host, *relative.split("/")))
