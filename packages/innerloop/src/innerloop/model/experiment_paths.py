"""Where the parts of an experiment are: the one place that composes their paths. Pure.

By default they are all in `src/<name>/`. A table `[experiments.NAME]` names those that are elsewhere.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from ..util.quick_dataclasses import dataclass
from .environment_source import LOCK_KINDS, SourceKind
from .naming import slug_of
from .paths import is_within
from .source_names import DOCKERFILE as DOCKERFILE
from .source_names import ENVIRONMENT as ENVIRONMENT
from .source_names import SETTINGS_FILE as SETTINGS_FILE
from .source_names import SOURCES as SOURCES

JOB_FILE = "azure-ml-job.yaml"
LOCK = "requirements.txt"

# What an environment is made from: a file, or an image; "none": the experiment has none of its own.
OwnSource = SourceKind | Literal["image", "none"]


@dataclass(frozen=True, slots=True)
class ExperimentPaths:
    """The paths of an experiment, relative to the workspace's root, with "/".

    folder: its code; a command without a job starts here.
    job: the job file.
    environment: what the environment is made from, as `source` says: a file, or an image's name.
    dockerfile: builds the environment; generated if `source` is another file, "" for an image.
    context: the folder of the build. `is_shared`: it holds more than the environment, so that only
    the files that the Dockerfile names count for the digest.
    lock: what the backend venv installs: a requirements file, or another lock.
    tests: a folder or file of tests; "" for those in `folder`.
    settings: the file of the experiment's settings.
    link: a link under src/ that leads to `folder`; "" without one.
    keys: the paths that a declaration names; empty for an experiment of src/.
    """

    folder: str
    job: str
    environment: str
    dockerfile: str
    context: str
    lock: str
    settings: str
    tests: str = ""
    source: OwnSource = "dockerfile"
    is_shared: bool = False
    link: str = ""
    keys: frozenset[str] = frozenset()

    @property
    def job_file(self) -> str:
        """The job file, relative to the folder of the code."""
        return posixpath.relpath(self.job, self.folder)

    @property
    def up(self) -> str:
        """The way from the folder of the code to the workspace's root."""
        return posixpath.relpath(".", self.folder)

    @property
    def is_generated(self) -> bool:
        """Whether the Dockerfile is generated, from another file."""
        return self.source == "conda" or self.source in LOCK_KINDS

    @property
    def dockerfile_in_context(self) -> str:
        """The Dockerfile, relative to the folder of the build; it may begin with ".."."""
        return posixpath.relpath(self.dockerfile, self.context)

    def depth(self, path: str) -> int:
        """How closely a file belongs to the experiment: 0 if not at all.

        A job file and an environment are named themselves; of folders, the inner one is closer.
        """
        if path == self.job:
            return 1000
        if path in (self.environment, self.dockerfile):
            return 999
        places = [place for place in (self.folder, self.link, self.tests) if place]
        return max((_parts(place) for place in places if _is_below(path, place)), default=0)


def _is_below(path: str, folder: str) -> bool:
    """Whether a path is in a folder. In the root itself are files; a plain word may be a name."""
    if folder == ".":
        return path == "." or bool(posixpath.splitext(path)[1])
    return is_within(path, folder)


def _parts(folder: str) -> int:
    return 1 if folder == "." else 1 + len(folder.split("/"))


def default_folder(name: str) -> str:
    """The folder of an experiment that is not declared."""
    return f"{SOURCES}/{name}"


def default_paths(name: str, folder: str = "", link: str = "") -> ExperimentPaths:
    """The paths of an experiment whose parts are all in one folder; default: `src/<name>`."""
    folder = folder or default_folder(name)
    environment = join(folder, ENVIRONMENT)
    return ExperimentPaths(
        folder=folder,
        job=join(folder, JOB_FILE),
        environment=join(environment, DOCKERFILE),
        dockerfile=join(environment, DOCKERFILE),
        context=environment,
        lock=join(environment, LOCK),
        settings=join(folder, SETTINGS_FILE),
        link=link,
    )


def without_environment(paths: ExperimentPaths) -> ExperimentPaths:
    """The same paths of an experiment that has no environment of its own."""
    return replace(paths, source="none")


def generated_dockerfile(name: str) -> str:
    """The Dockerfile that is generated for an experiment whose environment is another file."""
    return f".devcontainer/{slug_of(name)}/{DOCKERFILE}"


def join(folder: str, path: str) -> str:
    """A path below a folder, from the root; the folder may be the root itself, "."."""
    return posixpath.normpath(posixpath.join(folder, path))


def owners_in(paths: Mapping[str, ExperimentPaths], path: str) -> list[str]:
    """The experiments that a file belongs to most closely; several may share a folder."""
    depths = {name: one.depth(path) for name, one in paths.items()}
    most = max(depths.values(), default=0)
    return [name for name, depth in depths.items() if depth == most > 0]
