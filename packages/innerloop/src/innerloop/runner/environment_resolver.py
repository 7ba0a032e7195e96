"""Resolves the environment that a job names to what stands for it on this machine: once per run.

Every caller gets the result from the run (`Run.environment`), so the files of an environment are
read and hashed once.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..docker import conda_images
from ..docker.image_build import image_of
from ..model.container import image_name_part
from ..model.dockerfiles import dockerfile
from ..model.environment import EnvironmentKind, Image, ResolvedEnvironment
from ..model.experiment import Experiment
from ..model.jobs import conda
from ..model.jobs.conda import CondaFile
from ..model.jobs.environment_file import environment_of
from ..model.jobs.job import Environment, Job
from ..model.paths import code_root
from ..model.workspace import Workspace
from ..util import files
from ..util.errors import UserError
from ..util.position import Position
from ..workspace import cpu_locks, loader

_KINDS: dict[str, EnvironmentKind] = {
    "build": "dockerfile",
    "conda": "conda",
    "image": "image",
    "registered": "registered",
    "none": "none",
}


def resolve(
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    *,
    dev: bool = False,
    test: bool = False,
    full: bool = False,
) -> ResolvedEnvironment:
    """What stands for the job's environment.

    `dev` asks for the stage with development tools of the experiment's own environment, whatever
    the job names; `test` for the one with what the tests need alone, if there is one; `full` for the lock
    that other machines get. Never raises UserError: it is the result's `missing`.
    """
    if (dev and experiment.is_own) or is_own(experiment, job):
        paths = experiment.paths
        test = test and experiment.test_stage is not None
        cpu = cpu_locks.CpuLock() if full else cpu_locks.lock_for(workspace, experiment)
        return ResolvedEnvironment(
            kind="image" if paths.source == "image" else "dockerfile",
            source=paths.environment,
            image=image_of(workspace, experiment, dev=dev, test=test, full=full),
            folder=paths.context,
            lock=cpu.path or paths.lock,
            conda=_conda_of(workspace, experiment),
            is_own=True,
            dev=dev,
            test=test,
            position=job.where("environment"),
            notes=(cpu.note,) if cpu.note else (),
        )
    unresolved = ResolvedEnvironment(position=job.where("environment"))
    try:
        named = environment_of(job, loader.WorkspaceFiles(Path(workspace.root)).read)
    except UserError as error:
        return replace(unresolved, kind="registered", missing=error)
    resolver = _Resolver(workspace, experiment, job, named)
    unresolved = replace(unresolved, kind=_KINDS[named.kind], source=resolver.source())
    if named.kind == "build":
        return resolver.of_folder(replace(unresolved, folder=context_of(job, named)))
    if named.kind == "image" and named.image and not named.image.startswith("azureml:"):
        image, notes = resolver.image_for(named.image)
        return replace(unresolved, image=Image(image), notes=notes)
    if named.kind == "conda":
        return resolver.of_conda_file(unresolved)
    return resolver.of_settings(unresolved)


def is_own(experiment: Experiment, job: Job) -> bool:
    """Whether the job's environment is the experiment's own."""
    named = job.environment
    paths = experiment.paths
    if not experiment.is_own:
        return False
    if named.kind == "none":
        return True
    if named.kind == "registered":  # a declared environment stands for it
        return "environment" in paths.keys
    if named.kind == "conda" and paths.source == "conda":
        return "environment" in paths.keys and _conda_path(job, named) == paths.environment
    if named.kind != "build" or paths.source != "dockerfile":
        return False
    context = context_of(job, named)
    path = posixpath.normpath(posixpath.join(context, named.dockerfile))
    return (context, path) == (paths.context, paths.dockerfile)


def _conda_path(job: Job, named: Environment) -> str:
    """The path of the conda file that a job names; "" for an inline one."""
    is_path = isinstance(named.conda_file, str)
    return code_root(job.name, named.conda_file) or "" if is_path else ""


def _conda_of(workspace: Workspace, experiment: Experiment) -> CondaFile | None:
    """The packages of the experiment's conda file, for the backend venv."""
    if experiment.paths.source != "conda":
        return None
    path = experiment.paths.environment
    read = loader.WorkspaceFiles(Path(workspace.root)).read
    return conda.parse(read(path) or "", path, read)


def context_of(job: Job, named: Environment) -> str:
    """The build's folder, relative to the workspace's root."""
    path = code_root(job.name, named.path or ".")
    assert path is not None
    return path


