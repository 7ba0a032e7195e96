"""An experiment: any folder under src/ with environment/Dockerfile in it, or a declared one."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ..util.quick_dataclasses import dataclass
from .experiment_paths import ExperimentPaths, default_paths
from .naming import slug_of
from .pytest_settings import NO_PYTEST, PytestLayout

if TYPE_CHECKING:
    from .dockerfiles.dockerfile import Dockerfile, Stage
    from .settings.settings import Settings

# The variable that marks an experiment's own container; its value is the experiment's name.
MARK = "INNERLOOP_EXPERIMENT"

# What the stage for tests installs.
TEST_LOCK = "requirements-test.txt"


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link in an experiment's folder to code outside it.

    Both paths are relative to the workspace's root, with "/"; `target` is the resolved one. `is_text`:
    git checked it out as a text file.
    """

    path: str
    target: str
    is_text: bool = False

    @property
    def is_inside(self) -> bool:
        """Whether the target is in the workspace; if not, it is an absolute path."""
        return not (self.target.startswith("/") or ":" in self.target)


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment of the workspace, or the folder of a job file that belongs to none.

    `name` is the path under src/ ("digit_recognition", "search/ranking"), or that of its declaration. `files` are the names
    directly in its folder; `pytest` is what pytest finds of it. `at` is the folder, relative to the root, of a job file that belongs to no
    experiment ("" for an experiment). `located`: its paths, if they are others than the usual ones.
    """

    name: str
    dockerfile: Dockerfile
    settings: Settings
    links: tuple[Link, ...] = ()
    files: tuple[str, ...] = ()
    at: str = ""
    pytest: PytestLayout = NO_PYTEST
    located: ExperimentPaths | None = None

    @property
    def paths(self) -> ExperimentPaths:
        """Where its parts are."""
        return self.located or default_paths(self.name, self.at)

    @property
    def slug(self) -> str:
        """The name for files and images: "." for "/"."""
        return slug_of(self.name)

    @property
    def folder(self) -> str:
        """Relative to the workspace's root, with "/"."""
        return self.paths.folder

    @property
    def job_file(self) -> str:
        """Its job file, relative to its folder."""
        return self.paths.job_file

    @property
    def has_job(self) -> bool:
        """Whether its job file exists. A declared one does: without it, nothing is opened."""
        return "job" in self.paths.keys or self.job_file in self.files

    @property
    def seen_by_tests(self) -> tuple[str, ...]:
        """What declared tests need besides the code, relative to the root: their top folder, settings."""
        if not self.pytest.is_elsewhere:
            return ()
        settings = self.pytest.settings
        found = posixpath.normpath(posixpath.join(self.folder, settings)) if settings else ""
        return tuple(filter(None, (self.paths.tests.split("/")[0], found)))

    @property
    def common_tests(self) -> tuple[str, ...]:
        """The tests, relative to the root, of the shared code that it links."""
        return tuple(path for group in self.pytest.groups for path in group)

    @property
    def test_paths(self) -> list[list[str]]:
        """The paths for each process of pytest that its tests need, relative to its folder.

        Those of the first one are empty if its own tests are all that it runs.
        """
        first, *others = (
            [posixpath.relpath(path, self.folder) for path in group] for group in self.pytest.groups
        )
        named = first or self.pytest.is_elsewhere
        return [[*self.pytest.own_paths, *first] if named else [], *others]

    @property
    def panel_arguments(self) -> list[str]:
        """Pytest's arguments for an editor, which runs all tests in one process.

        The tests of shared code that this process cannot run are left out.
        """
        first, *others = self.test_paths
        if not others or not self.pytest.can_import_by_path:
            return [*self.pytest.arguments, *first]
        own = first or self.pytest.own_paths
        every = [*own, *(path for paths in others for path in paths)]
        return [*self.pytest.arguments, "--import-mode=importlib", *every]

    @property
    def is_own(self) -> bool:
        """Whether it is an experiment with an environment of its own."""
        return not self.at and self.paths.source != "none"

    @property
    def test_stage(self) -> Stage | None:
        """The stage with what the tests need and no more.

        It is "test", if it is generated, copies TEST_LOCK, or if uv installs the group `test` there.
        """
        stage = self.dockerfile.stage("test")
        copies = (one.rest for one in stage.instructions if one.keyword == "COPY") if stage else ()
        runs = (one.rest for one in stage.instructions if one.keyword == "RUN") if stage else ()
        is_for_tests = any(TEST_LOCK in text.split() for text in copies) or any(
            "--group test" in " ".join(text.split()) for text in runs
        )
        return stage if is_for_tests or self.paths.is_generated else None

    @property
    def dev_stage(self) -> Stage:
        """The stage of the dev container: the one of that name, else the last."""
        return self.dockerfile.stage(self.settings.dev_stage) or self.dockerfile.last
