"""A clean container with only this experiment's code, the shared code it links to, and its data."""

from __future__ import annotations

import os
import posixpath
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ..docker import (
    client,
    conda_images,
    container_context,
    container_ports,
    container_user,
    containers,
    docker_cli,
    engine_location,
    gpus,
    image_build,
)
from ..docker.engine import Engine
from ..docker.engine_facts import EngineFacts
from ..history import in_flight, recorder
from ..model import link_mounts
from ..model.container import (
    EXPERIMENT_LABEL,
    NO_CONTEXT,
    RUN_LABEL,
    WORKSPACE_LABEL,
    ContainerContext,
    ContainerSpec,
    Mount,
    PublishedPort,
    image_name_part,
)
from ..model.experiment import Experiment, Link
from ..model.folder_contents import count_links, listed
from ..model.gpu import Gpu
from ..model.paths import is_within
from ..model.run import Availability, Request, Run
from ..model.workspace import Workspace
from ..util import console, files, process
from ..util.errors import UserError
from ..workspace.loader import current_experiment
from . import code_view, dev_container, import_hook, tool_environments
from .resolve_command import ResolvedCommand, resolve

name = "docker"


def available(workspace: Workspace) -> Availability:
    if (experiment := current_experiment()) is not None:
        return Availability(
            False, f"this is the dev container of {experiment}", "Use a terminal on the host"
        )
    facts = engine_location.ask("innerloop", workspace.root)
    return Availability(facts.answers, facts.why or "an engine answers", facts.hint)


def supports(workspace: Workspace, experiment: Experiment) -> bool:
    return True


def plan(run: Run) -> Request:
    dev_container.require_outside(run.experiment.name)
    environment = run.environment
    image = environment.image
    facts = engine_location.ask(image.name if image else "", run.workspace.root)
    missing = [environment.missing] if environment.missing else []
    missing += _links_outside(run.links)
    if not facts.answers:
        missing.append(engine_location.unavailable(facts))
    try:
        gpu = gpus.for_container(run.experiment.settings.gpu, facts)
    except UserError as error:
        missing.append(error)
        gpu = Gpu(False, "no GPU is available")
    planned = request(
        run,
        image=image.name if image else None,
        engine=facts,
        gpu=gpu,
        owner=owner(),
        why=gpu.why,
        context=container_context.of_run(run.workspace),
    )
    if image is not None and planned.container is not None and _is_person(planned.container):
        mounts = container_user.mounts(run.workspace, run.experiment.name, image.name, facts)
        context = ContainerContext(binds=container_context.own_binds())
        on_host = (context.on_host(mount) for mount in mounts)
        planned = replace(planned, container=planned.container.with_mounts(*on_host))
    planned = _with_hook(run, _with_links(run, planned))
    is_current = image is None or image_build.is_current(image, facts)
    planned = replace(planned, needs_build=not is_current, missing=tuple(missing))
    notes = environment.notes
    if image is not None and environment.conda is not None and is_current:
        notes += conda_images.python_note(image, facts.image_id, environment.conda)
    return planned.with_notes(*notes)


def _with_links(run: Run, planned: Request) -> Request:
    """The request with mounts for the links in code and data that lead out of their folders."""
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
        folders.append((replace(code, links=links), _cwd(run, root)))
    context = ContainerContext(binds=container_context.own_binds())
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


def _with_hook(run: Run, planned: Request) -> Request:
    """In place, no folder can be mounted on a text file: Python imports from its target."""
    container = planned.container
    texts = code_view.texts_of(run) if run.in_place else {}
    folders = {path: target for path, target in texts.items() if os.path.isdir(target)}
    if container is None or not folders:
        return planned
    root = posixpath.join("/workspaces", run.workspace.name)
    cwd = _cwd(run, root)
    targets = {
        posixpath.join(cwd, path): _path_in_container(run, target, root, "code")
        for path, target in folders.items()
    }
    added = import_hook.variables(targets, container.env, import_hook.CONTAINER_PROGRAMS, ":")
    context = ContainerContext(binds=container_context.own_binds())
    hook = Mount(str(import_hook.PROGRAMS), import_hook.CONTAINER_PROGRAMS, read_only=True)
    with_hook = container.with_env(added).with_mounts(context.on_host(hook))
    note = (
        f"{listed(sorted(folders))}: a text file in place of a link; Python alone follows it here"
    )
    return replace(planned, container=with_hook).with_notes(note)


