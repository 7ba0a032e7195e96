"""Reads a workspace from disk into the values of `model`. Nothing else reads experiments."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar

from ..model import build_context, ignore_file, shared_code
from ..model.asset_files import AssetFile, AssetKind
from ..model.build_context import BuildContext
from ..model.dockerfiles import dockerfile, dockerignore
from ..model.experiment import MARK, Experiment, Link
from ..model.experiment_paths import JOB_FILE, SETTINGS_FILE, SOURCES, ExperimentPaths
from ..model.file_owners import owners_of
from ..model.folder_contents import FolderContents
from ..model.naming import slug_of
from ..model.paths import is_within
from ..model.settings import declarations, settings
from ..model.workspace import HOST, INSIDE, Workspace, resolve
from ..util import files, regular_files
from ..util.digests import sha256_for
from ..util.errors import UsageError, UserError, join_names
from ..util.position import Position
from ..util.printable import is_unicode
from . import (
    asset_catalogue,
    experiment_choice,
    folder_reader,
    located_experiments,
    missing_data,
    pytest_files,
    submodules,
    text_links,
)
from .read_states import LARGEST_SCRIPT, NOT_DATA, NOT_READ
from .root import as_on_disk, typed_below

if TYPE_CHECKING:  # a command that reads no job file should not wait for YAML
    from ..model.jobs.job import Environment, Job
    from ..model.settings.schedules import Schedule

# The largest file of a build's folder, in bytes.
LARGEST = 4_000_000_000


def open_workspace(root: Path) -> Workspace:
    """The settings and the names of the experiments. Reads no experiment.

    UserError for a root or an experiment whose name is not UTF-8: no container, image, generated file
    or service can have it.
    """
    _require_unicode(
        str(root), "the path of this workspace", "Move the workspace to another folder"
    )
    text = files.read_text(root / declarations.PYPROJECT)
    own = files.read_text(root / declarations.ROOT_SETTINGS)
    of_workspace = settings.of_workspace(text or "", declarations.PYPROJECT)
    declared = declarations.read({declarations.PYPROJECT: text, declarations.ROOT_SETTINGS: own})
    found = located_experiments.find(root, declared, NOT_READ)
    for name in found.names:
        _require_unicode(f"{SOURCES}/{name}", "the name of this experiment", "Rename the folder")
    return Workspace(
        root=str(root),
        settings=settings.of_root_file(own, declarations.ROOT_SETTINGS, of_workspace),
        experiments=found.names,
        host=_host_of(root),
        located=found.paths,
        declared=declared,
    )


def _require_unicode(path: str, what: str, hint: str) -> None:
    if not path.isascii() and not is_unicode(path):
        raise UserError(f"{what} is not UTF-8", code="name-not-utf8", where=path, hint=hint)


def _host_of(root: Path) -> str:
    """The workspace's folder on the host, if this is the workspace's dev container; else ""."""
    inside = os.environ.get(INSIDE, "")
    return os.environ.get(HOST, "") if inside and Path(inside) == root else ""


def choose_experiment(
    workspace: Workspace, word: str | None, cwd: Path, *, asks: bool = True
) -> Experiment:
    """The experiment that the person named, or the one of the current folder or container.

    The word may be a file of one: in its folder, its outputs or the shared code that it uses. A
    person at a terminal is asked where that leaves a choice (`asks`); UsageError otherwise.
    """
    marked = os.environ.get(MARK)
    if word is None and marked in workspace.experiments and not _in_an_experiment(workspace, cwd):
        word = marked
    if word is not None and os.path.isabs(word):  # as an editor has the folder
        word = typed_below(Path(workspace.root), word) or word
    try:
        here = cwd.resolve().relative_to(workspace.root).as_posix()
    except ValueError:
        here = None
    try:
        name = resolve(workspace, word, here)
    except UsageError as error:
        chosen = _chosen(workspace, word, cwd, error) if asks else None
        if chosen is None:
            raise
        name = chosen
    return open_experiment(workspace, name)


def _chosen(workspace: Workspace, word: str | None, cwd: Path, error: UsageError) -> str | None:
    """The experiment of a file outside of the experiments' folders, or the one that is asked for.

    None if neither is possible. The hint of the error then names the experiments that share the
    file.
    """
    if error.code not in ("experiment-unnamed", "experiment-unknown"):
        return None
    root = Path(workspace.root)
    path = None if word is None else experiment_choice.file_of(root, word, cwd)
    if word is not None and path is None:
        return None
    located = {name: workspace.paths_of(name) for name in workspace.experiments}
    links = {name: tuple(links_of(root, root / one.folder)) for name, one in located.items()}
    owners = owners_of(path, located, links) if path is not None else []
    if len(owners) > 1:
        error.what = f'"{word}" belongs to several experiments'
        error.hint = f"Name one of {join_names(owners)}"
    return experiment_choice.pick(workspace, owners or workspace.experiments, is_owner=bool(owners))


def _in_an_experiment(workspace: Workspace, cwd: Path) -> bool:
    try:
        here = cwd.resolve().relative_to(workspace.root).as_posix()
    except ValueError:
        return False
    return bool(workspace.owners_of(here))


def current_experiment() -> str | None:
    """The experiment whose dev container this is; None outside of one."""
    return os.environ.get(MARK) or None


def open_experiment(workspace: Workspace, name: str) -> Experiment:
    """An experiment, with what its files say. UserError for one that cannot be used."""
    root = Path(workspace.root)
    paths, declaration = workspace.paths_of(name), workspace.declared.get(name)
    if declaration is not None:
        located_experiments.require(root, declaration, paths, WorkspaceFiles(root).read)
    _require_own_slug(workspace, name)
    own_settings = _settings_of(workspace, name, paths)
    if declaration is not None and paths.source != "dockerfile":
        paths, built = _environment_of(root, name, paths, own_settings.environment.base)
    elif (text := files.read_text(root / paths.dockerfile)) is None:
        raise UserError("there is no Dockerfile", code="dockerfile-missing", where=paths.dockerfile)
    else:
        built = dockerfile.parse(text, paths.dockerfile)
    folder = root / paths.folder
    links = tuple(links_of(root, folder))
    names = tuple(sorted(entry.name for entry in os.scandir(folder)))
    common_tests = tuple(_common_tests(root, links))
    return Experiment(
        name=name,
        dockerfile=built,
        settings=own_settings,
        links=links,
        files=names,
        pytest=pytest_files.layout(root, paths.folder, names, common_tests, paths.tests),
        located=paths,
    )


def require_environment(workspace: Workspace, experiment: Experiment) -> None:
    """UserError for an experiment that has no environment of its own, so that nothing is built."""
    if experiment.is_own:
        return
    declaration = workspace.declared.get(experiment.name)
    raise UserError(
        f"{experiment.name} has no environment of its own",
        code="environment-undeclared",
        where=declaration.position() if declaration else experiment.folder,
        hint=f'Write environment = "PATH" in [experiments.{experiment.name}]: a Dockerfile, a conda '
        "file, a requirements file or an image",
    )


def own_link_of(workspace: Workspace, name: str) -> str:
    """The link that is the experiment, from the root; "" for one that is a folder or declared.

    UserError for an experiment below a link, which cannot be moved without the others.
    """
    paths = workspace.paths_of(name)
    if not paths.link or name in workspace.declared:
        return ""
    if not os.path.islink(Path(workspace.root, paths.link)):
        raise UserError(
            f"{name} is in a folder that a link under {SOURCES}/ leads to",
            code="experiment-linked",
            where=paths.link,
            hint=f"Rename or remove {paths.folder} by hand, then `scripts/loop sync`",
        )
    return paths.link


def declarations_of(workspace: Workspace, name: str) -> tuple[declarations.Declaration, ...]:
    """The tables that declare an experiment, one for each file that has one; empty for none."""
    if name not in workspace.declared:
        return ()
    found = []
    for file in (declarations.PYPROJECT, declarations.ROOT_SETTINGS):
        text = files.read_text(Path(workspace.root, file))
        found += [one for one in (declarations.read({file: text}).get(name),) if one is not None]
    return tuple(found)


def _require_own_slug(workspace: Workspace, name: str) -> None:
    """UserError if another experiment would use the same files and images."""
    if len(twins := _by_slug(workspace.experiments).get(slug_of(name), [])) < 2:
        return
    other = next(twin for twin in twins if twin != name)
    declaration = workspace.declared.get(name)
    raise UserError(
        f"{name} and {other} would use the same files and images, named {slug_of(name)}",
        code="experiment-ambiguous",
        where=declaration.position() if declaration else workspace.paths_of(name).folder,
        hint="Choose another name" if declaration else "Rename one of the folders by hand",
    )


def _settings_of(workspace: Workspace, name: str, paths: ExperimentPaths) -> settings.Settings:
    """The experiment's settings: those beside its code, and on top those of its declaration."""
    declaration = workspace.declared.get(name)
    file = posixpath.join(paths.folder, SETTINGS_FILE)
    text = files.read_text(Path(workspace.root, file)) if paths.folder != "." else None
    own = settings.of_experiment(text, file, workspace.settings)
    return own if declaration is None else declaration.settings_on(own)


