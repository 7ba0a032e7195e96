"""A run as a job of another machine: its request, and the scripts that start and stop it there. Pure.

The paths are those of the agent's folder: the job's code is a copy of the tree that was sent, its
./outputs a folder beside it, and data are trees or the machine's own.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Mapping
from dataclasses import field, replace

from ...docker import gpu_handover
from ...local import container_files, mount_points, process_gpus
from ...local.resolve_command import ResolvedCommand, resolve
from ...model import apptainer
from ...model.apptainer import PROGRAMS, Apptainer
from ...model.container import ContainerSpec, Mount
from ...model.gpu import Gpu, GpuSetting
from ...model.run import ProcessSpec, Request, Run
from ...model.settings.remotes import APPTAINER, DOCKER, NO_ENGINE, RemoteSetting
from ...runner.debug import CONTAINER_PROGRAMS
from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass
from . import load_samples
from .facts import HostFacts


@dataclass(frozen=True, slots=True)
class RemoteData:
    """Where the data of an input are there: an absolute path.

    `is_theirs`: they were not sent. `copied` is the tree, or a file in one, of which the job gets a
    copy of its own, since it may write to it; "" for none.
    """

    path: str
    is_theirs: bool = False
    copied: str = ""


@dataclass(frozen=True, slots=True)
class RemoteSite:
    """A machine as a run sees it.

    `facts` is None until it was asked: the request then shows what is known, and builds nothing.
    `data` is by the input's name, `environment` the folder of a Python environment there, `image` the
    name of the image, or the path of its file, for Apptainer. "" where there is none yet.
    """

    setting: RemoteSetting
    facts: HostFacts | None = None
    data: Mapping[str, RemoteData] = field(default_factory=dict)
    environment: str = ""
    image: str = ""

    @property
    def root(self) -> str:
        return self.facts.root if self.facts is not None else self.setting.folder

    @property
    def known(self) -> HostFacts:
        """The facts, or what the settings let expect."""
        return self.facts or HostFacts(engine=self.setting.engine or DOCKER)

    def gpus_of(self, run: Run) -> GpuSetting:
        """The command line's, else the machine's, else the experiment's."""
        own = run.experiment.settings.gpu
        return own if own.is_option else self.setting.gpus or own

    def tree(self, digest: str) -> str:
        return f"{self.root}/trees/{digest}"


def job_of(run: Run) -> str:
    """The job's name for the agent: whose it is, and the run."""
    return f"{run.workspace.image_name}/{run.id}"


def request(run: Run, site: RemoteSite, why: str) -> Request:
    """The request; its `why` says what starts the job, and which GPUs it gets."""
    missing: list[UserError] = []
    if site.facts is None:
        gpu = Gpu(False, f"the GPUs of {site.setting.name} are asked at the start")
    else:
        try:
            gpu = _gpu(site.gpus_of(run), site.facts)
            gpu = replace(gpu, why=gpu.why.replace("this machine", site.setting.name))
        except UserError as error:
            missing.append(error)
            gpu = Gpu(False, "no GPU is available")
    make = _process if site.known.engine == NO_ENGINE else _container
    made = make(run, site, gpu)
    return replace(
        made,
        backend="ssh",
        compute=site.setting.name,
        outputs=run.outputs,
        why="; ".join(filter(None, [why, gpu.why])),
        missing=(*made.missing, *missing),
        notes=(*run.notes, *made.notes, *_notes(run, site)),
        gpu=replace(gpu, needs_trial=False),
    )


def _gpu(setting: GpuSetting, facts: HostFacts) -> Gpu:
    if facts.engine in (NO_ENGINE, APPTAINER):
        gpu = process_gpus.decide(setting, facts.host_gpus, {})
        options = ("--nv",) if gpu.use and facts.engine == APPTAINER else ()
        return replace(gpu, options=options)
    return gpu_handover.decide(setting, facts.host_gpus, facts.gpu_engine, lambda handover: None)


def _notes(run: Run, site: RemoteSite) -> list[str]:
    notes = [f"port {port} stays on {site.setting.name}" for port in run.ports]
    written = sorted(run.writable & set(run.data))
    there = site.setting.name
    return [*notes, *(f"what it writes to the input {name} stays on {there}" for name in written)]