def prepare(run: Run, request: Request) -> None:
    """Builds the image if it is missing or outdated, and tries once whether a GPU gets into it."""
    image, conda = run.environment.image, run.environment.conda
    if image is None:
        return
    if request.needs_build:
        if conda is not None:
            conda_images.write_context(image, conda)
        image_build.build(run.workspace, run.experiment, image)
    if request.gpu.needs_trial:
        facts = engine_location.ask(image.name, run.workspace.root)
        gpus.settle(run.experiment.settings.gpu, facts, image.name, console.say)


def _links_outside(links: Sequence[Link]) -> list[UserError]:
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


def request(
    run: Run,
    *,
    image: str | None,
    engine: Engine,
    gpu: Gpu,
    owner: str | None,
    why: str,
    context: ContainerContext = NO_CONTEXT,
) -> Request:
    """The request for a container.

    `owner` is "uid:gid" of this user on Linux, or None where the engine maps file owners itself.
    `context` is what this machine adds. Without an `image` the request cannot start, but describes
    everything else.
    """
    root = posixpath.join("/workspaces", run.workspace.name)
    cwd = _cwd(run, root)
    targets = {name: _target(run, name, path, root) for name, path in run.data.items()}
    resolved = resolve(run, lambda name, _: targets[name], lambda name: f"{cwd}/outputs/{name}")
    mounts = (*_mounts(run, cwd, root, targets), *context.mounts)
    options = _options(run, context, engine.facts)
    has_stdin = run.reads_stdin or sys.stdin.isatty()
    container = ContainerSpec(
        image=image or "",
        # The job's command is all that is started, as on Azure ML: an image's ENTRYPOINT would get
        # it as arguments.
        entrypoint="",
        command=_command(run, resolved, owner),
        name=container_name(run),
        user=_user(engine, owner, options),
        groups=_groups(engine, owner),
        workdir=cwd,
        env={**context.env, **resolved.env},
        mounts=tuple(context.on_host(mount) for mount in mounts),
        ports=tuple(PublishedPort(host, port, gated=True) for port, host in run.ports.items()),
        labels={
            WORKSPACE_LABEL: run.workspace.identity,
            EXPERIMENT_LABEL: run.experiment.name,
            RUN_LABEL: run.id,
        },
        remove=run.in_place and engine.facts.keeps_exit_codes,
        apart=not engine.facts.has_own_networks,
        shm_size=run.job.shm_size,
        devices=gpu.options,
        options=options,
        interactive=run.attended and has_stdin,
        terminal=run.attended and sys.stdin.isatty() and sys.stdout.isatty(),
        program=client.program(),
        init=client.has_init(engine.facts),
    )
    return Request(
        experiment=run.experiment.name,
        backend=name,
        command=resolved.command,
        container=container,
        can_start=image is not None,
        outputs=run.outputs,
        why=why,
        notes=(*run.notes, *_port_notes(run.ports), *context.notes),
        processes=resolved.processes,
        gpu=gpu,
        secrets=context.secrets,
    )


# A job's command is a text for bash; where the image has no bash, sh understands most of them.
_OR_SH = 'exec "$(command -v bash || echo sh)" -c "$0"'


def _command(run: Run, resolved: ResolvedCommand, owner: str | None) -> tuple[str, ...]:
    login = "" if owner == "0:0" else container_user.LOGIN
    if resolved.is_single and run.shell == "bash":
        return ("sh", "-c", login + _OR_SH, resolved.command)
    if login:
        return ("sh", "-c", f'{login}exec "$0" "$@"', *resolved.argv)
    return resolved.argv