def _environment_of(
    root: Path, name: str, paths: ExperimentPaths, base: str
) -> tuple[ExperimentPaths, dockerfile.Dockerfile]:
    """The environment of a declared experiment that is no Dockerfile, and what builds it.

    Without a declared environment it is the one that the job names, if that is a file or an image.
    `base`: the image to start from, "" for that of the job or the usual one.
    """
    from ..model.jobs.environment_file import environment_of
    from ..model.jobs.job import Environment

    read = WorkspaceFiles(root).read
    named = Environment("none")
    if (text := files.read_text(root / paths.job)) is not None:
        job = _job_with_environment(text, paths.job)
        if job.environment.kind != "registered" or paths.source == "none":
            with suppress(UserError):  # a run says what is wrong with it
                named = environment_of(job, read)
    image = named.image or ""
    image = "" if image.startswith("azureml:") else image
    if paths.source == "conda":
        paths = replace(paths, source=located_experiments.source_in(paths, read).kind)
    if paths.source == "asset":
        paths, named = _of_asset(root, name, paths, read)
        image = named.image or ""
    elif paths.source == "none":
        paths = _as_named(root, name, paths, named, image)
    if paths.source == "dockerfile":
        text = files.read_text(root / paths.dockerfile) or ""
    elif paths.source == "image":
        text = f"FROM {paths.environment}\n"
    elif paths.source == "none":
        text = "FROM scratch\n"
    else:
        text = located_experiments.dockerfile_text(paths, name, base or image, read)
    return paths, dockerfile.parse(text, paths.dockerfile or paths.job)


