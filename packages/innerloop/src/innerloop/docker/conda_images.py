"""An image with the packages of a conda file added, as Azure ML builds it for a job."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from ..model.container import image_name_part
from ..model.dockerfiles import dockerfile, generated
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.jobs import conda
from ..model.jobs.job import Environment, Job
from ..model.paths import code_root
from ..model.workspace import Workspace
from ..util import files, process, venvs
from ..util.digests import sha256
from ..util.errors import UserError
from ..workspace.loader import WorkspaceFiles
from . import docker_cli


def conda_of(workspace: Workspace, job: Job, named: Environment) -> conda.CondaFile:
    """The job's conda file: a path relative to the job file, or an inline mapping.

    UserError for a file that does not exist or is not a conda file.
    """
    position = job.where("environment", "conda_file")
    read = WorkspaceFiles(Path(workspace.root)).read
    if isinstance(named.conda_file, dict):
        folder = posixpath.dirname(job.name)
        return conda.of(named.conda_file, position, folder=folder, read=read)
    path = code_root(job.name, str(named.conda_file))
    text = None if path is None else files.read_text(Path(workspace.root, path))
    if text is None:
        raise UserError(
            f"there is no {path or named.conda_file}",
            code="conda-file-missing",
            where=position,
            hint="Check the path after conda_file:",
        )
    return conda.parse(text, path or "", read)


def image_on(
    workspace: Workspace, experiment: Experiment, job: Job, base: str, packages: conda.CondaFile
) -> Image:
    """The image that is built from `base` and the packages, keyed by both."""
    text = conda_dockerfile(base, with_constraints=bool(packages.constraints))
    parts = (text, packages.text, *packages.constraints)
    digest = sha256("\0".join(parts).encode()).hexdigest()
    context = venvs.cache_folder() / "conda" / digest[:16]
    name = f"{workspace.image_name}/{image_name_part(experiment.slug)}-conda-{digest[:8]}"
    parsed = dockerfile.parse(text, f"{job.name} (environment)")
    return Image(f"{name}:job", None, digest, str(context), parsed)


def note_on(base: str, packages: conda.CondaFile) -> str:
    """What the user should know about the image, in one line."""
    note = f"the image is {base} with the packages of conda_file, built here; "
    note += "if it has no conda, pip installs them into its Python"
    if packages.left_out:
        note += f" (without {', '.join(packages.left_out)})"
    return note


def variables_note(packages: conda.CondaFile) -> tuple[str, ...]:
    """A note of the variables that the conda file sets; empty if there are none."""
    names = ", ".join(packages.variables)
    return (f"the variables of conda_file are set: {names}",) if names else ()


def python_note(image: Image, image_id: str, packages: conda.CondaFile) -> tuple[str, ...]:
    """A note if the image's Python is another than the conda file asks for.

    Without conda, pip installs into the Python that the base image has. The image is asked once;
    its answer is kept in the cache: the folder of its build may be one of the workspace.
    """
    if not packages.python or not image_id:
        return ()
    of_image = sha256(image.name.encode()).hexdigest()[:16]
    kept = venvs.cache_folder() / "conda" / f"{of_image}.python-version"
    id_, _, version = (files.read_text(kept) or "").partition(" ")
    if id_ != image_id:
        look = ["sh", "-c", "(python --version || python3 --version) 2>&1"]
        done = process.run(docker_cli.run_once(image_id, look), timeout=60)
        match = re.search(r"Python (\d+\.\d+)", done.out)
        version = match[1] if match else ""
        files.write_text(kept, f"{image_id} {version}")
    if version in ("", packages.python):
        return ()
    asked = f"the conda file asks for Python {packages.python}, and the image has {version}"
    return (f"{asked}: use an image with conda, or with that Python",)


def write_context(image: Image, packages: conda.CondaFile) -> None:
    """Write the files that the image's Dockerfile copies."""
    files.write_text(Path(image.context, "conda.yaml"), packages.text, readable=True)
    files.write_text(Path(image.context, "pip.txt"), requirements_of(packages), readable=True)
    if packages.constraints:
        path = Path(image.context, conda.CONSTRAINTS)
        files.write_text(path, lines(packages.constraints), readable=True)


def requirements_of(packages: conda.CondaFile) -> str:
    """The text of a requirements file, beside which that of the constraints is."""
    constraints = (f"-c {conda.CONSTRAINTS}",) if packages.constraints else ()
    return lines((*packages.requirements, *constraints))


def conda_dockerfile(base: str, *, with_constraints: bool = False) -> str:
    """A Dockerfile that creates an environment from the conda file.

    The environment is first on PATH, as on Azure ML.
    """
    from ..model.dockerfiles.requirements_steps import pip_install  # few jobs have a conda file

    constraints = f" {conda.CONSTRAINTS}" if with_constraints else ""
    steps = generated.conda_steps(
        f"{generated.FOLDER}/conda.yaml",
        f"cd {generated.FOLDER}; {pip_install()} --requirement pip.txt",
    )
    return (
        f"FROM {base}\nUSER root\nCOPY conda.yaml pip.txt{constraints} {generated.FOLDER}/\n{steps}"
    )


def lines(requirements: tuple[str, ...]) -> str:
    """The text of a requirements file."""
    return "".join(f"{line}\n" for line in requirements)
