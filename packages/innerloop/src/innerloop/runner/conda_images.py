"""An image with the packages of a conda file on top, as Azure ML builds it for a job."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..docker.image_build import Image
from ..model.container import image_name_part
from ..model.dockerfiles import dockerfile
from ..model.jobs import conda
from ..model.jobs.job import Environment
from ..model.paths import code_root
from ..model.run import Run
from ..util import files, venvs
from ..util.errors import UserError


def conda_of(run: Run, named: Environment) -> conda.CondaFile:
    """The job's conda file: a path beside the job file, or the mapping that stands inline."""
    where = run.job.where("environment", "conda_file")
    if isinstance(named.conda_file, dict):
        return conda.of(named.conda_file, where)
    path = code_root(run.job.name, str(named.conda_file))
    assert path is not None
    text = files.read_text(Path(run.workspace.root, path))
    if text is None:
        raise UserError(f"there is no {path}", where=where, hint="Check the path after conda_file:")
    return conda.parse(text, path)


def image_on(run: Run, base: str, packages: conda.CondaFile) -> Image:
    text = conda_dockerfile(base)
    digest = hashlib.sha256(f"{text}\0{packages.text}".encode()).hexdigest()
    context = venvs.cache_folder() / "conda" / digest[:16]
    name = f"{run.workspace.image_name}/{image_name_part(run.experiment.slug)}-conda-{digest[:8]}"
    parsed = dockerfile.parse(text, f"{run.job.name} (environment)")
    return Image(f"{name}:job", None, digest, str(context), parsed)


def note_on(base: str, packages: conda.CondaFile) -> str:
    note = f"the image is {base} with the packages of conda_file on top, built here; "
    note += "where it has no conda, pip installs them into its Python"
    if packages.left_out:
        note += f" (and {', '.join(packages.left_out)} is left out)"
    return note


def write_context(image: Image, packages: conda.CondaFile) -> None:
    """The files that the image's Dockerfile copies."""
    files.write_text(Path(image.context, "conda.yaml"), packages.text)
    files.write_text(Path(image.context, "pip.txt"), lines(packages.requirements))


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


def lines(requirements: tuple[str, ...]) -> str:
    return "".join(f"{line}\n" for line in requirements)
