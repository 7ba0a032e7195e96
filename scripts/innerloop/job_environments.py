"""Which image, or which packages, stand on this machine for the environment that a job names."""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from dataclasses import dataclass, replace
from pathlib import Path

from . import environments, files
from .building import Image, image_of
from .errors import Mistake
from .loading import digest_of
from .network import Network
from .places import Run, venv
from .spec import conda, dockerfile, yaml_text
from .spec.job import Environment, Job, Reading
from .spec.paths import code_root
from .tools import docker


@dataclass(frozen=True, slots=True)
class StandIn:
    """`image` is None where nothing on this machine stands for the job's environment: `missing`
    says so in one sentence."""

    image: Image | None
    notes: tuple[str, ...] = ()
    missing: Mistake | None = None


@dataclass(frozen=True, slots=True)
class Packages:
    """For the place venv: the requirements files, or their text where the job's environment has
    none; `python` is the version it asks for, "" when it is silent."""

    files: tuple[Path, ...] = ()
    text: str = ""
    python: str = ""
    notes: tuple[str, ...] = ()
    missing: Mistake | None = None


def is_own(run: Run) -> bool:
    """Whether the job's environment is the experiment's: its environment/Dockerfile."""
    named = run.job.environment
    if not run.experiment.is_own or named.kind not in ("build", "none"):
        return False
    if named.kind == "none":
        return True
    context = _context(run.job, named)
    return context == f"{run.experiment.folder}/environment" and named.dockerfile == "Dockerfile"


def image_for(run: Run, *, dev: bool = False) -> StandIn:
    """`dev` asks for the stage with the tools that people work with, where the environment is the
    experiment's own."""
    if dev or is_own(run):
        return StandIn(image_of(run.workspace, run.experiment, dev=dev))
    try:
        return _image(run, _named(run))
    except Mistake as mistake:
        return StandIn(None, missing=mistake)


def _named(run: Run) -> Environment:
    """What the job's environment is; `file:ENV.yml` is what that file says, with its paths."""
    named = run.job.environment
    if named.kind != "registered" or not (named.reference or "").startswith("file:"):
        return named
    path = code_root(run.job.name, named.reference)
    text = files.read_text(Path(run.workspace.root, str(path)))
    if text is None:
        raise Mistake(
            f"there is no {path}, which says what the job's environment is",
            where=run.job.where("environment"),
            mend="Check the path after file:",
        )
    return environment_of(text, str(path), run.job.name)


def environment_of(text: str, file: str, job_file: str) -> Environment:
    """An environment's own file (image, conda_file or build), its paths as seen from the job."""
    document = yaml_text.parse(text, file).value
    reading = Reading(yaml_text.YamlText(file, document))
    found = reading.environment(document, ())
    if reading.problems:
        raise reading.problems[0]

    def moved(path: str) -> str:
        inside = posixpath.join(posixpath.dirname(file), path.removeprefix("file:"))
        return posixpath.relpath(inside, posixpath.dirname(job_file) or ".")

    conda_file = found.conda_file
    return replace(
        found,
        path=None if found.path is None else moved(found.path),
        conda_file=moved(conda_file) if isinstance(conda_file, str) else conda_file,
    )


def _image(run: Run, named: Environment) -> StandIn:
    if named.kind == "build":
        return StandIn(_built(run, _context(run.job, named), named.dockerfile))
    if named.kind == "image" and named.image and not named.image.startswith("azureml:"):
        return StandIn(Image(_plain(named.image)))
    if named.kind == "conda":
        return _with_conda(run, named)
    return _registered(run, named)


def _plain(image: str) -> str:
    """Some files write an image with a scheme, as a URL."""
    return re.sub(r"^(docker|https?)://", "", image.strip())


def _context(job: Job, named: Environment) -> str:
    """The build's folder, relative to the workspace's root."""
    path = code_root(job.name, named.path or ".")
    assert path is not None
    return path


