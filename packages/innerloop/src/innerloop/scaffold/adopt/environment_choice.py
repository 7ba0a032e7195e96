"""The environment of a job in a repository: the file that its words stand for. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from ...model import environment_lock, environment_source
from ...model.container import is_image_name
from ...model.jobs.job import Environment
from ...util import versions
from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass
from .findings import Findings, FoundEnvironment, FoundJob
from .repository_tree import RepositoryTree, distance, joined, upwards

# What stands for the environment of a job that names none, the best first.
_USUAL = (
    "environment/Dockerfile",
    "Dockerfile",
    "uv.lock",
    "poetry.lock",
    "pixi.lock",
    "pylock.toml",
    "environment.yml",
    "environment.yaml",
    "conda.yml",
    "conda.yaml",
    "requirements.txt",
)
_REFERENCE = late_pattern(r"azureml:(?P<name>[^:@/]+)(?::(?P<version>[^@]+)|@(?P<label>\w+))?\Z")


@dataclass(frozen=True, slots=True)
class EnvironmentChoice:
    """`file`: a path from the root, an image, or "" for none; `context`: the folder of its build.

    `note`: what the person should know, or "".
    """

    file: str = ""
    context: str = ""
    note: str = ""


NOTHING = EnvironmentChoice()


def of_job(job: FoundJob, findings: Findings, tree: RepositoryTree) -> EnvironmentChoice:
    """What the job's environment is made from.

    By what the file says, else by the usual names in the folder of its code and those around it.
    """
    chosen = _of(job.environment, job.folder, findings, tree)
    if chosen is not None:
        return chosen
    start = job.code if job.code in tree.folders else job.folder
    paths = (joined(folder, name) for folder in upwards(start) for name in _USUAL)
    near = [_near(path, tree) for path in paths if path in tree.files]
    return next((choice for choice in near if choice.file), near[0] if near else NOTHING)


def _near(path: str, tree: RepositoryTree) -> EnvironmentChoice:
    """The choice of a usual file; none, with the reason, for a lock that cannot be installed."""
    kind = environment_source.kind_by_name(posixpath.basename(path))
    if kind in environment_source.LOCK_KINDS and path in tree.texts:
        try:
            source = environment_source.source_of(path, tree.texts.get, path)
            environment_lock.lock_of(source, tree.texts.get)
        except UserError as error:
            return EnvironmentChoice(note=f"{path} is near and is not used: {error.what}")
    return EnvironmentChoice(path, "", f"the job names no environment; {path} is near")


def common(jobs: Sequence[FoundJob], findings: Findings, tree: RepositoryTree) -> EnvironmentChoice:
    """The one environment of several jobs; none if they differ."""
    choices = {of_job(job, findings, tree) for job in jobs}
    plain = {(choice.file, choice.context) for choice in choices}
    return min(choices, key=lambda choice: choice.note) if len(plain) == 1 else NOTHING


def _of(
    environment: Environment, folder: str, findings: Findings, tree: RepositoryTree
) -> EnvironmentChoice | None:
    """The choice for an environment that a file in `folder` describes; None if it says nothing."""
    if environment.kind == "build":
        context = joined(folder, environment.path or ".")
        dockerfile = joined(context, environment.dockerfile)
        if dockerfile not in tree.files:
            return EnvironmentChoice(note=f"there is no {dockerfile}, which the job names")
        own = posixpath.dirname(dockerfile) or "."
        return EnvironmentChoice(dockerfile, "" if context == own else context)
    if environment.kind == "conda":
        if not isinstance(environment.conda_file, str):
            return EnvironmentChoice(note="its packages are in the file itself")
        path = joined(folder, environment.conda_file)
        missing = f"there is no {path}, which the job names"
        return EnvironmentChoice(path) if path in tree.files else EnvironmentChoice(note=missing)
    if environment.kind == "image":
        return _of_image(environment.image or "")
    if environment.kind == "registered":
        return _registered(environment.reference or "", folder, findings, tree)
    return None


def _of_image(image: str) -> EnvironmentChoice:
    last = image.rpartition("/")[2]
    if is_image_name(image) and (":" in last or "@" in last):
        return EnvironmentChoice(image)
    return EnvironmentChoice(note=f"the image {image} has no tag")


def _registered(
    reference: str, folder: str, findings: Findings, tree: RepositoryTree
) -> EnvironmentChoice:
    """The environment of a name: its file that is the fewest folders away, in a version that fits."""
    found = _REFERENCE.match(reference)
    if found is None:  # of a registry, by its address
        return EnvironmentChoice(note=f"{reference} is not in this repository")
    version = found["version"]
    fitting = [
        one
        for one in findings.named_environments
        if one.name == found["name"] and (version is None or one.version in ("", version))
    ]
    if not fitting:
        return EnvironmentChoice(note=f"{reference} is not in this repository")
    ways = {one.path: distance(folder, posixpath.dirname(one.path)) for one in fitting}
    nearest = [one for one in fitting if ways[one.path] == min(ways.values())]
    if len(nearest) > 1:
        nearest = _newest(nearest)
    if len(nearest) > 1:
        names = " and ".join(one.path for one in nearest[:2])
        return EnvironmentChoice(note=f"{reference} may be {names}: name one as environment")
    (one,) = nearest
    inner = _of(one.environment, posixpath.dirname(one.path), findings, tree)
    if inner is None or not inner.file:
        return EnvironmentChoice(note=f"{one.path} names nothing that is in this repository")
    if one.environment.kind == "conda" and one.environment.image:
        # The conda file alone would be installed in another image than the file's.
        return EnvironmentChoice(one.path, "", f"{one.path} stands for {reference}")
    return EnvironmentChoice(inner.file, inner.context, f"{one.path} stands for {reference}")


def _newest(environments: Sequence[FoundEnvironment]) -> list[FoundEnvironment]:
    newest = versions.newest(*(one.version for one in environments))
    return [one for one in environments if one.version == newest]