def _container(run: Run, site: RemoteSite, gpu: Gpu) -> Request:
    facts = site.known
    root = posixpath.join("/workspaces", run.workspace.name)
    cwd = container_files.cwd_of(run, root)
    targets = {name: _target(run, name, root, site) for name in run.data}
    resolved = resolve(run, lambda name, _: targets[name], lambda name: f"{cwd}/outputs/{name}")
    job = f"{site.root}/jobs/{job_of(run)}"
    mounts = [Mount(f"{job}/code", cwd), Mount(f"{job}/outputs", f"{cwd}/outputs")]
    for name, target in targets.items():
        if not any(mount.target == target for mount in mounts):
            read_only = name not in run.writable
            mounts.append(Mount(site.data[name].path, target, read_only=read_only))
    engine = facts.engine_facts
    user = facts.owner if site.facts is not None else ""
    is_apptainer = facts.engine == APPTAINER
    options = () if is_apptainer else (*container_files.docker_args(run), *run.options)
    container = ContainerSpec(
        image=site.image or (run.environment.image.name if run.environment.image else ""),
        entrypoint="",
        command=container_files.command(run, resolved, is_root=user == "0:0"),
        name=mount_points.container_name(run),
        user=user,
        groups=facts.groups if user == f"{facts.uid}:{facts.gid}" and facts.uid else (),
        workdir=cwd,
        env={**gpu.env, **resolved.env},
        mounts=tuple(mounts),
        labels=container_files.labels(run),
        remove=engine.keeps_exit_codes,
        shm_size=run.job.shm_size,
        devices=gpu.options,
        options=options,
        program=facts.engine,
        init=engine.kind == DOCKER,
        starter=_apptainer(facts).with_workdir(f"{job}/scratch") if is_apptainer else None,
    )
    return Request(
        experiment=run.experiment.name,
        backend="",
        command=resolved.command,
        outputs="",
        why="",
        container=container,
        can_start=bool(container.image),
        processes=resolved.processes,
    )


def _apptainer(facts: HostFacts) -> Apptainer:
    program = next((name for name in PROGRAMS if name in facts.programs), PROGRAMS[0])
    return apptainer.of_version(program, facts.engine_version)


def _target(run: Run, name: str, root: str, site: RemoteSite) -> str:
    data = site.data[name]
    if data.is_theirs:
        return f"/mnt/inputs/{name}/{posixpath.basename(data.path)}".rstrip("/")
    return mount_points.path_in_container(run, run.data[name], root, f"inputs/{name}")


def _process(run: Run, site: RemoteSite, gpu: Gpu) -> Request:
    job = f"{site.root}/jobs/{job_of(run)}"
    resolved = resolve(
        run, lambda name, _: site.data[name].path, lambda name: f"{job}/outputs/{name}"
    )
    env = {**resolved.env, **gpu.env}
    if site.environment:
        env["VIRTUAL_ENV"] = site.environment
    ignored = ["resources.docker_args applies to containers only: ignored"]
    return Request(
        experiment=run.experiment.name,
        backend="",
        command=resolved.command,
        outputs="",
        why="",
        process=ProcessSpec(_words(run, resolved), f"{job}/code", env),
        can_start=bool(site.environment) or site.facts is None,
        notes=tuple(ignored * bool(run.job.docker_args)),
        processes=resolved.processes,
    )


def _words(run: Run, resolved: ResolvedCommand) -> tuple[str, ...]:
    """The command by bash, or by sh where there is none."""
    if not resolved.is_single or run.shell != "bash":
        return resolved.argv
    return ("sh", "-c", container_files.OR_SH, resolved.command)


# A job of a shell that starts it in the background would ignore Ctrl-C, and so would its programs.
_HEARS_CTRL_C = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


