"""An experiment: any folder under src/ with environment/Dockerfile in it."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from .dockerfiles.dockerfile import Dockerfile, Stage
from .naming import slug_of
from .settings.settings import Settings

JOB_FILE = "azure-ml-job.yaml"

# The variable that marks an experiment's own container; its value is the experiment's name.
MARK = "INNERLOOP_EXPERIMENT"


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link in an experiment's folder to code outside it.

    Both paths are relative to the workspace's root, with "/"; `target` is the resolved one.
    """

    path: str
    target: str

    @property
    def is_inside(self) -> bool:
        """Whether the target is in the workspace; if not, it is an absolute path."""
        return not (self.target.startswith("/") or ":" in self.target)


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment of the workspace, or the folder of a job file that belongs to none.

    `name` is the path under src/ ("digit_recognition", "search/ranking"). `files` are the names
    directly in its folder; `common_tests` are the tests, relative to the root, of the shared code
    that it links. `at` is the folder, relative to the root, of a job file that belongs to no
    experiment ("" for an experiment).
    """

    name: str
    dockerfile: Dockerfile
    settings: Settings
    links: tuple[Link, ...] = ()
    files: tuple[str, ...] = ()
    at: str = ""
    common_tests: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """The name for files and images: "." for "/"."""
        return slug_of(self.name)

    @property
    def folder(self) -> str:
        """Relative to the workspace's root, with "/"."""
        return self.at or f"src/{self.name}"

    @property
    def test_paths(self) -> list[str]:
        """Pytest's arguments, relative to the experiment's folder.

        They are the folder itself and the tests of its shared code.
        """
        return [".", *(posixpath.relpath(path, self.folder) for path in self.common_tests)]

    @property
    def is_own(self) -> bool:
        """Whether it is an experiment, with environment/Dockerfile."""
        return not self.at

    @property
    def dev_stage(self) -> Stage:
        """The stage of the dev container: the one of that name, else the last."""
        return self.dockerfile.stage(self.settings.dev_stage) or self.dockerfile.last