def submit(run: Run, request: Request) -> int:
    """Start the container and return the program's exit code.

    Ctrl-C and the job's time limit stop the container: the program gets a signal and some seconds
    to end by itself. Then KeyboardInterrupt is raised.

    The container of a recorded run stays until its end is read, so that neither the end of the
    engine's client nor that of this process hides how the program ended.
    """
    name = container_name(run)
    terminal = request.container is not None and request.container.terminal
    since = time.time()
    has_view = any(mount.view for mount in request.mounts)
    folder = Path(run.workspace.root, run.work)
    points = _Points(code_view.View(folder, run.code) if has_view else None)
    is_lost = False
    try:
        points = _make_mount_points(run, request)
        code = _client(run, request, name, terminal)
        if request.container is None or request.container.remove:
            return code if code == 0 else _end_of_unrecorded(name, code, terminal)
        return _end_of(name, code, _names_itself(request.container), terminal and run.in_place)
    except recorder.RunLost:
        is_lost = True  # it may go on, and works in its folders
        raise
    except BaseException:
        with suppress(UserError):
            containers.remove(name)
        raise
    finally:
        if not is_lost:
            _remove_mount_points(run, points, since)


def _client(run: Run, request: Request, name: str, terminal: bool) -> int:
    """The exit code of `docker run`."""

    def on_interrupt(press: int) -> None:
        if press == 1 and not terminal:
            process.run(docker_cli.kill(name, "INT"), timeout=10)
        elif press != 1:
            process.run(docker_cli.stop(name, 2), timeout=30)

    with container_ports.opened(request) as opened:
        return process.run_foreground(
            opened.argv,
            env={**os.environ, **opened.secrets},
            on_interrupt=on_interrupt,
            limit=run.job.timeout,
            on_limit=lambda: process.run(docker_cli.stop(name, 10), timeout=30),
        )


def _end_of(name: str, code: int, has_own_name: bool, is_shell: bool = False) -> int:
    """The exit code of the program, once `docker run` has ended with `code`; removes the container.

    A client that succeeded has seen the end of the container. One that failed may have been killed,
    or have lost the engine: the container is asked, and followed again if it still runs. A shell
    cannot be followed: its container is removed.
    """
    if has_own_name:  # the job's docker_args name or remove the container
        return code
    if code == 0 and containers.remove_ended(name):
        return code
    found = _asked(name)
    if found is not None and found.is_alive and is_shell:
        containers.remove(name)
        return code
    if found is not None and found.is_alive:
        console.say(
            f"the engine's client ended ({code}), and the container {name} still runs: following it"
        )
        found = _followed(name)
    if found is None:
        return code
    containers.remove(name)
    return found.exit_code if found.has_started and found.finished else code


def _end_of_unrecorded(name: str, code: int, terminal: bool) -> int:
    """As `_end_of` for a container that the engine removes when it ends.

    A terminal cannot be opened again: its container is removed.
    """
    found = _asked(name)
    if found is not None and found.is_alive:
        if terminal:
            containers.remove(name)
        else:
            _followed(name)
    return code


# How long an engine that restarts is waited for, in seconds.
_PATIENCE = 10.0


def _asked(name: str) -> containers.OwnContainer | None:
    """The container. RunLost if the engine does not answer."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return containers.find(name)
        except UserError as error:
            if time.monotonic() > until:
                lost = UserError(
                    f"how the run ended is not known: {error.what}",
                    code="engine-lost",
                    where=name,
                    hint="Once the engine answers, `scripts/loop runs` shows its end",
                )
                raise recorder.RunLost(lost) from error
        time.sleep(0.5)


def _followed(name: str) -> containers.OwnContainer | None:
    """Follow a container until it has ended. Ctrl-C stops it first."""
    since = f"{time.time():.3f}"
    while (found := _asked(name)) is not None and found.is_alive:
        code = process.run_foreground(
            docker_cli.follow_logs(name, since),
            on_interrupt=lambda press: process.run(
                docker_cli.stop(name, 10 if press == 1 else 1), timeout=40
            ),
        )
        since = f"{time.time():.3f}"
        if code != 0:
            time.sleep(0.5)
    return found


def _names_itself(container: ContainerSpec) -> bool:
    """Whether options of the job or the user give the container another name, or remove it."""
    names = ("--name", "--rm", "-d", "--detach")
    return any(word.split("=")[0] in names for word in container.options)


def container_name(run: Run) -> str:
    return f"innerloop-{image_name_part(run.experiment.slug)}-{run.id}"


def owner() -> str | None:
    """This user as "uid:gid"; None on Windows."""
    me = container_user.person()
    return None if me is None else me.owner


def _groups(engine: Engine, owner: str | None) -> tuple[int, ...]:
    """The person's further groups, by which they may read data that are others'."""
    me = container_user.person()
    if me is None or me.owner != owner or engine.maps_owners:
        return ()
    return me.further_groups


def _is_person(container: ContainerSpec) -> bool:
    """Whether the container's user is this person, and no option names another one."""
    return bool(container.user) and not container.option("--user", "-u")


