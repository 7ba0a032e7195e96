"""A clean container with only this experiment's code, the shared code it links to, and its data."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..docker import (
    client,
    conda_images,
    container_context,
    container_user,
    engine_location,
    gpus,
    image_build,
    made_contexts,
    own_mounts,
)
from ..docker.engine import Engine
from ..docker.engine_facts import EngineFacts
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
from ..util import console
from ..util.errors import UserError
from . import container_files, dev_container
from .container_run import submit as submit
from .mount_points import container_name

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
        context = ContainerContext(binds=own_mounts.own_binds())
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
        name=container_name(run),
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
