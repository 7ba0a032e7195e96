"""What a container of a run sees of this machine's files, whichever backend starts it.

The workspace is at /workspaces/<its name>; the code is a view (see `code_view`), the run's folder is
`./outputs` in it, and data of other places are below /mnt.
"""

from __future__ import annotations

import os
import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..docker import container_user, own_mounts
from ..model import link_mounts
from ..model.container import (
    EXPERIMENT_LABEL,
    RUN_LABEL,
    WORKSPACE_LABEL,
    ContainerContext,
    Mount,
)
from ..model.experiment import Link
from ..model.folder_contents import count_links, listed
from ..model.paths import is_within
from ..model.run import Request, Run
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import code_view, import_hook, tool_environments
from .mount_points import (
    code_folders,
    is_environment,
    path_in_container,
    path_on_host,
)
from .resolve_command import ResolvedCommand, resolve

# Environments of tools are kept by this name; the image's content is the same without an engine.
_KEPT_AS = "docker"


@dataclass(frozen=True, slots=True)
class ContainerFiles:
    """The working directory, the mounts, and the command and variables with a container's paths."""

    cwd: str
    mounts: tuple[Mount, ...]
    resolved: ResolvedCommand


def of(run: Run) -> ContainerFiles:
    root = posixpath.join("/workspaces", run.workspace.name)
    cwd = cwd_of(run, root)
    targets = {name: _target(run, name, path, root) for name, path in run.data.items()}
    resolved = resolve(run, lambda name, _: targets[name], lambda name: f"{cwd}/outputs/{name}")
    return ContainerFiles(cwd, tuple(_mounts(run, cwd, root, targets)), resolved)


def with_links(run: Run, planned: Request, context: ContainerContext | None = None) -> Request:
    """The request with mounts for the links in code and data that lead out of their folders.

    Also for the text files that stand for links. `context` knows the paths of what starts the
    container; None is this machine's engine.
    """
    has_texts = run.in_place and bool(code_view.texts_of(run))
    if not has_texts and not any(one.links for one in run.contents.values()):
        return planned
    if context is None:
        context = ContainerContext(binds=own_mounts.own_binds())
    return _with_hook(run, _with_outside_links(run, planned, context), context)


def _with_outside_links(run: Run, planned: Request, context: ContainerContext) -> Request:
    container = planned.container
    if container is None or os.name == "nt" or not any(one.links for one in run.contents.values()):
        return planned
    root = posixpath.join("/workspaces", run.workspace.name)
    real = os.path.realpath(run.workspace.root)
    folders = [
        (contents, _target(run, name, run.data[name], root))
        for name, contents in run.contents.items()
        if name
    ]
    if run.has_code_folder and "" in run.contents:
        # A link of the code that leads out of the workspace is an error.
        code = run.contents[""]
        links = tuple(link for link in code.links if is_within(link.target, real))
        folders.append((replace(code, links=links), cwd_of(run, root)))
    found = link_mounts.plan(
        folders,
        [Mount(os.path.realpath(mount.source), mount.target) for mount in container.mounts],
        root=real,
        home=os.path.realpath(os.path.expanduser("~")),
        resolve=os.path.realpath,
    )
    notes = []
    mounts = []
    for mount in found.mounts:
        try:
            mounts.append(context.on_host(mount))
        except UserError as error:
            notes.append(f"a link leads nowhere in the container: {error.what}")
    if found.missed:
        names = listed([f"{link.at} to {link.text}" for link in found.missed])
        subject = count_links(len(found.missed), "code or data")
        notes.append(f"{subject} into the image, or nowhere, in the container: {names}")
    with_mounts = container.with_mounts(*mounts)
    granted = tuple(f"it reads {folder} by links in its data" for folder in found.outside(real))
    return replace(planned, container=with_mounts, grants=granted).with_notes(*notes)


def _with_hook(run: Run, planned: Request, context: ContainerContext) -> Request:
    """In place, no folder can be mounted on a text file: Python imports from its target."""
    container = planned.container
    texts = code_view.texts_of(run) if run.in_place else {}
    folders = {path: target for path, target in texts.items() if os.path.isdir(target)}
    if container is None or not folders:
        return planned
    root = posixpath.join("/workspaces", run.workspace.name)
    cwd = cwd_of(run, root)
    targets = {
        posixpath.join(cwd, path): path_in_container(run, target, root, "code")
        for path, target in folders.items()
    }
    added = import_hook.variables(targets, container.env, import_hook.CONTAINER_PROGRAMS, ":")
    hook = Mount(str(import_hook.PROGRAMS), import_hook.CONTAINER_PROGRAMS, read_only=True)
    with_hook = container.with_env(added).with_mounts(context.on_host(hook))
    note = (
        f"{listed(sorted(folders))}: a text file in place of a link; Python alone follows it here"
    )
    return replace(planned, container=with_hook).with_notes(note)


def links_outside(links: Sequence[Link]) -> list[UserError]:
    """An error for each link that leads out of the workspace: no container can follow it."""
    return [
        UserError(
            f"the link leads out of the workspace, to {link.target}",
            code="link-leads-out",
            where=link.path,
            hint="Share code from src/common by a relative link (`scripts/loop share`)",
        )
        for link in links
        if not link.is_inside
    ]


