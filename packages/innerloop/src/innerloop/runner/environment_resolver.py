"""Which image stands on this machine for the environment that a job names."""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from ..docker.image_build import Image, image_of
from ..model.container import image_name_part
from ..model.dockerfiles import dockerfile
from ..model.jobs.environment_file import environment_of
from ..model.jobs.job import Environment, Job
from ..model.paths import code_root
from ..model.run import Run
from ..util import files
from ..util.errors import UserError
from ..workspace.loader import WorkspaceFiles, digest_of
from . import conda_images


@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """`image` is None where nothing on this machine stands for the job's environment: `missing`
    says so in one sentence."""

    image: Image | None
    notes: tuple[str, ...] = ()
    missing: UserError | None = None


def is_own(run: Run) -> bool:
    """Whether the job's environment is the experiment's: its environment/Dockerfile."""
    named = run.job.environment
    if not run.experiment.is_own or named.kind not in ("build", "none"):
        return False
    if named.kind == "none":
        return True
    context = context_of(run.job, named)
    return context == f"{run.experiment.folder}/environment" and named.dockerfile == "Dockerfile"


def image_for(run: Run, *, dev: bool = False) -> ResolvedImage:
    """`dev` asks for the stage with the tools that people work with, where the environment is the
    experiment's own."""
    if dev or is_own(run):
        return ResolvedImage(image_of(run.workspace, run.experiment, dev=dev))
    try:
        return _image(run, named_by(run))
    except UserError as mistake:
        return ResolvedImage(None, missing=mistake)


def named_by(run: Run) -> Environment:
    """What the job's environment is; `file:ENV.yml` is what that file says, with its paths."""
    return environment_of(run.job, WorkspaceFiles(Path(run.workspace.root)).read)


def _image(run: Run, named: Environment) -> ResolvedImage:
    if named.kind == "build":
        return ResolvedImage(built(run, context_of(run.job, named), named.dockerfile))
    if named.kind == "image" and named.image and not named.image.startswith("azureml:"):
        image, notes = _stood_for(run, named.image)
        return ResolvedImage(Image(image), notes)
    if named.kind == "conda":
        return _with_conda(run, named)
    return _registered(run, named)


def _stood_for(run: Run, image: str) -> tuple[str, tuple[str, ...]]:
    """A public image, or what [environment.images] has for it: one of a mirror, say."""
    images = run.experiment.settings.environment.images
    chosen = images.get(image) or images.get(plain(image))
    if not chosen:
        return plain(image), ()
    return chosen, (f"the settings say that {chosen} stands for the image {plain(image)}",)


def plain(image: str) -> str:
    """Some files write an image with a scheme, as a URL."""
    return re.sub(r"^(docker|https?)://", "", image.strip())


def context_of(job: Job, named: Environment) -> str:
    """The build's folder, relative to the workspace's root."""
    path = code_root(job.name, named.path or ".")
    assert path is not None
    return path


def built(run: Run, context: str, name: str) -> Image:
    """An image of another folder than the experiment's environment/."""
    folder = Path(run.workspace.root, context)
    where = posixpath.normpath(posixpath.join(context, name))
    text = files.read_text(folder / name) if folder.is_dir() else None
    if text is None:
        raise UserError(
            f"there is no {where}, from which the job's image is built",
            where=run.job.where("environment"),
            hint="Check build.path and build.dockerfile_path (relative to that path)",
        )
    suffix = "" if name == "Dockerfile" else f".{name}"
    label = hashlib.sha256(f"{context}\0{name}".encode()).hexdigest()[:6]
    parsed = dockerfile.parse(text, where)
    digest = hashlib.sha256(f"{digest_of(folder)}\0{name}".encode()).hexdigest()
    slug = image_name_part(f"{run.experiment.slug}.{Path(context).name}{suffix}")
    return Image(
        f"{run.workspace.image_name}/{slug}-{label}:job", None, digest, str(folder), parsed
    )


def _base_of(run: Run, named: Environment) -> str:
    """The image that the conda file's packages go on top of."""
    image, setting = named.image or "", run.experiment.settings.environment
    if image and not image.startswith("azureml:"):
        return _stood_for(run, image)[0]
    if chosen := setting.images.get(name_of(image)) or setting.image:
        return chosen
    raise UserError(
        f"the environment has a conda_file and no image{f' but {image}' if image else ''}",
        where=run.job.where("environment"),
        hint="Write image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04 beside it",
    )


def _with_conda(run: Run, named: Environment) -> ResolvedImage:
    packages, base = conda_images.conda_of(run, named), _base_of(run, named)
    note = conda_images.note_on(base, packages)
    return ResolvedImage(conda_images.image_on(run, base, packages), (note,))


def write_context(run: Run, image: Image) -> None:
    """The files that an image's Dockerfile copies, where they are not on this disk yet."""
    named = named_by(run)
    if named.kind == "conda" and not is_own(run):
        conda_images.write_context(image, conda_images.conda_of(run, named))


def _registered(run: Run, named: Environment) -> ResolvedImage:
    reference = named.reference or named.image or ""
    setting = run.experiment.settings.environment
    name = name_of(reference)
    chosen = setting.images.get(reference) or setting.images.get(name)
    said = f"{reference or 'the environment that the job leaves out'} is not on this machine"
    if chosen or setting.image:
        image = chosen or setting.image
        return ResolvedImage(
            Image(image), (f"{said}: the settings say that {image} stands for it",)
        )
    if setting.build:
        note = f"{said}: the settings say that {setting.build}/Dockerfile stands for it"
        return ResolvedImage(built(run, posixpath.normpath(setting.build), "Dockerfile"), (note,))
    return ResolvedImage(None, missing=_nothing(run, reference, name))


def name_of(reference: str) -> str:
    """The environment's name: of `azureml:NAME:1`, `azureml:NAME@latest`, or of a registry's."""
    found = re.search(r"/environments/([^/]+)", reference)
    return found[1] if found else re.split(r"[:@]", reference.removeprefix("azureml:"))[0]


def _nothing(run: Run, reference: str, name: str) -> UserError:
    file = f"{run.experiment.folder}/innerloop.toml"
    if not reference:
        return UserError(
            "the job names no environment to run in",
            where=run.job.where("environment"),
            hint=f'Write environment: {{image: ...}}, or [environment] image = "..." in {file}',
        )
    hint = f'Name an image for it in {file}: [environment.images] and "{name}" = "IMAGE"'
    if "registries/azureml/" in reference or name.startswith("AzureML-"):
        curated = name.removeprefix("AzureML-").lower()
        hint += f" (Microsoft's own are mcr.microsoft.com/azureml/curated/{curated}:TAG)"
    return UserError(
        f"the job's environment, {reference}, is one that Azure ML keeps: nothing on this "
        "machine stands for it",
        where=run.job.where("environment"),
        hint=hint,
    )