def _built(run: Run, context: str, name: str) -> Image:
    """An image of another folder than the experiment's environment/."""
    folder = Path(run.workspace.root, context)
    where = posixpath.normpath(posixpath.join(context, name))
    text = files.read_text(folder / name) if folder.is_dir() else None
    if text is None:
        raise Mistake(
            f"there is no {where}, from which the job's image is built",
            where=run.job.where("environment"),
            mend="Check build.path and build.dockerfile_path (relative to that path)",
        )
    suffix = "" if name == "Dockerfile" else f".{name}"
    label = hashlib.sha256(f"{context}\0{name}".encode()).hexdigest()[:6]
    parsed = dockerfile.parse(text, where)
    digest = hashlib.sha256(f"{digest_of(folder)}\0{name}".encode()).hexdigest()
    slug = docker.name_of(f"{run.experiment.slug}.{Path(context).name}{suffix}")
    return Image(
        f"{run.workspace.image_name}/{slug}-{label}:job", None, digest, str(folder), parsed
    )


# --- a conda file on top of an image -------------------------------------------------------------


def conda_of(run: Run, named: Environment) -> conda.CondaFile:
    """The job's conda file: a path beside the job file, or the mapping that stands inline."""
    where = run.job.where("environment", "conda_file")
    if isinstance(named.conda_file, dict):
        return conda.of(named.conda_file, where)
    path = code_root(run.job.name, str(named.conda_file))
    assert path is not None
    text = files.read_text(Path(run.workspace.root, path))
    if text is None:
        raise Mistake(f"there is no {path}", where=where, mend="Check the path after conda_file:")
    return conda.parse(text, path)


def _with_conda(run: Run, named: Environment) -> StandIn:
    packages, base = conda_of(run, named), _base_of(run, named)
    text = conda_dockerfile(base)
    digest = hashlib.sha256(f"{text}\0{packages.text}".encode()).hexdigest()
    context = environments.cache_folder() / "conda" / digest[:16]
    name = f"{run.workspace.image_name}/{docker.name_of(run.experiment.slug)}-conda-{digest[:8]}"
    note = f"the image is {base} with the packages of conda_file on top, built here; "
    note += "where it has no conda, pip installs them into its Python"
    if packages.left_out:
        note += f" (and {', '.join(packages.left_out)} is left out)"
    parsed = dockerfile.parse(text, f"{run.job.name} (environment)")
    return StandIn(Image(f"{name}:job", None, digest, str(context), parsed), (note,))


def _base_of(run: Run, named: Environment) -> str:
    """The image that the conda file's packages go on top of."""
    image, setting = named.image or "", run.experiment.settings.environment
    if image and not image.startswith("azureml:"):
        return _plain(image)
    if chosen := setting.images.get(name_of(image)) or setting.image:
        return chosen
    raise Mistake(
        f"the environment has a conda_file and no image{f' but {image}' if image else ''}",
        where=run.job.where("environment"),
        mend="Write image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04 beside it",
    )


def write_context(run: Run, image: Image) -> None:
    """The files that the Dockerfile of an image with a conda file copies."""
    named = _named(run)
    if named.kind != "conda" or is_own(run):
        return
    packages = conda_of(run, named)
    files.write_text(Path(image.context, "conda.yaml"), packages.text)
    files.write_text(Path(image.context, "pip.txt"), _lines(packages.requirements))


def conda_dockerfile(base: str) -> str:
    """As Azure ML builds it: an environment of its own from the conda file, first on PATH."""
    steps = (
        "set -e; cd /opt/innerloop; tool=; for one in mamba conda micromamba; do "
        'if [ -z "$tool" ] && command -v $one >/dev/null 2>&1; then tool=$one; fi; done; '
        'if [ -n "$tool" ]; then '
        "$tool env create --yes --prefix /opt/innerloop/env --file conda.yaml 2>/tmp/why || "
        "{ grep -q 'unrecognized arguments' /tmp/why && "
        "$tool env create --prefix /opt/innerloop/env --file conda.yaml; } || "
        "{ cat /tmp/why >&2; exit 1; }; "
        "else echo 'innerloop: this image has no conda, so pip installs the packages'; "
        "python3 -m pip install --no-cache-dir --requirement pip.txt; fi"
    )
    return (
        f"FROM {base}\nUSER root\nCOPY conda.yaml pip.txt /opt/innerloop/\n"
        f"RUN {steps}\n"
        "ENV PATH=/opt/innerloop/env/bin:$PATH CONDA_DEFAULT_ENV=/opt/innerloop/env\n"
    )


def _lines(requirements: tuple[str, ...]) -> str:
    return "".join(f"{line}\n" for line in requirements)


# --- what Azure ML alone knows by its name -------------------------------------------------------