def labels(run: Run) -> dict[str, str]:
    return {
        WORKSPACE_LABEL: run.workspace.identity,
        EXPERIMENT_LABEL: run.experiment.name,
        RUN_LABEL: run.id,
    }


def docker_args(run: Run) -> list[str]:
    """The words of the job's docker_args. UserError if they cannot be parsed."""
    try:
        return shlex.split(run.job.docker_args)
    except ValueError as error:
        raise UserError(
            f"resources.docker_args cannot be parsed: {error}",
            code="docker-args-invalid",
            where=run.job.where("resources", "docker_args"),
            hint="Check its quotes",
        ) from error


# A job's command is a text for bash; where the image has no bash, sh understands most of them.
OR_SH = 'exec "$(command -v bash || echo sh)" -c "$0"'


def command(run: Run, resolved: ResolvedCommand, *, is_root: bool) -> tuple[str, ...]:
    """The words to start. A user who is not root first gets a home and a name: see `LOGIN`."""
    login = "" if is_root else container_user.LOGIN
    if resolved.is_single and run.shell == "bash":
        return ("sh", "-c", login + OR_SH, resolved.command)
    if login:
        return ("sh", "-c", f'{login}exec "$0" "$@"', *resolved.argv)
    return resolved.argv


def cwd_of(run: Run, root: str) -> str:
    """The code root, or the run's empty scratch folder when the job has no code folder."""
    if run.code_place is None or run.code_is_file:
        return posixpath.join(root, run.work)
    return path_in_container(run, run.code_place, root, "code")


def _mounts(run: Run, cwd: str, root: str, targets: Mapping[str, str]) -> list[Mount]:
    """The bind mounts, each folder before those that are mounted into it."""
    host = run.workspace.root
    mounts = []
    if run.has_code_folder:
        mounts.append(Mount(str(run.code), cwd))  # a view of it, once all mounts are known
    else:
        mounts.append(Mount(path_on_host(host, run.work), cwd))
        if run.code is not None:
            mounts.append(Mount(run.code, posixpath.join(cwd, os.path.basename(run.code))))
    for link in run.links:
        if not link.is_inside:
            continue  # reported by the caller
        target = posixpath.normpath(posixpath.join(root, link.target))
        if not any(mount.target == target for mount in mounts):
            mounts.append(Mount(path_on_host(host, link.target), target))
    for path, source in code_view.texts_of(run).items():
        if not (run.in_place and os.path.isdir(source)):  # where it would be on a text file
            mounts.append(Mount(source, posixpath.join(cwd, path)))
    if not run.in_place:
        mounts.append(Mount(path_on_host(host, run.outputs), posixpath.join(cwd, "outputs")))
    for name, path in run.data.items():
        if not any(mount.target == targets[name] for mount in mounts):
            inputs = {input_ for input_, target in targets.items() if target == targets[name]}
            mounts.append(Mount(path, targets[name], read_only=not inputs & run.writable))
    mounts += _environments(run, mounts)
    mounts = [_code_view(run, mount, mounts) if mount.target == cwd else mount for mount in mounts]
    if not any(mount.view for mount in mounts):
        return mounts
    created = {f"{cwd}/{name}" for name in tool_environments.created_by(_own_command(run))}
    return [replace(m, is_for_plain=m.target in created and is_environment(m)) for m in mounts]


def _own_command(run: Run) -> str:
    """The job's command, or nothing for a run of something else."""
    return "" if run.script is not None else run.job.command


def _code_view(run: Run, code: Mount, mounts: Sequence[Mount]) -> Mount:
    """The mount of the code, as a view of it where that is possible: see `code_view`."""
    if code.source != run.code:
        return code
    taken = {m.target for m in mounts if posixpath.dirname(m.target) == code.target}
    names = [posixpath.basename(m.target) for m in mounts if is_environment(m)]
    entries = code_view.for_container(run, names)
    if entries is None:
        return code
    wanted = (*entries.parts, *entries.foreign)
    parts = [name for name in wanted if f"{code.target}/{name}" not in taken]
    view = path_on_host(run.workspace.root, run.work)
    return replace(code, view=view, parts=tuple(parts))


def _environments(run: Run, mounts: Sequence[Mount]) -> list[Mount]:
    """Mounts of this image's own environments, in the place of those in the code's folders."""
    found = []
    taken = {mount.target for mount in mounts}
    command = _own_command(run)
    for host, target in code_folders(run):
        where = "" if host == run.code else target
        own = tool_environments.folder_of(run, _KEPT_AS, where)
        for environment in tool_environments.names_in(host, command if host == run.code else ""):
            is_link = os.path.islink(os.path.join(host, environment))
            there = posixpath.join(target, environment)
            # In place, the engine would follow the link.
            if there not in taken and not (is_link and run.in_place):
                taken.add(there)
                found.append(Mount(path_on_host(run.workspace.root, f"{own}/{environment}"), there))
    return found


def _target(run: Run, name: str, path: str, root: str) -> str:
    return path_in_container(run, path, root, f"inputs/{name}")
