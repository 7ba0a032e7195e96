"""A container of Apptainer (or Singularity), for machines whose users have no container engine.

It is the container of the backend docker as far as it goes: the same command, paths, variables and
mounts. It is a process of this machine, runs as the person, cannot change its image, and has this
machine's network and shared memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..apptainer import program, sif_build, sif_files
from ..apptainer.program import ProgramFacts
from ..docker import buildkit, container_context, engine, gpus, made_contexts
from ..model.apptainer import Apptainer
from ..model.container import NO_CONTEXT, ContainerContext, ContainerSpec, Mount
from ..model.experiment import Experiment
from ..model.gpu import Gpu, GpuSetting
from ..model.run import Availability, Request, Run
from ..model.workspace import Workspace
from ..util import files, network, process
from ..util.cache_folder import cache_folder
from ..util.errors import UserError
from . import container_files, dev_container, mount_points, process_gpus

name = "apptainer"


def available(workspace: Workspace) -> Availability:
    if (inside := dev_container.not_from_inside()) is not None:
        return replace(inside, is_rare=True)
    facts = program.ask()
    is_rare = facts.is_lacking
    return Availability(facts.program is not None, facts.why, facts.hint, is_rare=is_rare)


def supports(workspace: Workspace, experiment: Experiment) -> bool:
    return True


def plan(run: Run) -> Request:
    dev_container.require_outside(run.experiment.name)
    environment = run.environment
    image = environment.image
    facts = program.ask()
    missing = [environment.missing] if environment.missing else []
    missing += container_files.links_outside(run.links)
    if facts.program is None:
        missing.append(program.unavailable(facts))
    try:
        gpu = _gpu(run.experiment.settings.gpu)
    except UserError as error:
        missing.append(error)
        gpu = Gpu(False, "no GPU is available")
    path = sif_files.path_of(run.experiment, image) if image is not None else None
    planned = request(run, image=path, facts=facts, gpu=gpu, context=_context(run.workspace))
    planned = container_files.with_links(run, planned, NO_CONTEXT)
    is_there = path is None or path.is_file()
    if image is not None and not is_there:
        found = sif_build.obstacle(image, engine.ask(image.name))
        missing += [found] if found is not None else []
    planned = replace(planned, needs_build=not is_there, missing=tuple(missing))
    return planned.with_notes(*environment.notes)


def _gpu(setting: GpuSetting) -> Gpu:
    """What the setting gives a process here, with the option that hands over the driver's files.

    The variables by which a scheduler (Slurm) allots GPUs are this shell's: the container gets them.
    """
    host = gpus.host_of(setting)
    gpu = process_gpus.decide(setting, host, os.environ)
    if not gpu.use:
        return replace(gpu, options=())
    allotted = {name: os.environ[name] for name in _ALLOTTED if name in os.environ}
    options = ("--nv",) if host.nvidia is not None else ("--rocm",) * (host.amd is not None)
    return replace(gpu, options=options, env={**allotted, **gpu.env})


# Which GPUs a program may use, for the libraries of NVIDIA and AMD.
_ALLOTTED = (process_gpus.CUDA, "CUDA_DEVICE_ORDER", process_gpus.HIP, "ROCR_VISIBLE_DEVICES")


def request(
    run: Run,
    *,
    image: Path | None,
    facts: ProgramFacts,
    gpu: Gpu,
    context: ContainerContext,
) -> Request:
    """The request for a container of the image file, which need not exist yet.

    Without an `image` the request cannot start, but describes everything else.
    """
    found = container_files.of(run)
    container = ContainerSpec(
        image="" if image is None else str(image),
        # The job's command is all that is started: `exec` leaves the image's ENTRYPOINT out.
        entrypoint="",
        command=container_files.command(run, found.resolved, is_root=False),
        workdir=found.cwd,
        env={**context.env, **gpu.env, **found.resolved.env},
        client_env=tuple(context.secrets),
        mounts=(*found.mounts, *context.mounts),
        devices=gpu.options,
        starter=facts.program or Apptainer(name),
    )
    return Request(
        experiment=run.experiment.name,
        backend=name,
        command=found.resolved.command,
        container=container,
        can_start=image is not None,
        outputs=run.outputs,
        why=gpu.why,
        notes=(*run.notes, *context.notes, *_notes(run)),
        processes=found.resolved.processes,
        gpu=gpu,
        secrets=context.secrets,
    )


def describe(run: Run) -> Request:
    """The request as any machine would have it, for a comparison of backends."""
    image = run.environment.image
    return request(
        run,
        image=sif_files.path_of(run.experiment, image) if image is not None else None,
        facts=ProgramFacts(Apptainer(name), ""),
        gpu=Gpu(False, ""),
        context=NO_CONTEXT,
    )


def _notes(run: Run) -> list[str]:
    notes = [f"port {port} is this machine's: it is open to every user of it" for port in run.ports]
    if run.job.docker_args:
        notes.append("resources.docker_args applies to containers of an engine only: ignored")
    if run.options:
        notes.append("--docker-option applies to containers of an engine only: ignored")
    return notes


def _context(workspace: Workspace) -> ContainerContext:
    """The company's authority and this machine's proxies, by their names alone."""
    reach = buildkit.network_of(workspace)
    mounts: tuple[Mount, ...] = ()
    env: Mapping[str, str] = {}
    if reach.asked and (bundle := network.bundle(reach, cache_folder())):
        mounts = (Mount(str(bundle), container_context.CA, read_only=True),)
        env = network.trust(container_context.CA)
    notes = ("the proxy of this machine reaches the container",) if reach.proxies else ()
    return ContainerContext(env=env, mounts=mounts, secrets=dict(reach.proxies), notes=notes)


def prepare(run: Run, request: Request) -> None:
    """Makes the image file if it is missing."""
    image = run.environment.image
    facts = program.ask()
    if not request.needs_build or image is None or facts.program is None:
        return
    made_contexts.write(run.environment)
    sif_build.ensure(run.workspace, run.experiment, image, facts.program)


def submit(run: Run, request: Request) -> int:
    """Run the program in the container to its end, and return its exit code.

    Ctrl-C and the job's time limit end the program's processes, with which the container ends. Its
    /tmp is a folder of this machine that ends with it.
    """
    container = request.container
    assert container is not None and container.starter is not None
    with (
        mount_points.mount_points(run, request),
        files.temporary_folder("innerloop-run-") as scratch,
    ):
        starter = container.starter.with_workdir(str(scratch))
        return process.run_foreground(
            replace(container, starter=starter).argv,
            env=starter.variables(os.environ, container.client_env, request.secrets),
            limit=run.job.timeout,
        )
