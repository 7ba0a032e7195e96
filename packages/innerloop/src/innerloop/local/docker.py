"""A clean container with only this experiment's code, its common code and its data."""

from __future__ import annotations

import os
import posixpath
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..docker import docker_cli
from ..docker.engine import Engine, Gpu
from ..model.container import (
    EXPERIMENT_LABEL,
    NO_CONTEXT,
    RUN_LABEL,
    WORKSPACE_LABEL,
    ContainerContext,
    Mount,
    image_name_part,
)
from ..model.run import Request, Run
from ..util import files, process
from ..util.errors import UserError
from .resolve_command import bind


def request(
    run: Run,
    *,
    image: str | None,
    engine: Engine,
    gpu: Gpu,
    owner: str | None,
    why: str,
    around: ContainerContext = NO_CONTEXT,
) -> Request:
    """`owner` is "uid:gid" of the person on Linux, None where the engine maps owners itself;
    `around` is what this machine adds. Without an `image` nothing is started, and all the rest is
    said."""
    root = posixpath.join("/workspaces", run.workspace.name)
    cwd = _cwd(run, root)
    targets = {name: _target(run, name, path, root) for name, path in run.data.items()}
    bound = bind(run, lambda name, _: targets[name], lambda name: f"{cwd}/outputs/{name}")
    home = {} if owner in (None, "0:0") else {"HOME": "/tmp"}
    env = {**around.env, **bound.env, **home}
    wanted = (*_mounts(run, cwd, root, targets), *around.mounts)
    mounts = tuple(around.hosted(mount) for mount in wanted)
    argv = docker_cli.run(
        image or "",
        _shell(bound.argv),
        name=container_name(run),
        workdir=cwd,
        labels={
            WORKSPACE_LABEL: run.workspace.identity,
            EXPERIMENT_LABEL: run.experiment.name,
            RUN_LABEL: run.id,
        },
        env=env,
        mounts=mounts,
        options=[*_user(engine, owner), *_options(run, gpu, around)],
        interactive=run.attended and sys.stdin.isatty(),
        terminal=run.attended and sys.stdin.isatty() and sys.stdout.isatty(),
    )
    return Request(
        experiment=run.experiment.name,
        backend="docker",
        command=bound.command,
        argv=tuple(argv) if image else (),
        cwd=cwd,
        env=env,
        outputs=run.outputs,
        why=f"{why}; {gpu.why}",
        image=image,
        mounts=mounts,
        notes=(*run.notes, *_published(run.ports), *around.notes),
        processes=bound.processes,
        secrets=around.secrets,
    )


# A job's command is a text for bash; where the image has none, sh understands most of them.
_OR_SH = 'exec "$(command -v bash || echo sh)" -c "$0"'


def _shell(argv: Sequence[str]) -> Sequence[str]:
    plain = len(argv) == 3 and tuple(argv[:2]) == ("bash", "-c")
    return ("sh", "-c", _OR_SH, argv[2]) if plain else argv


def submit(run: Run, wanted: Request) -> int:
    """Starts the container and returns the program's exit code. Ctrl-C stops the container (the
    program is asked first, and given some seconds) before the interruption goes on; so does the
    end of the job's time."""
    if not run.in_place:
        _make_mount_points(run, wanted)
    name = container_name(run)
    terminal = "--tty" in wanted.argv

    def on_interrupt(press: int) -> None:
        if press == 1 and not terminal:
            process.run(docker_cli.kill(name, "INT"), timeout=10)
        elif press != 1:
            process.run(docker_cli.stop(name, 2), timeout=30)

    try:
        return process.run_foreground(
            wanted.argv,
            env={**os.environ, **wanted.secrets},
            on_interrupt=on_interrupt,
            limit=run.job.timeout,
            on_limit=lambda: process.run(docker_cli.stop(name, 10), timeout=30),
        )
    except KeyboardInterrupt:
        process.run(docker_cli.remove(name), timeout=30)
        raise
    finally:
        if not run.has_code_folder:
            _take_away(run)


def container_name(run: Run) -> str:
    return f"innerloop-{image_name_part(run.experiment.slug)}-{run.id}"


def owner() -> str | None:
    """This person as "uid:gid"; None on systems without them."""
    if sys.platform == "win32":
        return None
    return f"{os.getuid()}:{os.getgid()}"