def _job_with_environment(text: str, name: str) -> Job:
    """The job of a declared experiment, for its environment alone.

    What else is wrong with it, as an input without a value, is said by what needs it. UserError if
    the environment cannot be known.
    """
    from ..model.jobs.job import read_job
    from ..util import yaml_text

    job, problems = read_job(yaml_text.parse(text, name))
    if job is None or (problems and job.environment.kind == "none"):
        raise problems[0]
    return job


def _of_asset(
    root: Path, name: str, paths: ExperimentPaths, read: Callable[[str], str | None]
) -> tuple[ExperimentPaths, Environment]:
    """The paths with what an Azure ML environment's file names. UserError if that is not here."""
    from ..model.jobs.environment_file import environment_in

    file = paths.environment
    named = environment_in(read(file) or "", file, paths.job)
    image = named.image or ""
    resolved = _as_named(root, name, replace(paths, source="none"), named, image)
    if resolved.source == "none" or image.startswith("azureml:"):
        raise UserError(
            f"{file} names no environment that is in this workspace",
            code="environment-source-missing",
            where=file,
            hint="Correct its build.path, its conda_file or its image",
        )
    return resolved, named


def _as_named(
    root: Path, name: str, paths: ExperimentPaths, named: Environment, image: str
) -> ExperimentPaths:
    """The paths with the environment that the job names; unchanged if there is no file of it."""

    def below(text: str) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(paths.job), text))

    if named.kind == "build":
        context = below((named.path or ".").replace("\\", "/"))
        path = posixpath.normpath(posixpath.join(context, named.dockerfile))
        if not path.startswith("..") and (root / path).is_file():
            return located_experiments.with_dockerfile(root, paths, path, context)
    if named.kind == "conda" and isinstance(named.conda_file, str):
        path = below(named.conda_file.replace("\\", "/"))
        if not path.startswith("..") and (root / path).is_file():
            return located_experiments.with_file(paths, name, path, "conda")
    if named.kind == "image" and image:
        return located_experiments.with_image(paths, image)
    return paths


