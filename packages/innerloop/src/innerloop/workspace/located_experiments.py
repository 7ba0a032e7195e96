"""Finds the experiments of a workspace on disk: the folders under src/, links in it, declarations."""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..model import environment_source, experiment_paths
from ..model.container import is_image_name
from ..model.dockerfiles import generated
from ..model.environment_source import LOCK_KINDS, EnvironmentSource
from ..model.experiment_paths import (
    DOCKERFILE,
    ENVIRONMENT,
    LOCK,
    SETTINGS_FILE,
    SOURCES,
    ExperimentPaths,
    OwnSource,
)
from ..model.settings.declarations import Declaration, inner_path
from ..util.errors import UserError
from ..util.position import Position
from ..util.quick_dataclasses import dataclass

# A link under src/ leads to experiments of at most so many parts: as many as a name has.
_DEEPEST = 3
# Windows' error for links that lead to each other.
_CIRCULAR_ON_WINDOWS = 1921

Read = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Located:
    """The names of the experiments, sorted, and the paths of those that are not in `src/<name>/`."""

    names: tuple[str, ...]
    paths: Mapping[str, ExperimentPaths]


def find(root: Path, declared: Mapping[str, Declaration], not_code: frozenset[str]) -> Located:
    """The experiments; `not_code` are names of folders that hold none.

    A declaration replaces the paths of the folder of its name. Two names that would use the same
    files and images are an error of those experiments, not of the workspace.
    """
    folders = dict(_below(root, not_code))
    paths = {name: one for name, one in folders.items() if one is not None}
    paths |= {name: locate(root, declaration) for name, declaration in declared.items()}
    return Located(tuple(sorted({*folders, *declared})), paths)


def _below(root: Path, not_code: frozenset[str]) -> Iterator[tuple[str, ExperimentPaths | None]]:
    """Each experiment under src/, with its paths if a link leads to it.

    Experiments are not nested. A link to a folder of the workspace outside of src/ is followed, each
    folder once; one that leads out of the workspace, back into src/ or to a folder around it is not.
    """
    seen: set[str] = set()
    real_root = os.path.realpath(root)
    sources = os.path.realpath(root / SOURCES)

    def of(
        folder: str, prefix: str, real: str, link: str
    ) -> Iterator[tuple[str, ExperimentPaths | None]]:
        """`real`: the folder from the root, if a link led to it; `link`: that of an experiment."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            if entry.name.startswith(".") or entry.name in not_code:
                continue
            if not prefix and entry.name == "common":
                continue
            path, at = entry.path, f"{real}/{entry.name}" if real else ""
            if entry.is_symlink():
                target = _target(path, real_root, sources)
                if target is None or target in seen:
                    continue
                seen.add(target)
                path, at = target, os.path.relpath(target, real_root).replace(os.sep, "/")
            elif not entry.is_dir(follow_symlinks=False):
                continue
            name, shown = prefix + entry.name, f"{link}/{entry.name}"
            if os.path.isfile(os.path.join(path, ENVIRONMENT, DOCKERFILE)):
                yield name, experiment_paths.default_paths(name, at, shown) if at else None
            elif not at or len(name.split("/")) < _DEEPEST:
                yield from of(path, f"{name}/", at, shown)

    yield from of(str(root / SOURCES), "", "", SOURCES)


def _target(link: str, root: str, sources: str) -> str | None:
    """The folder of the workspace, outside of src/, that a link leads to; None for any other."""
    target = os.path.realpath(link)
    inside = target.startswith(root.rstrip(os.sep) + os.sep)
    in_sources = f"{target}{os.sep}".startswith(f"{sources}{os.sep}")
    around = f"{sources}{os.sep}".startswith(f"{target}{os.sep}")
    return target if inside and not in_sources and not around and os.path.isdir(target) else None


def locate(root: Path, declaration: Declaration) -> ExperimentPaths:
    """The paths of a declared experiment. What does not exist is the error of `require`."""
    written = dict(declaration.paths)
    name = declaration.name
    usual = experiment_paths.default_folder(name)
    folder = written.get("folder", usual)
    if "folder" not in written and "job" in written and not (root / usual).is_dir():
        folder = posixpath.dirname(written["job"]) or "."
    link = ""
    if os.path.islink(root / folder) and (real := _real(root, folder)):
        folder, link = real, folder
    paths = experiment_paths.default_paths(name, folder, link)
    paths = replace(
        paths,
        job=written.get("job", paths.job),
        tests=written.get("tests", ""),
        devcontainer=written.get("devcontainer", ""),
        settings=_settings_of(root, declaration, folder),
        keys=frozenset(written),
    )
    return _with_environment(root, declaration, paths)


def _real(root: Path, path: str) -> str:
    """The path of what a link leads to, from the root; "" for something outside of it."""
    real, top = os.path.realpath(root / path), os.path.realpath(root)
    if not real.startswith(top.rstrip(os.sep) + os.sep):
        return ""
    return os.path.relpath(real, top).replace(os.sep, "/")


def _settings_of(root: Path, declaration: Declaration, folder: str) -> str:
    """The file that the experiment's settings are in. At the root it holds the declarations."""
    beside = experiment_paths.join(folder, SETTINGS_FILE)
    is_own = folder != "." and (root / beside).is_file()
    return beside if is_own else declaration.file