def scripts(run: Run, planned: Request, site: RemoteSite) -> dict[str, str]:
    """The job's files for the agent: run.sh, stop.sh, what else it reads, by name."""
    folders = [name for name, output in run.job.outputs.items() if not output.is_file]
    found = {
        "run.sh": _run_script(run, planned),
        "folders": "".join(f"{name}\n" for name in folders),
        "copies": "".join(
            f"{data.copied}\t{name}/{posixpath.basename(data.path)}\n"
            for name, data in site.data.items()
            if data.copied
        ),
    }
    found[load_samples.NAME] = load_samples.start_of(planned.gpu)
    found[load_samples.WORDS] = _load_words(planned)
    if planned.secrets:
        found["secrets.sh"] = "".join(_exports(planned.secrets))
    if run.job.timeout:
        found["limit"] = f"{max(int(run.job.timeout), 1)}\n"
    container = planned.container
    if container is not None:
        found["in-container"] = ""
        if container.starter is None:
            found["stop.sh"] = _stop_script(container)
    return found


def _load_words(planned: Request) -> str:
    """Whose load the agent reads."""
    container = planned.container
    if container is None or container.starter is not None:
        return load_samples.words(load_samples.OF_PROCESSES, planned.gpu)
    return load_samples.words(container.program, planned.gpu, container.name)


# What a shell can export; a program may get any other name.
_NAME = late_pattern(r"[A-Za-z_][A-Za-z0-9_]*")


def _exports(values: Mapping[str, str]) -> list[str]:
    return [f"export {name}={shlex.quote(value)}\n" for name, value in values.items()]


def _run_script(run: Run, planned: Request) -> str:
    lines = ["#!/bin/sh\n", f"# {run.experiment.name}, run {run.id}\n"]
    if planned.secrets:
        # The supervisor removes it at the end: what joins the job reads it, too.
        lines.append('. "${0%/*}/secrets.sh"\n')
    container = planned.container
    if container is None:
        env = dict(planned.env)
        python = env.get("VIRTUAL_ENV", "")
        lines += _exports({name: value for name, value in env.items() if _NAME.fullmatch(name)})
        if python:
            lines.append(f'export PATH={shlex.quote(python)}/bin:"$PATH"\n')
        lines.append(f"cd {shlex.quote(planned.cwd)} || exit 1\n")
        starter: tuple[str, ...] = (f"{python}/bin/python", "-c", _HEARS_CTRL_C) if python else ()
        if odd := [f"{name}={value}" for name, value in env.items() if not _NAME.fullmatch(name)]:
            starter = ("env", *odd, *starter)
        lines.append(f"exec {shlex.join((*starter, *planned.argv))}\n")
        return "".join(lines)
    if isinstance(container.starter, Apptainer):
        scratch = container.starter.workdir
        lines.append(f"mkdir -p {shlex.quote(scratch)}\n{shlex.join(planned.argv)}\n")
        lines.append(f"code=$?\nrm -rf {shlex.quote(scratch)}\nexit $code\n")
        return "".join(lines)
    lines.append(f"{shlex.join(planned.argv)}\n")
    removed = f"{container.program} rm -f {container.name} >/dev/null 2>&1\n"
    lines.append(f"code=$?\n{'' if container.remove else removed}exit $code\n")
    return "".join(lines)


def _stop_script(container: ContainerSpec) -> str:
    """Its argument is a signal. A container that is to go at once is removed."""
    name = shlex.quote(container.name)
    return (
        f'#!/bin/sh\nif [ "$1" = KILL ]; then {container.program} rm -f {name}; '
        f'else {container.program} kill --signal "$1" {name}; fi\n'
    )


def relay_words(run: Run, planned: Request, programs: str, root: str, inner: int) -> list[str]:
    """The words, there, that start the debugger's relay beside a job. `root` is the agent's folder."""
    container = planned.container
    if container is not None and container.starter is None:
        inside = ["sh", f"{CONTAINER_PROGRAMS}/relay.sh", str(inner), "adapter"]
        return [container.program, "exec", "--interactive", container.name, *inside]
    secrets = f"{root}/jobs/{job_of(run)}/secrets.sh"
    python = (
        f"{planned.env['VIRTUAL_ENV']}/bin/python" if "VIRTUAL_ENV" in planned.env else "python3"
    )
    words = [python, "-I", f"{programs}/relay.py", str(inner), "adapter"]
    return ["sh", "-c", '. "$0"; exec "$@"', secrets, *words]