@cache
def _by_slug(names: tuple[str, ...]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(slug_of(name), []).append(name)
    return groups


def _common_tests(root: Path, links: Sequence[Link]) -> Iterator[str]:
    for place in shared_code.places_of_tests({link.target for link in links}):
        if (root / place).is_file() or (not place.endswith(".py") and (root / place).is_dir()):
            yield place


def choose_job(
    workspace: Workspace, word: str | None, file: str | None, cwd: Path
) -> tuple[Experiment, str]:
    """The experiment, or the folder that is used as one, and its job file, relative to it.

    `word` is an experiment, a job file anywhere in the workspace, or a folder with one.
    """
    path = None if word is None else _job_file(workspace, word, file or JOB_FILE, cwd)
    if path is not None:
        experiment = experiment_for_job(workspace, path)
        return experiment, posixpath.relpath(path, experiment.folder)
    try:
        experiment = choose_experiment(workspace, word, cwd)
    except UserError:
        if word is None and file is not None and (cwd / file).is_file():
            return choose_job(workspace, file, None, cwd)  # in the current folder
        if word is not None and (names := _job_files_of(workspace, word, cwd)):
            what, hint = f"{word} has no {file or JOB_FILE}", f"Name its job file: {names}"
            raise UsageError(what, code="job-file-missing", hint=hint) from None
        raise
    beside = Path(workspace.root, experiment.folder, file or experiment.job_file)
    if file is not None and not beside.is_file() and (cwd / file).is_file():
        path = _relative(Path(workspace.root), str((cwd / file).resolve()))
        return experiment, posixpath.relpath(path, experiment.folder)
    return experiment, file or experiment.job_file


def _job_file(workspace: Workspace, word: str, file: str, cwd: Path) -> str | None:
    """The path of the job file that a word names, relative to the root.

    None if it is not a path: it may be an experiment's name.
    """
    root = Path(workspace.root)
    plain = word.replace("\\", "/").rstrip("/")
    is_file = plain.lower().endswith((".yml", ".yaml"))
    if not plain or plain in workspace.experiments:
        return None
    for base in (cwd, root, root / SOURCES):
        path = base / plain if is_file else base / plain / file
        if path.is_file():
            relative = typed_below(root, path)
            if relative is None:
                raise UserError(
                    f"{word} is outside the workspace",
                    code="outside-workspace",
                    where=workspace.root,
                    hint="Copy it into the workspace, with the code that it uses",
                )
            relative = as_on_disk(root, relative)
            own = not is_file and any(
                workspace.paths_of(name).folder == posixpath.dirname(relative)
                for name in workspace.experiments
            )
            return None if own else relative
    if is_file:
        raise UserError(
            f"there is no job file {word}", code="job-file-missing", hint="Check its path"
        )
    return None


def _job_files_of(workspace: Workspace, word: str, cwd: Path) -> str:
    """The first YAML files of the folder that a word names.

    The result is "" if it is not a folder, or has a job file.
    """
    root = Path(workspace.root)
    folder = next(
        (base / word for base in (cwd, root, root / SOURCES) if (base / word).is_dir()), None
    )
    if folder is None or (folder / JOB_FILE).is_file():
        return ""
    names = sorted(path.name for path in folder.glob("*.y*ml"))
    plain = word.replace("\\", "/").rstrip("/")
    return ", ".join(f"{plain}/{name}" for name in names[:4])


def experiment_for_job(workspace: Workspace, job_file: str) -> Experiment:
    """The experiment that a job file belongs to; its path is relative to the root.

    Outside of the experiments, its folder is used as one: without an environment, possibly with
    innerloop.toml.
    """
    owners = workspace.owners_of(job_file)
    if len(owners) == 1:
        return open_experiment(workspace, owners[0])
    if len(owners) > 1 and all(workspace.paths_of(name).job == job_file for name in owners):
        raise UsageError(
            f"{job_file} is the job of several experiments",
            code="experiment-ambiguous",
            hint=f"Name one of {join_names(owners)}",
        )
    at = os.path.dirname(job_file)
    folder = Path(workspace.root, at)
    toml = posixpath.join(at, SETTINGS_FILE)
    return Experiment(
        name=at.removeprefix(f"{SOURCES}/") or workspace.name,
        dockerfile=dockerfile.parse("FROM scratch\n", job_file),
        settings=settings.of_experiment(
            files.read_text(folder / SETTINGS_FILE), toml, workspace.settings
        ),
        links=tuple(links_of(Path(workspace.root), folder)),
        files=tuple(sorted(entry.name for entry in os.scandir(folder))),
        at=at or ".",
    )


def open_job(
    workspace: Workspace,
    experiment: Experiment,
    file: str | None = None,
    sets: Sequence[str] = (),
) -> Job:
    """Parse the experiment's job file, with the changes of `--set`.

    `file` is relative to the experiment's folder; None: its own. UserError if it is missing or
    invalid.
    """
    file = file or experiment.job_file
    name = posixpath.normpath(posixpath.join(experiment.folder, file.replace("\\", "/")))
    text = files.read_text(Path(workspace.root, name))
    if text is None:
        raise UserError(
            "there is no such job file",
            code="job-file-missing",
            where=name,
            hint="`scripts/loop help job` shows the shortest one",
        )
    if sets:
        from ..model.jobs.overrides import parse_job_with

        return parse_job_with(text, name, sets)
    from ..model.jobs.job import parse_job

    return parse_job(text, name)


def open_schedule(workspace: Workspace, experiment: Experiment) -> Schedule:
    """The experiment's `[schedule]`. UserError if it has none or it is invalid."""
    if experiment.settings.schedule is None:
        raise UserError(
            "there is no [schedule]",
            code="schedule-missing",
            where=experiment.paths.settings,
            hint='Add [schedule] and below it cron = "0 3 * * 1" (Mondays at 3:00 UTC)',
        )
    from ..model.settings.schedules import read

    return read(experiment.settings.schedule, workspace.settings.orchestrators.names)


MOST_MEASURED = 50_000


def _measure(folder: Path) -> tuple[int, int]:
    rules = ignore_file.IgnoreRules()
    for name in (".amlignore", ".gitignore"):
        try:
            text = files.read_text(folder / name)
            if text is not None:
                rules = ignore_file.parse(text, name)
                break
        except UserError:
            break
    count = size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, folder).replace(os.sep, "/")
            if rules.rules and rules.excluding_rule(relative) is not None:
                continue
            with suppress(OSError):
                size += os.stat(path).st_size
                count += 1
        if count >= MOST_MEASURED:
            break
    return count, size