def _with_environment(
    root: Path, declaration: Declaration, paths: ExperimentPaths
) -> ExperimentPaths:
    written = declaration.paths
    text = written.get("environment")
    context = written.get("context")
    if text is None:
        if not (root / paths.dockerfile).is_file():
            return replace(paths, source="none", context=context or paths.context)
        if context is None:
            return paths
        return with_dockerfile(root, paths, paths.dockerfile, context)
    path, source = _environment(root, text, declaration.position("environment"))
    if source == "image":
        return with_image(paths, path)
    if source == "dockerfile":
        return with_dockerfile(root, paths, path, context or posixpath.dirname(path) or ".")
    return with_file(paths, declaration.name, path, source, context)


def _environment(root: Path, text: str, where: Position) -> tuple[str, OwnSource]:
    """The path of an environment's file, or an image, and which of them it is by its name.

    No file is read: a YAML file may turn out to be that of an Azure ML environment (`source_in`), and
    what is wrong is the error of `require`.
    """
    last = text.rpartition("/")[2]
    if not (root / text).exists() and (":" in last or "@" in last) and is_image_name(text):
        return text, "image"
    path = inner_path(text, where)
    try:
        path = environment_source.file_of(
            path, lambda name: "" if (root / name).is_file() else None, where
        )
    except UserError:
        return path, "dockerfile"
    return path, environment_source.kind_by_name(posixpath.basename(path)) or "conda"


def source_in(paths: ExperimentPaths, read: Read) -> EnvironmentSource:
    """The environment's file and its kind by what it says. UserError as `environment_source`."""
    return environment_source.source_of(paths.environment, read, paths.environment)


def with_dockerfile(
    root: Path, paths: ExperimentPaths, dockerfile: str, context: str
) -> ExperimentPaths:
    """The environment is a Dockerfile anywhere, with any folder for its build."""
    beside = [experiment_paths.join(posixpath.dirname(dockerfile) or ".", LOCK)]
    beside += [experiment_paths.join(place, LOCK) for place in (context, paths.folder)]
    lock = next((path for path in beside if (root / path).is_file()), beside[0])
    return replace(
        paths,
        environment=dockerfile,
        dockerfile=dockerfile,
        context=context,
        lock=lock,
        source="dockerfile",
        is_shared=True,
    )


def with_image(paths: ExperimentPaths, image: str) -> ExperimentPaths:
    """The environment is an image: nothing is built."""
    return replace(paths, environment=image, dockerfile="", context="", lock="", source="image")


def with_file(
    paths: ExperimentPaths,
    name: str,
    path: str,
    source: OwnSource,
    context: str | None = None,
) -> ExperimentPaths:
    """The environment is a conda file or a lock: its Dockerfile is generated."""
    return replace(
        paths,
        environment=path,
        dockerfile=experiment_paths.generated_dockerfile(name),
        context=context or posixpath.dirname(path) or ".",
        lock=path if source in LOCK_KINDS else "",
        source=source,
        is_shared=True,
    )


def require(root: Path, declaration: Declaration, paths: ExperimentPaths, read: Read) -> None:
    """UserError for a declared path that does not exist, or that a link leads out with.

    And for an environment that is of no known kind, or a project without a lock.
    """
    top = os.path.realpath(root)
    for key, text in declaration.paths.items():
        where = declaration.position(key)
        if key == "environment" and paths.source == "image":
            continue
        # A folder may be named for the file in it, and a project for its lock.
        path = paths.environment if key == "environment" else text
        real = _existing(root, path, where, key)
        if real != top and not real.startswith(top.rstrip(os.sep) + os.sep):
            raise UserError(
                f"{path} leads out of the workspace",
                code="outside-workspace",
                where=where,
                hint="Name a file of the workspace",
            )
        if key == "environment":
            environment_source.source_of(path, read, where)
        wanted = {"folder": "folder", "context": "folder"}
        wanted |= dict.fromkeys(("job", "environment", "devcontainer"), "file")
        is_right = {"folder": os.path.isdir, "file": os.path.isfile}.get(wanted.get(key, ""))
        if is_right is not None and not is_right(real):
            raise UserError(
                f"{path} is not a {wanted[key]}",
                code="declared-path-missing",
                where=where,
                hint=f"Write the path of a {wanted[key]}",
            )
    if not (root / paths.folder).is_dir():
        raise UserError(
            f"{declaration.name} has no folder: there is no {paths.folder}",
            code="declared-path-missing",
            where=declaration.position(),
            hint=f'Write folder = "..." or job = "..." in [experiments.{declaration.name}]',
        )


