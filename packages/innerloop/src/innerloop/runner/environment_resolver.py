"""Resolves the environment that a job names to what stands for it on this machine: once per run.

Every caller gets the result from the run (`Run.environment`), so the files of an environment are
read and hashed once.
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..docker import lock_images
from ..docker.image_build import image_of
from ..model import environment_lock, environment_source
from ..model.asset_files import AssetFile, note_of
from ..model.container import image_name_part
from ..model.dockerfiles import dockerfile
from ..model.environment import EnvironmentKind, Image, ResolvedEnvironment
from ..model.environment_lock import LockUse
from ..model.experiment import Experiment
from ..model.jobs.environment_file import environment_in, environment_of, environment_of_asset
from ..model.jobs.job import Environment, Job
from ..model.paths import code_root
from ..model.workspace import Workspace
from ..util import files
from ..util.digests import sha256
from ..util.errors import UserError
from ..util.position import Position
from ..util.quick_dataclasses import dataclass
from ..workspace import asset_catalogue, cpu_locks, loader

if TYPE_CHECKING:
    from ..model.jobs.conda import CondaFile

_KINDS: dict[str, EnvironmentKind] = {
    "build": "dockerfile",
    "conda": "conda",
    "image": "image",
    "registered": "registered",
    "none": "none",
}
# Kinds that may be a name alone: some files write it as an image.
_BY_NAME = ("registered", "image")


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
    the job names; `test` for the one with what the tests need alone, if there is one; `full` for
    the lock that other machines get. A name of Azure ML is the environment in the file of the workspace that has it, unless the settings name
    something else. Never raises UserError: it is the result's `missing`.
    """
    if (dev and experiment.is_own) or is_own(experiment, job, job.environment):
        return _own(workspace, experiment, job, dev=dev, test=test, full=full)
    unresolved = ResolvedEnvironment(position=job.where("environment"))
    disk = loader.WorkspaceFiles(Path(workspace.root))
    asset = None
    try:
        named = environment_of(job, disk.read)
        if (asset := _asset_of(experiment, job, named, disk)) is not None:
            named = environment_of_asset(asset, job, disk.read)
    except UserError as error:
        reference = job.environment.reference or ""
        return replace(unresolved, kind="registered", source=reference, missing=error)
    if asset is not None and is_own(experiment, job, named):
        found = _own(workspace, experiment, job, dev=False, test=test, full=full)
    else:
        found = _named(_Resolver(workspace, experiment, job, named), unresolved)
    if asset is None:
        return found
    return replace(found, file_note=note_of(_registered_name(job.environment), asset))


def _own(
    workspace: Workspace, experiment: Experiment, job: Job, *, dev: bool, test: bool, full: bool
) -> ResolvedEnvironment:
    paths = experiment.paths
    test = test and experiment.test_stage is not None
    cpu = cpu_locks.CpuLock() if full else cpu_locks.lock_for(workspace, experiment)
    return ResolvedEnvironment(
        kind="image" if paths.source == "image" else "dockerfile",
        source=paths.environment,
        image=image_of(workspace, experiment, dev=dev, test=test, full=full),
        folder=paths.context,
        requirements=cpu.path or paths.lock,
        conda=_conda_of(workspace, experiment),
        is_own=True,
        dev=dev,
        test=test,
        position=job.where("environment"),
        notes=(cpu.note,) if cpu.note else (),
    )


def _asset_of(
    experiment: Experiment, job: Job, named: Environment, disk: loader.WorkspaceFiles
) -> AssetFile | None:
    """The file that stands for a registered environment. UserError if the choice is not clear."""
    reference, setting = _registered_name(named), experiment.settings.environment
    chosen = setting.images.get(reference) or setting.images.get(name_of(reference))
    if not reference or chosen or setting.image or setting.build or setting.file:
        return None
    return disk.find_asset("environment", reference, job.name, job.where("environment"))


def _registered_name(named: Environment) -> str:
    """The reference of an environment that Azure ML keeps; "" for any other."""
    reference = (named.reference or named.image or "") if named.kind in _BY_NAME else ""
    return reference if reference.startswith("azureml:") else ""


def _named(resolver: _Resolver, unresolved: ResolvedEnvironment) -> ResolvedEnvironment:
    named, job = resolver.named, resolver.job
    unresolved = replace(unresolved, kind=_KINDS[named.kind], source=resolver.source())
    if named.kind == "build":
        return resolver.of_folder(replace(unresolved, folder=context_of(job, named)))
    if named.kind == "image" and named.image and not named.image.startswith("azureml:"):
        image, notes = resolver.image_for(named.image)
        return replace(unresolved, image=Image(image), notes=notes)
    if named.kind == "conda":
        return resolver.of_conda_file(unresolved)
    return resolver.of_settings(unresolved)