class WorkspaceFiles:
    """The workspace's files for the rules of `model.lint`. Paths are relative to the root."""

    # What `cli.output_cache` has to know besides src/: paths outside of it that were asked for in
    # this process, paths of which only matters what is there (whatever it contains), folders whose
    # files were looked at, and what makes the next answer another one whatever the files are.
    consulted: ClassVar[set[str]] = set()
    places: ClassVar[set[str]] = set()
    searched: ClassVar[set[str]] = set()
    uncacheable: ClassVar[set[str]] = set()
    # The bytes of the folders that were measured.
    measured: ClassVar[set[int]] = set()

    def __init__(self, root: Path, *, finds_assets: bool = True) -> None:
        """Without `finds_assets` no file stands for what Azure ML keeps, as for a submission."""
        self.root = root
        self.finds_assets = finds_assets

    def exists(self, path: str) -> bool:
        try:
            return self._path(path).exists()
        except (OSError, ValueError):  # a cycle of links; no path at all
            return False

    def is_dir(self, path: str) -> bool:
        try:
            return self._path(path).is_dir()
        except (OSError, ValueError):
            return False

    def read(self, path: str) -> str | None:
        file = self._path(path)
        try:
            is_file = file.is_file()
        except (OSError, ValueError):
            is_file = False
        return files.read_text(file) if is_file else None

    def links(self, folder: str) -> Sequence[tuple[str, str]]:
        if not self.is_dir(folder):
            return []
        if not is_in_src(folder):
            self.searched.add(folder)
        found = [
            (_from(self.root, link), os.readlink(link).replace("\\", "/"))
            for link in _links_below(self._path(folder))
        ]
        texts = text_links.below(self.root, posixpath.normpath(folder))
        return [*found, *((link.path, link.text) for link in texts)]

    def context_size(self, folder: str) -> tuple[int, int]:
        """Number and bytes of the files of a build context that Azure ML's client would send.

        At most `MOST_MEASURED` files are counted.
        """
        if not is_in_src(folder):
            self.searched.add(folder)
        count, size = _measure(self.root / folder)
        self.measured.add(size)
        return count, size

    @classmethod
    def room(cls) -> int:
        """Bytes that the folders which were measured may get before a rule says that one is large.

        Below 0 where one is.
        """
        from ..model.lint.code_rules import LARGE  # here: most commands measure nothing

        return LARGE - 1 - max(cls.measured, default=0)

    def contents(self, path: str) -> FolderContents:
        """What a folder of code or data holds besides ordinary files."""
        contents = folder_reader.read(self._path(path), NOT_READ if is_in_src(path) else NOT_DATA)
        if not is_in_src(path):
            self.searched.add(path)
        return contents

    def missing_submodules(self, path: str) -> Sequence[str]:
        """Submodules at the path, above or below it, that are not checked out."""
        return submodules.missing_below(self.root, os.path.realpath(self.root / path))

    def find_asset(
        self, kind: AssetKind, reference: str, job_file: str, where: Position | str
    ) -> AssetFile | None:
        """The file of the workspace that stands for `azureml:NAME`; see `asset_files.choose`.

        Raises `UserError` if no version fits, or if the choice is not clear.
        """
        if not self.finds_assets:
            return None
        root = Path(os.path.normpath(self.root))
        return asset_catalogue.find(root, kind, reference, job_file, where)

    def remedy(self, path: str) -> str:
        """A command that fetches data that do not exist; "" if none is known."""
        return missing_data.remedy(self.root, path)

    def is_outside(self, target: str) -> bool:
        """Whether a path without links is outside of the workspace."""
        real = os.path.realpath(self.root)
        return target != real and not target.startswith(real.rstrip(os.sep) + os.sep)

    def start_of(self, path: str) -> bytes:
        """The first bytes of a regular file; b"" for one that cannot be read or is large."""
        try:
            return regular_files.read_bytes(self._path(path), LARGEST_SCRIPT, is_read=False)
        except (OSError, UserError):
            return b""

    def is_executable(self, path: str) -> bool:
        """Whether the file can be started; always where the file system keeps no such bit."""
        return os.name == "nt" or os.access(self._path(path), os.X_OK)

    def _path(self, path: str) -> Path:
        if not is_in_src(path):
            self.consulted.add(path)
        resolved = text_links.resolve(self.root, path)
        if resolved != path and not is_in_src(resolved):
            self.consulted.add(resolved)
        return self.root / resolved


