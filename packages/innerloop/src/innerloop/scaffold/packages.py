"""Packages of an experiment: what its requirements files name, and the locks that pin it.

The locks are compiled in a copy of environment/ outside of the workspace. The files are written at
the end, all in one change: an error and Ctrl-C leave them as they were.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..local import uv
from ..model import cpu_lock, requirements
from ..model.experiment import Experiment
from ..model.experiment_paths import ExperimentPaths
from ..model.requirements import Requirement, RequirementEdit
from ..model.workspace import Workspace
from ..sync import engine
from ..util import files, locked_environments, regular_files, wheels
from ..util.errors import UserError, join_names
from ..util.quick_dataclasses import dataclass
from ..util.undo_journal import Write
from ..workspace import loader

# The files of requirements, without their ending: for the job, for people, for the tests.
JOB, DEV, TEST = "requirements", "requirements-dev", "requirements-test"
PROJECT, UV_LOCK = "pyproject.toml", "uv.lock"
_TORCH = "torch-cpu"
# Beyond this size (bytes) a folder is no folder of requirements.
_MOST = 200_000_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done to `folder`, relative to the workspace's root.

    `edits`: what happened to each requirement in `source`; `written`: the files that changed;
    `versions`: the versions that are locked now, by package, for what was asked for; several where systems differ.
    """

    folder: str
    source: str
    edits: tuple[RequirementEdit, ...]
    written: tuple[str, ...]
    versions: Mapping[str, str]


def add(
    workspace: Workspace,
    experiment: Experiment,
    asked: Sequence[Requirement],
    kind: str = JOB,
    *,
    cpu: bool = False,
) -> Outcome:
    """Add requirements to the experiment's environment, and compile the locks that it concerns.

    `kind` is JOB, DEV or TEST; without a file for tests, what they need is with the tools of people.

    Without requirements all locks are compiled, as after an edit by hand. The lock for the CPU follows
    where it is there, and with `cpu` in any case. All files change or none.
    UserError if the environment has no requirements file, or no versions satisfy it.
    """
    root = Path(workspace.root)
    folder = _folder_of(experiment)
    while True:
        before = dict(_texts(root / folder))
        source = f"{DEV if kind == TEST and f'{TEST}.in' not in before else kind}.in"
        _require(root / folder, folder, source, before, experiment.paths)
        text, edits = requirements.edited(before[source], asked)
        after = {**before, source: text}
        for name in _to_compile(after, source, is_edited=text != before[source], is_all=not asked):
            after |= _compiled(root, folder, after, name)
        after |= _cpu_locks(workspace, folder, before, after, is_asked=cpu)
        changed = {name: new for name, new in after.items() if before.get(name) != new}
        if not changed or _put(root, experiment, folder, before, changed):
            lock = wheels.packages(after.get(f"{source[:-3]}.txt", ""))
            keys = {edit.new.key for edit in edits}
            versions = {
                key: join_names([package.version for package in lock if package.name == key])
                for key in sorted(keys)
            }
            return Outcome(folder, source, edits, tuple(sorted(changed)), versions)


def lock(workspace: Workspace, experiment: Experiment, *, cpu: bool = False) -> Outcome:
    """Compile the locks of the experiment's environment; with `cpu` also that for the CPU.

    They come from the requirements files. Where there are none, the lock for the job comes from the uv.lock
    or the pyproject.toml beside it, or else in the folder of the code. All files change or none.
    """
    root = Path(workspace.root)
    folder = _folder_of(experiment)
    while True:
        before = dict(_texts(root / folder))
        if any(name.endswith(".in") for name in before):
            return add(workspace, experiment, (), cpu=cpu)
        _require_requirements(root / folder, folder, before, experiment.paths)
        source, text = _exported(root, experiment, folder, before)
        after = {**before, f"{JOB}.txt": text}
        after |= _cpu_locks(workspace, folder, before, after, is_asked=cpu)
        changed = {name: new for name, new in after.items() if before.get(name) != new}
        if not changed or _put(root, experiment, folder, before, changed):
            return Outcome(folder, source, (), tuple(sorted(changed)), {})


def _folder_of(experiment: Experiment) -> str:
    return posixpath.dirname(experiment.paths.lock or experiment.paths.environment) or "."


def _exported(
    root: Path, experiment: Experiment, folder: str, texts: Mapping[str, str]
) -> tuple[str, str]:
    """(the project's file, the lock's text) of an experiment that has no requirements file."""
    for place in dict.fromkeys((folder, experiment.folder)):
        project = files.read_own(root / place / PROJECT)
        if project is None or not re.search(r"(?m)^\[project\]", project):
            continue
        locked = files.read_own(root / place / UV_LOCK)
        target = f"{JOB}.txt"
        with files.temporary_folder("innerloop-lock-") as copy:
            files.write_text(copy / PROJECT, project)
            if locked is not None:
                files.write_text(copy / UV_LOCK, locked)
                uv.export_lock(copy, target, locked_environments.reach(root))
            else:
                if target in texts:
                    files.write_text(copy / target, texts[target])
                reach = locked_environments.reach(root)
                uv.compile_lock(copy, PROJECT, target, requirements.USUAL, reach)
            text = regular_files.read_bytes(copy / target).decode("utf-8")
        name = UV_LOCK if locked is not None else PROJECT
        return posixpath.normpath(posixpath.relpath(posixpath.join(place, name), folder)), text
    raise UserError(
        f"{folder} has no {JOB}.in, and there is no {PROJECT} with a [project]",
        code="requirements-source-missing",
        where=folder,
        hint=f"Write what the code imports into {folder}/{JOB}.in, a package a line",
    )


