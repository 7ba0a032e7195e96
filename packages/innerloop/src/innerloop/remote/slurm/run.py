"""`loop run` on a Slurm cluster: the job is given to it as a batch script, and followed to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ...apptainer import program, sif_build
from ...model.apptainer import Apptainer
from ...model.container import ContainerSpec, image_name_part
from ...model.cuda import cuda_of_image
from ...model.environment import Image
from ...model.experiment import Experiment
from ...model.gpu import AUTO, NO_GPU, NONE, Gpu
from ...model.lint import slurm_rules
from ...model.run import Availability, Request, Run
from ...model.settings.remotes import APPTAINER, NO_ENGINE, RemoteEngine, RemoteSetting
from ...model.settings.slurm_settings import (
    NO_SLURM_SETTING,
    OF_APPTAINER,
    OF_LOCK,
    OF_PYXIS,
    SlurmSetting,
)
from ...model.workspace import Workspace
from ...runner.debug import DebugSite
from ...runner.local_differences import notes_on_processes
from ...util import console, process
from ...util.errors import UserError
from ...util.process import CompletedCommand
from ...util.quick_dataclasses import dataclass
from ...workspace import needed_cuda
from ..base import MachineGroups
from ..host import environments, job_request, load_samples, transfer
from ..host.facts import HostFacts
from ..host.follow import lost_text, retried
from ..host.host import RemoteHost, RemoteJobState
from ..host.job_request import RemoteData, RemoteSite
from ..host.run import HostRun, PreparedRun
from . import batch_script
from .batch_script import BatchJob, BatchTask, Submitted

# Seconds between two looks at a job that waits.
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class SlurmGpus:
    """How many GPUs a job asks for on each node, and which fact decided."""

    count: int
    why: str


class SlurmRun(HostRun):
    """`remote` is "" on the cluster's login node.

    `earlier` has, for a pipeline's step, the inputs that are outputs of earlier steps, by the run's ID and
    the input's name: their paths there. `placed` are the runs that Slurm has already, by their IDs.
    """

    def __init__(self, root: Path, remote: str, host: RemoteHost | None = None) -> None:
        super().__init__(root, remote, host, "slurm")
        self.earlier: dict[str, Mapping[str, str]] = {}
        self.placed: set[str] = set()

    def __reduce__(self) -> tuple[type[HostRun], tuple[object, ...]]:
        return SlurmRun, (self.root, self.remote)

    def gpus_of_parts(self, run: Run, request: Request) -> None:
        """Slurm shares them out."""

    def slurm(self, run: Run) -> SlurmSetting:
        return self.setting(run).slurm or NO_SLURM_SETTING

    def available(self, workspace: Workspace) -> Availability:
        if self.remote or process.which("sbatch"):
            return Availability(True, f"jobs go to Slurm on {self.title}")
        hint = "Use slurm:NAME, with a login node that ssh reaches"
        return Availability(False, "there is no program `sbatch` on PATH", hint, is_rare=True)

    # What is other than on a machine without Slurm.

    def _request(self, run: Run, site: RemoteSite) -> Request:
        missing: list[UserError] = []
        try:
            gpus = self.gpus(run, site.setting)
        except UserError as error:
            gpus = SlurmGpus(0, "no GPU is asked for")
            missing.append(error)
        found = slurm_rules.of_job(run.experiment, run.job, site.setting)
        missing += [finding.error() for finding in found]
        slurm = site.setting.slurm or NO_SLURM_SETTING
        # Pyxis starts what Apptainer would, by options of srun.
        engine = NO_ENGINE if slurm.environment == OF_LOCK else APPTAINER
        # Slurm hands GPUs over, whatever the login node has, and starts the processes.
        facts = None if site.facts is None else replace(site.facts, engine=engine, gpus=())
        settings = replace(run.experiment.settings, gpu=AUTO if gpus.count else NONE)
        of_one_machine = notes_on_processes(run.job, run.processes)
        plain = replace(
            run,
            notes=tuple(note for note in run.notes if note not in of_one_machine),
            experiment=replace(run.experiment, settings=settings),
            job=replace(run.job, distribution=None),
        )
        known = replace(site, setting=replace(site.setting, gpus=None, engine=engine), facts=facts)
        planned = job_request.request(plain, known, "")
        if gpus.count and slurm.environment == OF_APPTAINER and planned.container is not None:
            planned = replace(planned, container=replace(planned.container, devices=("--nv",)))
        planned = replace(
            planned,
            backend=self.name,
            compute=self.title,
            gpu=Gpu(gpus.count > 0, gpus.why) if gpus.count else replace(NO_GPU, why=gpus.why),
            missing=(*planned.missing, *missing),
        )
        job = self.batch(run, planned, site)
        why = f"{self._place(site)}; {batch_script.describe(job)} ({gpus.why})"
        return replace(
            planned, why=why, script=batch_script.text(job), grants=self._grants(site.setting)
        )

    def _place(self, site: RemoteSite) -> str:
        return f"by ssh on {site.setting.host}" if site.setting.host else "on this login node"

    def _grants(self, setting: RemoteSetting) -> tuple[str, ...]:
        """What the settings run there besides the job."""
        lines = (setting.slurm or NO_SLURM_SETTING).setup
        where = setting.where("slurm.setup")
        return tuple(f"{where}: its batch script runs `{line}`" for line in lines)

    def _engine(self, setting: RemoteSetting) -> RemoteEngine | None:
        kind = (setting.slurm or NO_SLURM_SETTING).environment
        return APPTAINER if kind == OF_APPTAINER else NO_ENGINE

    def _usable(self, facts: HostFacts, setting: RemoteSetting) -> HostFacts:
        if "sbatch" not in facts.programs:
            raise UserError(
                f"there is no program `sbatch` on {self.title}",
                code="slurm-missing",
                where=setting.where("") or self.title,
                hint="Name the cluster's login node: --backend slurm:NAME, or [remote.NAME] host",
            )
        if self._engine(setting) == APPTAINER and facts.engine != APPTAINER:
            raise UserError(
                f"Apptainer is not on PATH of {self.title}",
                code="remote-without-engine",
                where=setting.where("slurm.environment"),
                hint='Load it in the login shell there, or set environment = "pyxis" or "venv"',
            )
        return facts

    def _environment(
        self, host: RemoteHost, facts: HostFacts, run: Run, digest: str | None
    ) -> tuple[str, str]:
        if self.slurm(run).environment == OF_PYXIS:
            return "", environments.registry_image(host, run)
        image = run.environment.image
        if facts.engine == APPTAINER and host.connection.is_local and image is not None:
            return "", self._image_here(run, image)
        return super()._environment(host, facts, run, digest)

    def _image_here(self, run: Run, image: Image) -> str:
        """The image's file in the person's cache, as the backend apptainer makes it, once."""
        found = program.ask().program
        if found is None:
            raise program.unavailable(program.ask())
        return str(sif_build.ensure(run.workspace, run.experiment, image, found))

    def _data_there(self, run: Run, setting: RemoteSetting) -> dict[str, RemoteData]:
        earlier = self.earlier.get(run.id, {})
        found = super()._data_there(run, setting)
        return {
            **found,
            **{name: RemoteData(path, is_theirs=True) for name, path in earlier.items()},
        }

    def _launch(
        self, host: RemoteHost, run: Run, request: Request, prepared: PreparedRun
    ) -> CompletedCommand:
        if run.id in self.placed:
            return CompletedCommand(0, "", "")
        done = self.place(host, run, request, prepared, {"submit.sh": _submit_alone(run)})
        if not done.ok:
            return done
        done = host.answer("submit", job_request.job_of(run))
        if not done.ok:
            host.answer("remove", "job", job_request.job_of(run))
        return done

    def place(
        self,
        host: RemoteHost,
        run: Run,
        request: Request,
        prepared: PreparedRun,
        more: Mapping[str, str],
    ) -> CompletedCommand:
        """Make the job's folder there, for a submission that follows."""
        tree = prepared.code.digest if prepared.code is not None else "-"
        texts = job_request.scripts(run, request, prepared.site)
        del texts["run.sh"]
        texts.pop("stop.sh", None)
        limit = run.job.timeout or self.slurm(run).time
        if limit:
            texts["limit"] = f"{max(int(limit), 1)}\n"
        texts["job.sh"] = request.script
        texts[load_samples.WORDS] = load_samples.words(self._load_of(run), request.gpu)
        archive = transfer.archive_of_texts({**texts, **more})
        return host.tell("place", job_request.job_of(run), tree, data=[archive])

    def _load_of(self, run: Run) -> str:
        """What the load is of where Slurm keeps a job in no cgroup.

        In Pyxis' container a task cannot write down its process.
        """
        is_hidden = self.slurm(run).environment == OF_PYXIS
        return load_samples.OF_MACHINE if is_hidden else load_samples.OF_PROCESSES

    def _refused(self, host: RemoteHost, run: Run, said: str) -> UserError:
        return _explained(self, run, said) or super()._refused(host, run, said)

    def _lost(self, name: str, state: RemoteJobState) -> UserError:
        return UserError(
            f"{name} did not end by itself: {lost_text(state)}",
            code="slurm-job-lost",
            where=self.title,
            hint="Run it again; what it has written is there: `scripts/loop download` brings it",
        )

    def _await_start(self, host: RemoteHost, job: str, name: str) -> None:
        said = ""
        while (state := retried(host, lambda: host.state(job))).state == "queued":
            if state.reason and state.reason != said:
                said = state.reason
                console.say(f"{name} waits in the queue: {said}")
            time.sleep(_PAUSE)

    def refusal(self, host: RemoteHost, run: Run, said: str) -> UserError:
        """The error for what was not submitted."""
        return self._refused(host, run, said)

    # What there is not.

    def debug_site(
        self, run: Run, request: Request, programs: Path, library: Path, *, dry: bool
    ) -> DebugSite:
        raise UserError(
            "a node of a cluster cannot be reached by the debugger",
            code="option-not-applicable",
            where=self.backend,
            hint="Debug on this machine, or on one that ssh reaches: --backend ssh:NAME",
        )

    def checkout(self, workspace: Workspace, experiment: Experiment) -> tuple[str, str]:
        if self.remote:
            return super().checkout(workspace, experiment)
        raise UserError(
            "the code is on this machine",
            code="option-not-applicable",
            where=experiment.folder,
            hint="Omit --backend; slurm:NAME opens a copy on a login node",
        )

    # Groups.

    @property
    def groups(self) -> MachineGroups:
        from .groups import SlurmGroups

        return SlurmGroups(self)

    def site_of(self, run: Run) -> RemoteSite:
        """The machine as a run sees it that was prepared, or only planned."""
        prepared = self._prepared.get(run.id)
        if prepared is not None:
            return prepared.site
        setting = self.setting(run)
        return RemoteSite(setting, data=self._data_there(run, setting))

    def prepared(self, host: RemoteHost, run: Run) -> PreparedRun:
        return self._with_later_data(host, run)

    def folder_there(self, run: Run, *, dry: bool) -> str:
        """The path of a job's folder there; the machine is asked once, unless `dry`."""
        setting = self.setting(run)
        if dry:
            return f"{setting.folder}/jobs/{job_request.job_of(run)}"
        if self._facts is None:
            self._facts = self.host(setting).facts(self._engine(setting))
        return f"{self._facts.root}/jobs/{job_request.job_of(run)}"

    # The batch script.

    def batch(self, run: Run, planned: Request, site: RemoteSite) -> BatchJob:
        """The run as a batch job of its own."""
        job = run.job
        distribution = job.distribution
        folder = f"{site.root}/jobs/{job_request.job_of(run)}"
        kind = distribution.type if distribution is not None else ""
        processes = run.processes or job.processes
        return BatchJob(
            title=f"{run.experiment.name}, run {run.id}",
            name=f"innerloop-{image_name_part(run.experiment.slug)}",
            folder=folder,
            tasks=[self.task(run, planned, site)],
            setting=site.setting.slurm or NO_SLURM_SETTING,
            nodes=max(job.instance_count, 1),
            processes=max(processes, 1),
            distribution=kind if kind in batch_script.OF_TASKS else "",
            gpus=self._gpu_count(run, site.setting),
            limit=int(job.timeout) if job.timeout else None,
        )

    def task(self, run: Run, planned: Request, site: RemoteSite) -> BatchTask:
        """What the batch script starts for the run."""
        folder = f"{site.root}/jobs/{job_request.job_of(run)}"
        has_secrets = bool(planned.secrets)
        container = planned.container
        if container is not None and self.slurm(run).environment == OF_PYXIS:
            return BatchTask(
                run.id, folder, container.command, "", container.env, srun=_of_pyxis(container),
                has_secrets=has_secrets,
            )  # fmt: skip
        if container is None:
            env = dict(planned.env)
            python = env.get("VIRTUAL_ENV", "")
            # The script is bash's, so it is there.
            argv = ("bash", "-c", planned.command) if run.shell == "bash" else planned.process.argv
            return BatchTask(
                run.id, folder, argv, planned.cwd, env, "",
                f"{python}/bin" if python else "", has_secrets=has_secrets,
            )  # fmt: skip
        starter = container.starter
        assert isinstance(starter, Apptainer)
        return BatchTask(
            run.id, folder, container.argv, "", {}, starter.prefix, has_secrets=has_secrets,
            scratch=starter.workdir,
        )  # fmt: skip

    # GPUs.

    def _gpu_count(self, run: Run, setting: RemoteSetting) -> int:
        try:
            return self.gpus(run, setting).count
        except UserError:
            return 0

    def gpus(self, run: Run, setting: RemoteSetting) -> SlurmGpus:
        """How many GPUs each node gives. UserError if that cannot be said."""
        asked = RemoteSite(setting).gpus_of(run)
        on_node = (setting.slurm or NO_SLURM_SETTING).gpus_per_node
        if asked.kind == "none":
            return SlurmGpus(0, asked.shown)
        if asked.kind in ("count", "devices"):
            count = asked.count or len(asked.devices)
            chosen = "; Slurm chooses which" if asked.kind == "devices" else ""
            return SlurmGpus(count, f"{asked.shown}{chosen}")
        if asked.kind == "all":
            if on_node is None:
                raise UserError(
                    "how many GPUs a node has is not known",
                    code="slurm-gpus",
                    where=asked.where or setting.where("slurm") or self.title,
                    hint="Set gpus_per_node in [remote.NAME.slurm], or ask for a number of GPUs",
                )
            return SlurmGpus(on_node, asked.shown)
        if not _needs_cuda(self.root, run):
            return SlurmGpus(0, "the environment has no CUDA")
        each = run.processes or run.job.processes
        count = min(max(each, 1), on_node or max(each, 1))
        return SlurmGpus(count, "the environment has CUDA: one for each process")