def _registered(run: Run, named: Environment) -> StandIn:
    reference = named.reference or named.image or ""
    setting = run.experiment.settings.environment
    name = name_of(reference)
    chosen = setting.images.get(reference) or setting.images.get(name)
    said = f"{reference or 'the environment that the job leaves out'} is not on this machine"
    if chosen or setting.image:
        image = chosen or setting.image
        return StandIn(Image(image), (f"{said}: the settings say that {image} stands for it",))
    if setting.build:
        note = f"{said}: the settings say that {setting.build}/Dockerfile stands for it"
        return StandIn(_built(run, posixpath.normpath(setting.build), "Dockerfile"), (note,))
    return StandIn(None, missing=_nothing(run, reference, name))


def name_of(reference: str) -> str:
    """The environment's name: of `azureml:NAME:1`, `azureml:NAME@latest`, or of a registry's."""
    found = re.search(r"/environments/([^/]+)", reference)
    return found[1] if found else re.split(r"[:@]", reference.removeprefix("azureml:"))[0]


def _nothing(run: Run, reference: str, name: str) -> Mistake:
    file = f"{run.experiment.folder}/innerloop.toml"
    if not reference:
        return Mistake(
            "the job names no environment to run in",
            where=run.job.where("environment"),
            mend=f'Write environment: {{image: ...}}, or [environment] image = "..." in {file}',
        )
    mend = f'Name an image for it in {file}: [environment.images] and "{name}" = "IMAGE"'
    if "registries/azureml/" in reference or name.startswith("AzureML-"):
        curated = name.removeprefix("AzureML-").lower()
        mend += f" (Microsoft's own are mcr.microsoft.com/azureml/curated/{curated}:TAG)"
    return Mistake(
        f"the job's environment, {reference}, is one that Azure ML keeps: nothing on this "
        "machine stands for it",
        where=run.job.where("environment"),
        mend=mend,
    )


# --- packages, for the place venv ----------------------------------------------------------------


def packages_for(run: Run, *, dev: bool = False) -> Packages:
    """What the place venv installs: the requirements beside the Dockerfile, or the conda file's."""
    try:
        named = _named(run)
        if dev or is_own(run):
            return _listed(run, f"{run.experiment.folder}/environment", dev)
        if named.kind == "build":
            return _listed(run, _context(run.job, named), dev)
        if named.kind == "conda":
            return _of_conda(run, named)
        setting = run.experiment.settings.environment
        if named.kind in ("registered", "none") and setting.build:
            return _listed(run, posixpath.normpath(setting.build), dev)
    except Mistake as mistake:
        return Packages(missing=mistake)
    wanted = image_for(run)
    image = wanted.image.name if wanted.image else ""
    return Packages(
        missing=wanted.missing
        or Mistake(
            f"the job's environment is the image {image}, whose packages the place venv cannot know",
            where=run.job.where("environment"),
            mend="Start Docker and use --place docker",
        )
    )


def install(
    run: Run,
    wanted: Packages,
    environment: Path,
    program: str,
    say: environments.Say,
    reach: Network | None = None,
) -> None:
    """Makes the environment of the place venv, where it is not there yet."""
    listed = list(wanted.files)
    if not listed:
        listed = [environment.with_name(f"{environment.name}.txt")]
        if not environments.is_ready(environment):
            files.write_text(listed[0], wanted.text)
    environments.ensure(
        environment,
        listed,
        python=program,
        purpose=f"{run.experiment.name}'s environment ({os.path.relpath(listed[0].parent, run.workspace.root)})",
        say=say,
        reach=reach,
        hashed=all(_has_hashes(path) for path in listed),
        owner=run.workspace.root,
    )


def _has_hashes(path: Path) -> bool:
    """Whether the file pins what it names by hashes; one that names nothing needs none."""
    text = files.read_text(path) or ""
    return "--hash=" in text or not text.strip()


def _listed(run: Run, context: str, dev: bool) -> Packages:
    locked = venv.listed(run.workspace, context, dev)
    named = image_for(run, dev=dev).image
    return Packages(tuple(locked), python=venv.version_in(named.dockerfile if named else None))


def _of_conda(run: Run, named: Environment) -> Packages:
    packages = conda_of(run, named)
    notes = ["pip installs the packages of conda_file, conda's own under the same names"]
    if packages.left_out:
        notes.append(f"left out, since pip has no such packages: {', '.join(packages.left_out)}")
    return Packages((), _lines(packages.requirements), packages.python, tuple(notes))