class EditedFiles(WorkspaceFiles):
    """The workspace's files with the text of one as it is in an editor, saved or not."""

    def __init__(self, root: Path, path: str, text: str) -> None:
        super().__init__(root)
        self.path, self.text = path, text

    def exists(self, path: str) -> bool:
        return posixpath.normpath(path) == self.path or super().exists(path)

    def read(self, path: str) -> str | None:
        return self.text if posixpath.normpath(path) == self.path else super().read(path)


def path_in(workspace: Workspace, word: str, cwd: Path) -> str:
    """The path of a file that an editor names, relative to the root; it need not exist.

    UserError for one outside of the workspace.
    """
    root = Path(workspace.root)
    relative = typed_below(root, cwd / word.replace("\\", "/"))
    if relative is None or relative == ".":
        raise UserError(
            f"{word} is outside the workspace",
            code="outside-workspace",
            where=workspace.root,
            hint="Copy it into the workspace, with the code that it uses",
        )
    return as_on_disk(root, relative)


def is_in_src(path: str) -> bool:
    """Whether a path is below src/, and not in a folder that holds no code."""
    first, *parts = posixpath.normpath(path).split("/")
    return first == "src" and not NOT_READ.intersection(parts)


def context_of(workspace: Workspace, experiment: Experiment) -> BuildContext:
    """The folder from which the experiment's environment is built."""
    paths = experiment.paths
    folder = str(Path(workspace.root, paths.context))
    if not paths.is_shared:
        return BuildContext(folder)
    built = experiment.dockerfile
    text = dockerfile.whole(built) if paths.is_generated else ""
    text = text or files.read_text(Path(workspace.root, paths.dockerfile)) or ""
    return build_context.shared(folder, built, paths.dockerfile_in_context, text, paths.context)