def _user(engine: Engine, owner: str | None, options: Sequence[str]) -> str:
    if "--userns=keep-id" in shlex.join(options).replace("--userns keep-id", "--userns=keep-id"):
        return owner or ""  # the person has their own number in the container
    if engine.facts.owners == "root":
        return "0:0"  # root in the container is this user on the host
    if engine.facts.owners == "anyone" or owner is None:
        return ""  # the file sharing of a virtual machine makes this user the owner
    return owner


def _options(run: Run, context: ContainerContext, facts: EngineFacts) -> tuple[str, ...]:
    """The options of this machine, the job's docker_args, then the user's: the last one counts.

    Without `--rm` where an engine would lose the exit code with the container: that is removed
    afterwards all the same.
    """
    try:
        docker_args = shlex.split(run.job.docker_args)
    except ValueError as error:
        raise UserError(
            f"resources.docker_args cannot be parsed: {error}",
            code="docker-args-invalid",
            where=run.job.where("resources", "docker_args"),
            hint="Check its quotes",
        ) from error
    words = (*context.options, *docker_args, *run.options)
    if facts.keeps_exit_codes:
        return words
    return tuple(word for word in words if word not in ("--rm", "--rm=true"))


def _port_notes(ports: Mapping[int, int]) -> list[str]:
    return [
        f"port {port} of the container answers at http://127.0.0.1:{host}, to your own processes"
        for port, host in ports.items()
    ]


def _cwd(run: Run, root: str) -> str:
    """The code root, or the run's empty scratch folder when the job has no code folder."""
    if run.code is None or run.code_is_file:
        return posixpath.join(root, run.work)
    return _path_in_container(run, run.code, root, "code")


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
        if _is_environment(mount) and not mount.is_for_plain:
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
    for host, target in _folders(run):
        for mount in mounts:
            if _is_environment(mount) and posixpath.dirname(mount.target) == target:
                folder = Path(host, posixpath.basename(mount.target))
                if not folder.exists():
                    made.append(files.make_folder(folder))
    return tuple(made)


def _remove_mount_points(run: Run, points: _Points, since: float) -> None:
    root = Path(run.workspace.root)
    try:
        if points.view is not None:
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
    folder = Path(root, work)
    if code is not None:
        files.remove(folder / os.path.basename(code))
    files.remove_if_empty(folder / "outputs")
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        is_folder = path.is_dir() and not path.is_symlink()
        for written in code_view.kept_folder(path) if is_folder else [path]:
            files.move_into(written, Path(root, outputs) / code_view.BESIDE)
    files.remove_if_empty(folder)
    files.remove_if_empty(folder.parent)