def _cpu_locks(
    workspace: Workspace,
    folder: str,
    before: Mapping[str, str],
    after: Mapping[str, str],
    *,
    is_asked: bool,
) -> dict[str, str]:
    """The lock for the CPU, compiled if it is asked for, or if it is there and does not fit."""
    full = f"{JOB}.txt"
    cpu, lock = after.get(cpu_lock.name_of(full)), after.get(full)
    if lock is None or (cpu is None and not is_asked):
        return {}
    is_changed = before.get(full) != lock
    if cpu is None or is_asked or is_changed:
        return _cpu_lock(workspace, folder, after, full)
    source = after.get(f"{JOB}.in")
    is_old = bool(cpu_lock.outdated(source, lock, cpu))
    return _cpu_lock(workspace, folder, after, full) if is_old else {}


def _cpu_lock(
    workspace: Workspace, folder: str, texts: Mapping[str, str], full: str
) -> dict[str, str]:
    """The lock for the CPU beside a full lock, by its name. The versions are those of the full lock.

    PyTorch's packages come from the index that the settings name, and from no other; without it from the
    one that uv knows.
    """
    root, target = Path(workspace.root), cpu_lock.name_of(full)
    family = cpu_lock.family(texts[full])
    if not family:
        raise UserError(
            f"{full} pins no PyTorch, so its lock for the CPU would be the same",
            code="cpu-lock-needless",
            where=f"{folder}/{full}",
            hint="Add torch first: `scripts/loop add EXP torch`",
        )
    index = workspace.settings.torch_cpu_index
    source = f"{full[:-4]}.in"
    own = requirements.compile_options(texts.get(source, ""), texts[full])[0] or requirements.USUAL
    options = [word for word in own if not word.startswith("--torch-backend")]
    with files.temporary_folder("innerloop-lock-") as copy:
        _copy(root / folder, copy)
        for path, text in texts.items():
            files.write_text(copy / path, text.replace("\r\n", "\n"))
        if source not in texts:  # compiled from a project
            source = "locked.in"
            files.write_text(copy / source, cpu_lock.pins(texts[full]))
        files.remove(copy / target)
        more = [source] if not index else [source, f"{_TORCH}/{PROJECT}"]
        if index:
            files.write_text(copy / _TORCH / PROJECT, cpu_lock.project(family, index))
        else:
            options += ["--torch-backend", "cpu"]
        limits = ("--constraint", full)
        uv.compile_lock(
            copy,
            source,
            target,
            (*options, *limits),
            locked_environments.reach(root),
            more=more[1:],
            command="scripts/loop lock EXP --torch cpu",
        )
        text = regular_files.read_bytes(copy / target).decode("utf-8")
    return {target: cpu_lock.with_index(text, index or cpu_lock.INDEX)}


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    """The requirements files and locks of the folder, by name."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if name.endswith((".in", ".txt")) and "requirements" in name:
            text = files.read_own(folder / name)
            if text is not None:
                yield name, text


# The program that adds a package to a lock of its own.
_ADDING = {
    "uv": "Type `uv add --project {folder} --no-sync PACKAGE`",
    "poetry": "Type `poetry -C {folder} add --lock PACKAGE`",
    "pixi": "Type `pixi add --manifest-path {folder} --no-install PACKAGE`",
    "pylock": "Add the package where {path} comes from, and export that file again",
}


def _require(
    place: Path, folder: str, source: str, texts: Mapping[str, str], paths: ExperimentPaths
) -> None:
    adding = _ADDING.get(paths.source, "").format(folder=folder, path=paths.environment)
    if source in texts and not adding:
        return
    conda = next((name for name in _names(place) if name.endswith((".yml", ".yaml"))), "")
    if adding:
        hint = adding
    elif source == f"{DEV}.in":
        hint = f"Write {folder}/{source}, with a line `-c {JOB}.txt`, and install {DEV}.txt in the Dockerfile"
    elif {"pyproject.toml", "uv.lock"} <= set(_names(place)):
        hint = f"Type `uv add --project {folder} --no-sync PACKAGE`"
    elif f"{JOB}.txt" in texts:
        hint = (
            f"Write what the code imports into {folder}/{source}, a package a line, or add the "
            f"package to {JOB}.txt by hand"
        )
    elif conda:
        hint = f"Add the package to the dependencies in {folder}/{conda}, below `pip:` if conda has it not"
    else:
        hint = f"Add the package where {folder}/Dockerfile installs the others"
    raise UserError(
        f"{folder} has no {source}, to which a package could be added",
        code="requirements-source-missing",
        where=folder,
        hint=hint,
    )


def _require_requirements(
    place: Path, folder: str, texts: Mapping[str, str], paths: ExperimentPaths
) -> None:
    """UserError if the environment is installed from a lock of another program."""
    is_project = {PROJECT, UV_LOCK} <= set(_names(place)) and f"{JOB}.txt" not in texts
    if paths.source not in _ADDING and not is_project:
        return
    is_uv = is_project or paths.source == "uv"
    raise UserError(
        f"{folder} is not installed from requirements files",
        code="requirements-source-missing",
        where=folder,
        hint=(
            f"Type `uv lock --project {folder}`"
            if is_uv
            else f"Lock it by the program that wrote {paths.environment}"
        ),
    )


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _to_compile(
    texts: Mapping[str, str], source: str, *, is_edited: bool, is_all: bool
) -> list[str]:
    """The requirements files whose locks to compile, each after those it refers to.

    They are the edited one, those that refer to its lock, and those whose lock does not satisfy
    them; or all that have a lock.
    """
    sources = [name for name in texts if name.endswith(".in")]
    order = sorted(sources, key=lambda name: (len(_reached(texts, name)), name))
    chosen: list[str] = []
    for name in order:
        lock = texts.get(f"{name[:-3]}.txt")
        is_asked = name == source and (is_edited or lock is None)
        is_asked = is_asked or (is_all and lock is not None)
        follows = {f"{other[:-3]}.txt" for other in chosen} | set(chosen)
        depends = lock is not None and bool(follows & _reached(texts, name))
        is_old = lock is not None and bool(requirements.unlocked(texts[name], lock))
        if is_asked or depends or is_old:
            chosen.append(name)
    return chosen


def _reached(texts: Mapping[str, str], name: str) -> set[str]:
    """The names of the files of the folder that a requirements file refers to, on any way."""
    found: set[str] = set()
    left = [name]
    while left:
        for path in requirements.references(texts.get(left.pop(), "")):
            path = posixpath.normpath(path)
            if path in texts and path not in found:
                found.add(path)
                left.append(path)
    return found - {name}


def _compiled(root: Path, folder: str, texts: Mapping[str, str], name: str) -> dict[str, str]:
    """The lock of a requirements file, by its name, compiled beside the other texts."""
    target = f"{name[:-3]}.txt"
    for path in requirements.references(texts[name]):
        if "://" not in path and posixpath.normpath(path).startswith(("..", "/")):
            raise UserError(
                f"{name} refers to {path}, which is outside of the environment",
                code="requirements-elsewhere",
                where=f"{folder}/{name}",
                hint=f"Move it into {folder}: the image is built from that folder alone",
            )
    options, unknown = requirements.compile_options(texts[name], texts.get(target, ""))
    if unknown:
        raise UserError(
            f"{target} was compiled with {unknown}, which `loop add` does not know",
            code="compile-option-unknown",
            where=f"{folder}/{target}",
            hint=f"Compile it by the command at the head of {name}",
        )
    with files.temporary_folder("innerloop-lock-") as copy:
        _copy(root / folder, copy)
        for path, text in texts.items():
            files.write_text(copy / path, text.replace("\r\n", "\n"))
        uv.compile_lock(copy, name, target, options, locked_environments.reach(root))
        text = regular_files.read_bytes(copy / target).decode("utf-8")
    if "\r\n" in texts.get(target, ""):
        text = text.replace("\n", "\r\n")
    return {target: text}


def _copy(source: Path, target: Path) -> None:
    """The regular files of a folder: wheels and constraints that the requirements may name."""
    left = _MOST
    for parent, folders, names in os.walk(source):
        folders[:] = [name for name in folders if not Path(parent, name).is_symlink()]
        for path in (Path(parent, name) for name in names):
            if path.is_symlink() or not path.is_file():
                continue
            left -= path.stat().st_size
            if left < 0:
                return
            files.copy(path, target / path.relative_to(source))


def _put(
    root: Path,
    experiment: Experiment,
    folder: str,
    before: Mapping[str, str],
    changed: Mapping[str, str],
) -> bool:
    """Whether the files were written; False if somebody changed one of them meanwhile."""
    with engine.change(
        root, f"the change of {experiment.name}'s packages", accepts_newer=True
    ) as change:
        if dict(_texts(root / folder)) != before:
            return False
        change.carry_out(Write(f"{folder}/{name}", text) for name, text in changed.items())
    return True


def lock_note(workspace: Workspace, experiment: Experiment, outcome: Outcome) -> str:
    """What to do about a deploy folder that has a copy of the old lock; "" if nothing."""
    if f"{JOB}.txt" not in outcome.written:
        return ""
    disk = loader.WorkspaceFiles(Path(workspace.root))
    copy = f"{experiment.folder}/deploy/{JOB}.txt"
    if not disk.exists(copy):
        return ""
    return (
        f"{copy} pins what the served model gets: copy {outcome.folder}/{JOB}.txt there, compile "
        "the locks beside it again, and `scripts/loop check` compares them"
    )