def resolve_file(
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    path: str,
    where: Position | str,
    *,
    context: str = "",
    use: LockUse = "job",
) -> ResolvedEnvironment:
    """The environment of a file of any kind, or of the folder of one, whatever the job names.

    `where` is the position of what names it, and `context` the folder of a Dockerfile's build, ""
    for the Dockerfile's own. `use` chooses the groups of a lock. Never raises UserError: it is the
    result's `missing`.
    """
    resolver = _Resolver(workspace, experiment, job, Environment("none"))
    return resolver.of_file(ResolvedEnvironment(position=where), path, where, context, use)


def is_own(experiment: Experiment, job: Job, named: Environment) -> bool:
    """Whether an environment of the job is the experiment's own."""
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
    from ..model.jobs import conda

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
        label = sha256(f"{context}\0{name}".encode()).hexdigest()[:6]
        parsed = dockerfile.parse(text, path)
        digest = sha256(f"{loader.digest_of(folder)}\0{name}".encode()).hexdigest()
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
        from ..docker import conda_images

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
        if setting.file:
            where = setting.file_position or self.experiment.paths.settings
            found = self.of_file(environment, setting.file, where)
            return replace(
                found, notes=(f"{absent}: the settings name {setting.file}", *found.notes)
            )
        return replace(environment, missing=self.nothing(reference, name))

    def of_file(
        self,
        environment: ResolvedEnvironment,
        path: str,
        where: Position | str,
        context: str = "",
        use: LockUse = "job",
    ) -> ResolvedEnvironment:
        """The environment of a file of any kind; `context` is the folder of a Dockerfile's build."""
        read, setting = self.read, self.experiment.settings.environment
        try:
            _require_within(path, where)
            source = environment_source.source_of(path, read, where)
            environment = replace(environment, source=source.path)
            if source.kind == "dockerfile":
                context = context or source.folder
                name = posixpath.relpath(source.path, context)
                kind = replace(environment, kind="dockerfile", folder=context)
                return self.of_folder(kind, name)
            if source.kind == "asset":
                named = environment_in(read(source.path) or "", source.path, self.job.name)
                return _named(replace(self, named=named), environment)
            if source.kind == "conda":
                from ..model.jobs import conda

                relative = posixpath.relpath(source.path, posixpath.dirname(self.job.name) or ".")
                python = conda.parse(read(source.path) or "", source.path).python
                image = setting.base or f"python:{python or source.usual_python}-slim-bookworm"
                named = Environment("conda", image=image, conda_file=relative)
                return _named(replace(self, named=named), environment)
            lock = environment_lock.lock_of(source, read, use)
            image_ = lock_images.image_on(self.workspace, self.experiment, lock, setting.base)
        except UserError as error:
            return replace(environment, missing=error)
        notes = (lock_images.note_on(lock, setting.base),)
        return replace(environment, kind="lock", lock=lock, image=image_, notes=notes)

    def read(self, path: str) -> str | None:
        return loader.WorkspaceFiles(Path(self.workspace.root)).read(path)

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
        if asset_catalogue.of_workspace(os.path.normpath(self.workspace.root)).is_partial:
            hint += "; only a part of this large workspace was searched for its file"
        return UserError(
            f"the job's environment, {reference}, is registered in Azure ML: this machine has "
            "nothing for it",
            code="environment-registered",
            where=self.position,
            hint=hint,
        )


def _require_within(path: str, where: Position | str) -> None:
    plain_path = path.replace("\\", "/")
    if posixpath.normpath(plain_path).startswith("..") or re.match(r"/|[A-Za-z]:", plain_path):
        raise UserError(
            f"{path} is outside the workspace",
            code="outside-workspace",
            where=where,
            hint="Name a file of the workspace, relative to its root",
        )


def plain(image: str) -> str:
    """The image without a scheme: some files write it as a URL."""
    return re.sub(r"^(docker|https?)://", "", image.strip())


def name_of(reference: str) -> str:
    """The environment's name: of `azureml:NAME:1`, `azureml:NAME@latest`, or of a registry's."""
    match = re.search(r"/environments/([^/]+)", reference)
    return match[1] if match else re.split(r"[:@]", reference.removeprefix("azureml:"))[0]