def _mounts(run: Run, cwd: str, root: str, targets: Mapping[str, str]) -> list[Mount]:
    """The bind mounts, each folder before those that are mounted into it."""
    host = run.workspace.root
    mounts = []
    if run.has_code_folder:
        mounts.append(Mount(str(run.code), cwd))  # a view of it, once all mounts are known
    else:
        mounts.append(Mount(_join(host, run.work), cwd))
        if run.code is not None:
            mounts.append(Mount(run.code, posixpath.join(cwd, os.path.basename(run.code))))
    for link in run.links:
        if not link.is_inside:
            continue  # reported by the caller
        target = posixpath.normpath(posixpath.join(root, link.target))
        if not any(mount.target == target for mount in mounts):
            mounts.append(Mount(_join(host, link.target), target))
    for path, source in code_view.texts_of(run).items():
        if not (run.in_place and os.path.isdir(source)):  # where it would be on a text file
            mounts.append(Mount(source, posixpath.join(cwd, path)))
    if not run.in_place:
        mounts.append(Mount(_join(host, run.outputs), posixpath.join(cwd, "outputs")))
    for name, path in run.data.items():
        if not any(mount.target == targets[name] for mount in mounts):
            inputs = {input_ for input_, target in targets.items() if target == targets[name]}
            mounts.append(Mount(path, targets[name], read_only=not inputs & run.writable))
    mounts += _environments(run, mounts)
    mounts = [_code_view(run, mount, mounts) if mount.target == cwd else mount for mount in mounts]
    if not any(mount.view for mount in mounts):
        return mounts
    created = {f"{cwd}/{name}" for name in tool_environments.created_by(_own_command(run))}
    return [replace(m, is_for_plain=m.target in created and _is_environment(m)) for m in mounts]


def _own_command(run: Run) -> str:
    """The job's command, or nothing for a run of something else."""
    return "" if run.script is not None else run.job.command


def _code_view(run: Run, code: Mount, mounts: Sequence[Mount]) -> Mount:
    """The mount of the code, as a view of it where that is possible: see `code_view`."""
    if code.source != run.code:
        return code
    taken = {m.target for m in mounts if posixpath.dirname(m.target) == code.target}
    names = [posixpath.basename(m.target) for m in mounts if _is_environment(m)]
    entries = code_view.for_container(run, names)
    if entries is None:
        return code
    wanted = (*entries.parts, *entries.foreign)
    parts = [name for name in wanted if f"{code.target}/{name}" not in taken]
    view = _join(run.workspace.root, run.work)
    return replace(code, view=view, parts=tuple(parts))


def _folders(run: Run) -> list[tuple[str, str]]:
    """The folders of code that a container sees, each with its path there: the outer ones first."""
    root = posixpath.join("/workspaces", run.workspace.name)
    pairs = []
    for link in run.links:
        source = _join(run.workspace.root, link.target)
        if link.is_inside and os.path.isdir(source):
            pairs.append((source, posixpath.normpath(posixpath.join(root, link.target))))
    if run.has_code_folder and run.code is not None:
        pairs.append((run.code, _path_in_container(run, run.code, root, "code")))
    return list(dict.fromkeys(pairs))


def _environments(run: Run, mounts: Sequence[Mount]) -> list[Mount]:
    """Mounts of this image's own environments, in the place of those in the code's folders."""
    found = []
    taken = {mount.target for mount in mounts}
    command = _own_command(run)
    for host, target in _folders(run):
        where = "" if host == run.code else target
        own = tool_environments.folder_of(run, name, where)
        for environment in tool_environments.names_in(host, command if host == run.code else ""):
            is_link = os.path.islink(os.path.join(host, environment))
            there = posixpath.join(target, environment)
            # In place, the engine would follow the link.
            if there not in taken and not (is_link and run.in_place):
                taken.add(there)
                found.append(Mount(_join(run.workspace.root, f"{own}/{environment}"), there))
    return found


def _is_environment(mount: Mount) -> bool:
    return f"/{tool_environments.FOLDER}/" in mount.source.replace("\\", "/")


def _environment_on_disk(root: Path, mount: Mount) -> Path:
    """The folder of an environment's mount as this process reaches it."""
    path = mount.source.replace("\\", "/").rpartition(f"/{tool_environments.FOLDER}/")[2]
    return root.joinpath(*tool_environments.FOLDER.split("/"), *path.split("/"))


def _target(run: Run, name: str, path: str, root: str) -> str:
    return _path_in_container(run, path, root, f"inputs/{name}")


def _path_in_container(run: Run, path: str, root: str, otherwise: str) -> str:
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


def _join(host: str, relative: str) -> str:
    return os.path.normpath(os.path.join(host, *relative.split("/")))