def as_context(folder: Path | BuildContext) -> BuildContext:
    """The folder as one in which every file counts, unless it says which do."""
    return folder if isinstance(folder, BuildContext) else BuildContext(folder.as_posix())


def digest_of(folder: Path | BuildContext) -> str:
    """A digest of a folder: the files' names, contents and executable bits.

    It is the same on every system: paths are sorted and have "/", and carriage returns before line
    feeds are ignored. Of a shared folder it covers the Dockerfile and the files that count.
    """
    context = as_context(folder)
    top = Path(context.folder)
    paths = sorted(files_below(context), key=lambda path: path.relative_to(top).as_posix())
    total = sha256_for(sum(map(_size, paths)))
    total.update(context.text.replace("\r\n", "\n").encode())
    for path in paths:
        content = regular_files.read_or_fail(path, LARGEST).replace(b"\r\n", b"\n")
        executable = os.name != "nt" and os.access(path, os.X_OK)
        name = path.relative_to(top).as_posix()
        total.update(
            f"{name}\0{int(executable)}\0{len(content)}\0".encode("utf-8", "surrogateescape")
        )
        total.update(content)
    return total.hexdigest()


def _size(path: Path) -> int:
    """In bytes; 0 for a file that has just gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def files_below(folder: Path | BuildContext) -> Iterator[Path]:
    """The files of a folder that a build gets: those that count in its digest."""
    context = as_context(folder)
    top = Path(context.folder)
    ignored = ignored_in(top)
    for parent, folders, names in os.walk(top):
        above = Path(parent).relative_to(top)
        folders[:] = [name for name in folders if context.enters((above / name).as_posix())]
        for name in names:
            path = Path(parent, name)
            inner = path.relative_to(top).as_posix()
            if context.counts(inner) and not ignored(inner) and path.is_file():
                yield path


def ignored_in(folder: Path) -> Callable[[str], bool]:
    """Whether a build from the folder ignores a file; its path is relative, with "/"."""
    return dockerignore.matcher(files.read_text(folder / dockerignore.NAME) or "")


def links_of(root: Path, folder: Path) -> Iterator[Link]:
    """The links in a folder that lead out of it, and those in their targets."""
    seen: set[str] = set()
    todo = [folder]
    while todo:
        for link in _links_below(todo.pop()):
            target = os.path.realpath(link)
            if target == str(folder) or target.startswith(str(folder) + os.sep):
                continue
            place = _from(root, link)
            yield Link(path=place, target=_relative(root, target))
            if target not in seen and os.path.isdir(target):
                todo.append(Path(target))
            seen.add(target)
    own = _from(root, folder)
    for path, target in text_links.targets(root, own).items():
        if not is_within(target, own):
            yield Link(path=path, target=target, is_text=True)


def _from(root: Path, path: Path) -> str:
    """Relative to the root with "/"; begins with ".." outside of it."""
    return os.path.relpath(path, root).replace("\\", "/")


def _links_below(folder: Path) -> Iterator[Path]:
    """Folders without permission are skipped, and so is the root of a file system."""
    plain = os.path.normpath(folder)
    if plain == os.path.dirname(plain):
        return
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        if entry.is_symlink():
            yield Path(entry.path)
        elif entry.name not in NOT_READ and entry.is_dir(follow_symlinks=False):
            yield from _links_below(Path(entry.path))


def _relative(root: Path, target: str) -> str:
    """Relative to the root with "/"; outside of the workspace, the absolute path."""
    if target.startswith(str(root) + os.sep):
        return PurePosixPath(*Path(target).relative_to(root).parts).as_posix()
    return target