def _user(engine: Engine, owner: str | None) -> list[str]:
    if engine.rootless:
        return ["--user", "0:0"]  # root in there is the person out here
    if engine.desktop or owner is None:
        return []  # file sharing makes the person the owner
    return ["--user", owner]


def _options(run: Run, gpu: Gpu, around: ContainerContext) -> list[str]:
    """The job's own docker_args come after ours, and the person's after those: the last counts."""
    try:
        given = shlex.split(run.job.docker_args)
    except ValueError as error:
        raise UserError(
            f"resources.docker_args cannot be read: {error}",
            where=run.job.where("resources", "docker_args"),
            hint="Check its quotes",
        ) from error
    publish = [f"127.0.0.1:{here}:{there}" for there, here in run.ports.items()]
    ports = [word for port in publish for word in ("--publish", port)]
    own = ["--shm-size", run.job.shm_size, *gpu.options, *ports]
    return [*own, *around.options, *given, *run.options]


def _published(ports: Mapping[int, int]) -> list[str]:
    return [
        f"what answers on port {there} in the container is at http://127.0.0.1:{here}"
        for there, here in ports.items()
    ]


def _cwd(run: Run, root: str) -> str:
    """The code root; an empty folder of the run's own where the job brings none."""
    if run.code is None or run.code_is_file:
        return posixpath.join(root, run.work)
    return _there(run, run.code, root, "code")


def _make_mount_points(run: Run, wanted: Request) -> None:
    """They must be there, and belong to the person, before Docker makes them."""
    root = Path(run.workspace.root)
    files.make_folder(root / run.outputs)
    if run.code is None or run.code_is_file:
        files.make_folder(root / run.work / "outputs")
        if run.code is not None:
            files.write_text(root / run.work / os.path.basename(run.code), "")
    else:
        files.make_folder(Path(run.code) / "outputs")


def _take_away(run: Run) -> None:
    """What the program wrote beside ./outputs, which Azure ML would not keep, is moved there."""
    work, root = Path(run.workspace.root, run.work), Path(run.workspace.root)
    if run.code is not None:
        files.remove(work / os.path.basename(run.code))
    files.remove_if_empty(work / "outputs")
    for path in list(work.iterdir()) if work.is_dir() else []:
        files.move_into(path, root / run.outputs / "beside-outputs")
    files.remove_if_empty(work)
    files.remove_if_empty(work.parent)


def _mounts(run: Run, cwd: str, root: str, targets: Mapping[str, str]) -> list[Mount]:
    """Outer folders before what is mounted into them."""
    host = run.workspace.root
    mounts = []
    if run.has_code_folder:
        mounts.append(Mount(str(run.code), cwd))
    else:
        mounts.append(Mount(_join(host, run.work), cwd))
        if run.code is not None:
            mounts.append(Mount(run.code, posixpath.join(cwd, os.path.basename(run.code))))
    for link in run.links:
        if not link.is_inside:
            continue  # said before, by the plan
        target = posixpath.normpath(posixpath.join(root, link.target))
        if not any(mount.target == target for mount in mounts):
            mounts.append(Mount(_join(host, link.target), target))
    if not run.in_place:
        mounts.append(Mount(_join(host, run.outputs), posixpath.join(cwd, "outputs")))
    for name, path in run.data.items():
        if not any(mount.target == targets[name] for mount in mounts):
            shared = {one for one, target in targets.items() if target == targets[name]}
            mounts.append(Mount(path, targets[name], read_only=not shared & run.writable))
    return mounts


def _target(run: Run, name: str, path: str, root: str) -> str:
    return _there(run, path, root, f"inputs/{name}")


def _there(run: Run, path: str, root: str, otherwise: str) -> str:
    """A path of this machine as the container has it: what is inside the workspace keeps its
    place in it, the rest appears under /mnt."""
    try:
        inside = os.path.relpath(path, run.workspace.root).replace("\\", "/")
    except ValueError:  # another drive, on Windows
        inside = ".."
    if inside == ".." or inside.startswith("../") or os.path.isabs(inside):
        return f"/mnt/{otherwise}/{posixpath.basename(path.replace(chr(92), '/'))}"
    return posixpath.normpath(posixpath.join(root, inside))


def _join(host: str, relative: str) -> str:
    return os.path.normpath(os.path.join(host, *relative.split("/")))
