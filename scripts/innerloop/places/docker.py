"""A clean container with only this experiment's code, its common code and its data."""

from __future__ import annotations

import os
import posixpath
import sys
from pathlib import Path

from .. import files, process
from ..engine import Engine, Gpu
from ..errors import Mistake
from ..spec.paths import code_root
from ..tools import docker
from ..tools.docker import Mount
from . import NOTHING, Request, Run, Surroundings
from .binding import bind


def image_name(run: Run, stage: str = "job") -> str:
    """Carries the workspace and the experiment, so two clones never share an image by accident."""
    return f"{run.workspace.image_name}/{run.experiment.slug.lower()}:{stage}"


def request(
    run: Run,
    *,
    image: str,
    engine: Engine,
    gpu: Gpu,
    owner: str | None,
    why: str,
    around: Surroundings = NOTHING,
) -> Request:
    """`owner` is "uid:gid" of the person on Linux, None where the engine maps owners itself;
    `around` is what this machine adds."""
    root = posixpath.join("/workspaces", run.workspace.name)
    code = code_root(run.job.name, run.job.code)
    cwd = root if code is None else posixpath.normpath(posixpath.join(root, code))
    targets = {name: _target(run, name, path, root) for name, path in run.data.items()}
    bound = bind(run, lambda name, _: targets[name], lambda name: f"{cwd}/outputs/{name}")
    home = {} if owner in (None, "0:0") else {"HOME": "/tmp"}
    env = {**around.env, **bound.env, **home}
    options = [*_user(engine, owner), "--shm-size", run.job.shm_size, *gpu.options]
    wanted = (*_mounts(run, code, cwd, root, targets), *around.mounts)
    mounts = tuple(around.hosted(mount) for mount in wanted)
    argv = docker.run(
        image,
        ["bash", "-c", bound.command],
        name=container_name(run),
        workdir=cwd,
        labels={
            docker.WORKSPACE: run.workspace.identity,
            docker.EXPERIMENT: run.experiment.name,
            docker.RUN: run.id,
        },
        env=env,
        mounts=mounts,
        options=[*options, *around.options, *run.options],
        interactive=run.attended and sys.stdin.isatty(),
        terminal=run.attended and sys.stdin.isatty() and sys.stdout.isatty(),
    )
    return Request(
        experiment=run.experiment.name,
        place="docker",
        command=bound.command,
        argv=tuple(argv),
        cwd=cwd,
        env=env,
        outputs=run.outputs,
        why=f"{why}; {gpu.why}",
        image=image,
        mounts=mounts,
        notes=around.notes,
        secrets=around.secrets,
    )


def submit(run: Run, wanted: Request) -> int:
    """Starts the container and returns the program's exit code. Ctrl-C stops the container (the
    program is asked first, and given some seconds) before the interruption goes on."""
    root = Path(run.workspace.root)
    for mount in wanted.mounts:
        if mount.target == posixpath.join(wanted.cwd, "outputs"):
            # The mount point must be there, and belong to the person, before Docker makes it.
            files.make_folder(root / run.outputs)
            files.make_folder(root / _host_code(run) / "outputs")
    name = container_name(run)
    terminal = "--tty" in wanted.argv

    def on_interrupt(press: int) -> None:
        if press == 1 and not terminal:
            process.run(docker.kill(name, "INT"), timeout=10)
        elif press != 1:
            process.run(docker.stop(name, 2), timeout=30)

    try:
        return process.attend(
            wanted.argv, env={**os.environ, **wanted.secrets}, on_interrupt=on_interrupt
        )
    except KeyboardInterrupt:
        process.run(docker.remove(name), timeout=30)
        raise


def container_name(run: Run) -> str:
    return f"innerloop-{run.experiment.slug.lower()}-{run.id}"


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


def _host_code(run: Run) -> str:
    return code_root(run.job.name, run.job.code) or run.experiment.folder


def _mounts(
    run: Run, code: str | None, cwd: str, root: str, targets: dict[str, str]
) -> list[Mount]:
    """Outer folders before what is mounted into them."""
    host = run.workspace.root
    mounts = []
    if code is not None:
        mounts.append(Mount(_join(host, code), cwd))
        for link in run.experiment.links:
            if posixpath.isabs(link.target) or ":" in link.target:
                raise Mistake(
                    f"the link leads out of the workspace, to {link.target}",
                    where=link.path,
                    mend="Share code from src/common by a relative link (`scripts/loop dependency`)",
                )
            target = posixpath.normpath(posixpath.join(root, link.target))
            if not any(mount.target == target for mount in mounts):
                mounts.append(Mount(_join(host, link.target), target))
        if not run.in_place:
            mounts.append(Mount(_join(host, run.outputs), posixpath.join(cwd, "outputs")))
    for name, path in run.data.items():
        if not any(mount.target == targets[name] for mount in mounts):
            mounts.append(Mount(path, targets[name], read_only=name not in run.writable))
    return mounts


def _target(run: Run, name: str, path: str, root: str) -> str:
    """Data inside the workspace keep their place in it; others appear under /mnt/inputs."""
    inside = os.path.relpath(path, run.workspace.root).replace("\\", "/")
    if inside.startswith("../") or os.path.isabs(inside):
        return f"/mnt/inputs/{name}/{posixpath.basename(path.replace(chr(92), '/'))}"
    return posixpath.join(root, inside)


def _join(host: str, relative: str) -> str:
    return os.path.normpath(os.path.join(host, *relative.split("/")))