def _existing(root: Path, path: str, where: Position, key: str) -> str:
    """The path without links of something that exists."""
    try:
        return os.path.realpath(root / path, strict=True)
    except OSError as error:
        is_circular = error.errno == errno.ELOOP or (
            getattr(error, "winerror", None) == _CIRCULAR_ON_WINDOWS
        )
    except ValueError:
        is_circular = False
    if is_circular:
        raise UserError(
            f"{path} is a link that leads back to itself",
            code="declared-path-circular",
            where=where,
            hint="Correct the link",
        )
    image = (
        ". An image is written with its tag, as python:3.11-slim" if key == "environment" else ""
    )
    raise UserError(
        f"there is no {path}",
        code="declared-path-missing",
        where=where,
        hint=f"Correct the path: it starts at the workspace's root{image}",
    )


def dockerfile_text(paths: ExperimentPaths, name: str, base: str, read: Read) -> str:
    """The text of the Dockerfile that is generated; `base` is the job's image, "" for none."""
    files: dict[str, None] = {paths.environment: None}

    def reading(path: str) -> str | None:
        text = read(path)
        if text is not None:
            files[path] = None
        return text

    text = read(paths.environment) or ""
    if paths.source in LOCK_KINDS and paths.source != "requirements":
        return generated.of_lock(name, paths.environment, _of_lock(paths, base, read))
    if paths.source == "conda":
        from ..model.jobs import conda  # YAML takes long to import

        packages = conda.parse(text, paths.environment, reading)
        copied = _in_context(files, paths)
        image = base or generated.CONDA_BASE
        return generated.of_conda(
            name, paths.environment, image, copied, packages.requirements, packages.constraints
        )
    _follow(text, posixpath.dirname(paths.environment), reading, files)
    from ..util import locked_environments  # only an experiment with such a file needs it

    image = base or generated.PYTHON_BASE
    copied = _in_context(files, paths)
    hashed = any("--hash=" in (read(path) or "") for path in files)
    uv = locked_environments.text_of("uv") if hashed else ""
    return generated.of_requirements(name, paths.environment, image, copied, uv=uv)


def _of_lock(paths: ExperimentPaths, base: str, read: Read) -> str:
    """The Dockerfile with a stage for the job, and those for tests and people that need more."""
    # What only an experiment with a lock needs, YAML among it, takes long to import.
    from ..model import environment_lock
    from ..model.dockerfiles import lock_dockerfile
    from ..model.environment_lock import LockUse
    from ..util import locked_environments

    source = source_in(paths, read)
    uses: tuple[LockUse, ...] = ("test", "dev", "job")
    locks = {use: environment_lock.lock_of(source, read, use, linux=True) for use in uses}
    job = locks["job"]
    beside = {posixpath.basename(path): path for path in (source.manifest, source.path) if path}
    files = [beside.get(name, source.path) for name, _ in job.files]
    inner = _in_context(dict.fromkeys(files), paths)
    places = {name: place for (name, _), place in zip(job.files, inner, strict=True)}
    uv = locked_environments.text_of("uv")
    return lock_dockerfile.of_uses(locks, base, uv=uv, places=places)


def _follow(text: str, folder: str, read: Read, files: Mapping[str, None]) -> None:
    """Read the files that a requirements file refers to, and those that they refer to."""
    from ..model import requirements

    for reference in requirements.references(text):
        path = experiment_paths.join(folder, reference)
        if path not in files and not path.startswith(("/", "..")) and (inner := read(path)):
            _follow(inner, posixpath.dirname(path), read, files)


def _in_context(files: Mapping[str, None], paths: ExperimentPaths) -> Sequence[str]:
    """The files' paths in the build's folder. UserError for one outside of it."""
    relative = [posixpath.relpath(path, paths.context) for path in files]
    for path, inner in zip(files, relative, strict=True):
        if inner.startswith(".."):
            raise UserError(
                f"{path} is outside of the build's context, {paths.context}",
                code="declared-path-outside-context",
                where=paths.environment,
                hint='Write context = "." in the experiment\'s table: a folder with all these files',
            )
    return relative