@dataclass(frozen=True, slots=True)
class _Resolver:
    """`named` is the job's environment, with `file:ENV.yml` already read."""

    workspace: Workspace
    experiment: Experiment
    job: Job
    named: Environment

    @property
    def position(self) -> Position:
        return self.job.where("environment")

    def source(self) -> str:
        named = self.named
        if named.kind == "build":
            return posixpath.normpath(posixpath.join(context_of(self.job, named), named.dockerfile))
        if named.kind == "conda" and isinstance(named.conda_file, str):
            return code_root(self.job.name, named.conda_file) or ""
        return named.reference or named.image or ""

    def of_folder(
        self, environment: ResolvedEnvironment, dockerfile_path: str = ""
    ) -> ResolvedEnvironment:
        try:
            image = self.built(environment.folder, dockerfile_path or self.named.dockerfile)
        except UserError as error:
            return replace(environment, missing=error)
        return replace(environment, image=image)

    def built(self, context: str, name: str) -> Image:
        """An image of another folder than the experiment's environment/."""
        folder = Path(self.workspace.root, context)
        path = posixpath.normpath(posixpath.join(context, name))
        text = files.read_text(folder / name) if folder.is_dir() else None
        if text is None:
            raise UserError(
                f"there is no {path}, from which the job's image is built",
                code="dockerfile-missing",
                where=self.position,
                hint="Check build.path and build.dockerfile_path (relative to that path)",
            )
        suffix = "" if name == "Dockerfile" else f".{name}"
        label = hashlib.sha256(f"{context}\0{name}".encode()).hexdigest()[:6]
        parsed = dockerfile.parse(text, path)
        digest = hashlib.sha256(f"{loader.digest_of(folder)}\0{name}".encode()).hexdigest()
        slug = image_name_part(f"{self.experiment.slug}.{Path(context).name}{suffix}")
        image = f"{self.workspace.image_name}/{slug}-{label}:job"
        return Image(image, None, digest, str(folder), parsed)

    def image_for(self, image: str) -> tuple[str, tuple[str, ...]]:
        """A public image, or the one that [environment.images] names for it (a mirror's, say)."""
        images = self.experiment.settings.environment.images
        chosen = images.get(image) or images.get(plain(image))
        if not chosen:
            return plain(image), ()
        return chosen, (f"the settings name {chosen} for the image {plain(image)}",)

    def of_conda_file(self, environment: ResolvedEnvironment) -> ResolvedEnvironment:
        try:
            packages = conda_images.conda_of(self.workspace, self.job, self.named)
            environment = replace(environment, conda=packages)
            base = self.base_image()
        except UserError as error:
            return replace(environment, missing=error)
        image = conda_images.image_on(self.workspace, self.experiment, self.job, base, packages)
        notes = (conda_images.note_on(base, packages), *conda_images.variables_note(packages))
        return replace(environment, image=image, notes=notes)

    def base_image(self) -> str:
        """The image to which the conda file's packages are added."""
        image, setting = self.named.image or "", self.experiment.settings.environment
        if image and not image.startswith("azureml:"):
            return self.image_for(image)[0]
        if chosen := setting.images.get(name_of(image)) or setting.image:
            return chosen
        raise UserError(
            f"the environment has a conda_file and no image{f' but {image}' if image else ''}",
            code="environment-without-image",
            where=self.position,
            hint="Write image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04 beside it",
        )

    def of_settings(self, environment: ResolvedEnvironment) -> ResolvedEnvironment:
        """What the settings name for an environment that only Azure ML has."""
        reference = self.named.reference or self.named.image or ""
        setting = self.experiment.settings.environment
        name = name_of(reference)
        chosen = setting.images.get(reference) or setting.images.get(name) or setting.image
        folder = posixpath.normpath(setting.build) if setting.build else ""
        if self.named.kind in ("registered", "none"):
            environment = replace(environment, folder=folder)
        absent = f"{reference or 'the environment that the job omits'} is not on this machine"
        if chosen:
            note = f"{absent}: the settings name the image {chosen} for it"
            return replace(environment, image=Image(chosen), notes=(note,))
        if folder:
            note = f"{absent}: the settings name {setting.build}/Dockerfile for it"
            environment = replace(environment, folder=folder, notes=(note,))
            return self.of_folder(environment, "Dockerfile")
        return replace(environment, missing=self.nothing(reference, name))

    def nothing(self, reference: str, name: str) -> UserError:
        file = self.experiment.paths.settings
        if not reference:
            return UserError(
                "the job names no environment to run in",
                code="environment-unnamed",
                where=self.position,
                hint=f'Write environment: {{image: ...}}, or [environment] image = "..." in {file}',
            )
        hint = f'Name an image for it in {file}: [environment.images] and "{name}" = "IMAGE"'
        if "registries/azureml/" in reference or name.startswith("AzureML-"):
            curated = name.removeprefix("AzureML-").lower()
            hint += f" (Microsoft's own are mcr.microsoft.com/azureml/curated/{curated}:TAG)"
        return UserError(
            f"the job's environment, {reference}, is registered in Azure ML: this machine has "
            "nothing for it",
            code="environment-registered",
            where=self.position,
            hint=hint,
        )


def plain(image: str) -> str:
    """The image without a scheme: some files write it as a URL."""
    return re.sub(r"^(docker|https?)://", "", image.strip())


def name_of(reference: str) -> str:
    """The environment's name: of `azureml:NAME:1`, `azureml:NAME@latest`, or of a registry's."""
    match = re.search(r"/environments/([^/]+)", reference)
    return match[1] if match else re.split(r"[:@]", reference.removeprefix("azureml:"))[0]