def _of_pyxis(container: ContainerSpec) -> tuple[str, ...]:
    """The options of srun that start the task in a container. Source: Pyxis, README, "Usage".

    UserError for a path that has a sign of the list of mounts itself.
    """
    first, slash, rest = container.image.partition("/")
    is_registry = slash and ("." in first or ":" in first or first == "localhost")
    image = f"{first}#{rest}" if is_registry else container.image
    mounts = [mount for outer in container.mounts for mount in outer.each()]
    for path in (path for mount in mounts for path in (mount.source, mount.target)):
        if ":" in path or "," in path:
            raise UserError(
                f"Pyxis cannot mount a path with a colon or a comma: {path}",
                code="pyxis-path",
                hint='Rename the file or folder, or set environment = "apptainer"',
            )
    listed = [
        ":".join([mount.source, mount.target, *(["ro"] if mount.read_only else [])])
        for mount in mounts
    ]
    return (
        f"--container-image={image}",
        f"--container-mounts={','.join(listed)}",
        f"--container-workdir={container.workdir}",
        "--no-container-mount-home",
    )


def _needs_cuda(root: Path, run: Run) -> bool:
    """Whether the packages or the image are made for GPUs."""
    image = run.environment.image
    if image is not None and cuda_of_image(image.name) is not None:
        return True
    return needed_cuda.of_experiment(root, run.experiment) is not None


