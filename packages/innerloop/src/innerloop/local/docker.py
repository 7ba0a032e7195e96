"""A clean container with only this experiment's code, the shared code it links to, and its data."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from ..docker import (
    attached_container,
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
    made_contexts,
)
from ..docker.engine import Engine
from ..docker.engine_facts import EngineFacts
from ..history import recorder
from ..model.container import (
    NO_CONTEXT,
    ContainerContext,
    ContainerSpec,
    PublishedPort,
    last_option,
)
from ..model.experiment import Experiment
from ..model.gpu import Gpu
from ..model.run import Availability, Request, Run
from ..model.workspace import Workspace
from ..util import console, process
from ..util.errors import UserError
from . import container_files, dev_container

name = "docker"


def available(workspace: Workspace) -> Availability:
    if (inside := dev_container.not_from_inside()) is not None:
        return inside
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
    missing += container_files.links_outside(run.links)
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
    planned = container_files.with_links(run, planned)
    is_current = image is None or image_build.is_current(image, facts)
    planned = replace(planned, needs_build=not is_current, missing=tuple(missing))
    notes = environment.notes
    if image is not None and environment.conda is not None and is_current:
        notes += conda_images.python_note(image, facts.image_id, environment.conda)
    return planned.with_notes(*notes)


def prepare(run: Run, request: Request) -> None:
    """Builds the image if it is missing or outdated, and tries once whether a GPU gets into it."""
    image = run.environment.image
    if image is None:
        return
    if request.needs_build:
        made_contexts.write(run.environment)
        image_build.build(run.workspace, run.experiment, image)
    if request.gpu.needs_trial:
        facts = engine_location.ask(image.name, run.workspace.root)
        gpus.settle(run.experiment.settings.gpu, facts, image.name, console.say)


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
    found = container_files.of(run)
    cwd, resolved = found.cwd, found.resolved
    mounts = (*found.mounts, *context.mounts)
    options = _options(run, context, engine.facts)
    has_stdin = run.reads_stdin or sys.stdin.isatty()
    container = ContainerSpec(
        image=image or "",
        # The job's command is all that is started, as on Azure ML: an image's ENTRYPOINT would get
        # it as arguments.
        entrypoint="",
        command=container_files.command(run, resolved, is_root=owner == "0:0"),
        name=container_files.container_name(run),
        user=_user(engine, owner, options),
        groups=_groups(engine, owner),
        workdir=cwd,
        env={**context.env, **resolved.env},
        mounts=tuple(context.on_host(mount) for mount in mounts),
        ports=tuple(PublishedPort(host, port, gated=True) for port, host in run.ports.items()),
        labels=container_files.labels(run),
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


def submit(run: Run, request: Request) -> int:
    """Start the container and return the program's exit code.

    Ctrl-C and the job's time limit stop the container: the program gets a signal and some seconds
    to end by itself. Then KeyboardInterrupt is raised.

    The container of a recorded run stays until its end is read, so that neither the end of the
    engine's client nor that of this process hides how the program ended.
    """
    name = container_files.container_name(run)
    terminal = request.container is not None and request.container.terminal
    with container_files.mount_points(run, request):
        try:
            code = _foreground(run, request, name, terminal)
            if request.container is None or request.container.remove:
                return code if code == 0 else _end_of_unrecorded(name, code, terminal)
            return _end_of(name, code, _names_itself(request.container), terminal and run.in_place)
        except recorder.RunLost:
            raise
        except BaseException:
            with suppress(UserError):
                containers.remove(name)
            raise


def _foreground(run: Run, request: Request, name: str, terminal: bool) -> int:
    """The exit code of the container, over the engine's socket or by `docker run`."""
    with container_ports.opened(request) as opened:
        environ = {**os.environ, **opened.secrets}
        container = opened.container
        # The keys of a shell are the client's to carry: it lives long, and its start is no matter.
        if container is not None and not (terminal and run.in_place):
            code = attached_container.run(
                container,
                environ,
                limit=run.job.timeout,
                stop=lambda seconds: containers.stop(name, seconds),
            )
            if code is not None:
                return code
        return _client(run, opened.argv, environ, name, terminal)


def _client(
    run: Run, argv: Sequence[str], environ: Mapping[str, str], name: str, terminal: bool
) -> int:
    """The exit code of `docker run`."""

    def on_interrupt(press: int) -> None:
        if press == 1 and not terminal:
            process.run(docker_cli.kill(name, "INT"), timeout=10)
        elif press != 1:
            containers.stop(name, 2)

    return process.run_foreground(
        argv,
        env=environ,
        on_interrupt=on_interrupt,
        limit=run.job.timeout,
        on_limit=lambda: containers.stop(name, 10),
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
    if last_option(options, "--userns").startswith("keep-id"):
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
    words = (*context.options, *container_files.docker_args(run), *run.options)
    if facts.keeps_exit_codes:
        return words
    return tuple(word for word in words if word not in ("--rm", "--rm=true"))


def _port_notes(ports: Mapping[int, int]) -> list[str]:
    return [
        f"port {port} of the container answers at http://127.0.0.1:{host}, to your own processes"
        for port, host in ports.items()
    ]
