"""Packages of an experiment: what its requirements files name, and the locks that pin it.

The locks are compiled in a copy of environment/ outside of the workspace. The files are written at
the end, all in one change: an error and Ctrl-C leave them as they were.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..local import uv
from ..model import requirements
from ..model.experiment import Experiment
from ..model.experiment_paths import ExperimentPaths
from ..model.requirements import Requirement, RequirementEdit
from ..model.workspace import Workspace
from ..sync import engine
from ..util import files, locked_environments, regular_files, wheels
from ..util.errors import UserError, join_names
from ..util.undo_journal import Write
from ..workspace import loader

# The files of requirements, without their ending: for the job, for people, for the tests.
JOB, DEV, TEST = "requirements", "requirements-dev", "requirements-test"
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
    workspace: Workspace, experiment: Experiment, asked: Sequence[Requirement], kind: str = JOB
) -> Outcome:
    """Add requirements to the experiment's environment, and compile the locks that it concerns.

    `kind` is JOB, DEV or TEST; without a file for tests, what they need is with the tools of people.

    Without requirements all locks are compiled, as after an edit by hand. All files change or none.
    UserError if the environment has no requirements file, or no versions satisfy it.
    """
    root = Path(workspace.root)
    folder = posixpath.dirname(experiment.paths.lock or experiment.paths.environment) or "."
    while True:
        before = dict(_texts(root / folder))
        source = f"{DEV if kind == TEST and f'{TEST}.in' not in before else kind}.in"
        _require(root / folder, folder, source, before, experiment.paths)
        text, edits = requirements.edited(before[source], asked)
        after = {**before, source: text}
        for name in _to_compile(after, source, is_edited=text != before[source], is_all=not asked):
            after |= _compiled(root, folder, after, name)
        changed = {name: new for name, new in after.items() if before.get(name) != new}
        if not changed or _put(root, experiment, folder, before, changed):
            lock = wheels.packages(after.get(f"{source[:-3]}.txt", ""))
            keys = {edit.new.key for edit in edits}
            versions = {
                key: join_names([package.version for package in lock if package.name == key])
                for key in sorted(keys)
            }
            return Outcome(folder, source, edits, tuple(sorted(changed)), versions)


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