def _submit_alone(run: Run) -> str:
    return batch_script.submit_script([Submitted(run.id)])


# What sbatch says of a request that the cluster cannot fulfil, and the settings that it is about.
# Source: slurm_errno.c.
_WORDS = (
    ("invalid partition", "slurm.partition"),
    ("Requested partition configuration not available", "slurm.partition"),
    ("Invalid account", "slurm.account"),
    ("Invalid qos", "slurm.qos"),
    ("Invalid feature", "slurm.constraint"),
    ("Requested time limit is invalid", "slurm.time"),
    ("Memory specification", "slurm.memory"),
    ("Invalid generic resource", "slurm.gpu_type"),
)


def _explained(machine: SlurmRun, run: Run, said: str) -> UserError | None:
    """The error for what sbatch said; None where it said nothing."""
    lines = [line.strip() for line in said.splitlines() if "sbatch: " in line]
    if not lines:
        return None
    setting = machine.setting(run)
    key = next((key for words, key in _WORDS if words.lower() in said.lower()), "slurm")
    reason = lines[-1].removeprefix("sbatch: ").removeprefix("error: ")
    return UserError(
        f"Slurm on {machine.title} does not take the job: {reason}",
        code="slurm-refused",
        where=setting.where(key) or machine.title,
        hint=f"`scripts/loop doctor --backend {machine.backend}` lists the partitions and their limits",
    )
