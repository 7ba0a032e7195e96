"""A new experiment on the disk, with its generated files: the whole of it or nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from .. import __version__
from ..model import naming, shared_code
from ..model.workspace import Workspace
from ..sync import engine
from ..sync.render.generated_paths import dev_container_of
from ..sync.state_file import State
from ..util import files, toml_positions, undo_journal
from ..util.errors import UsageError, UserError
from ..util.undo_journal import Move
from ..workspace import text_links
from . import git_ignored, uv_environment

TEMPLATE = Path(__file__).resolve().parent.parent / "templates" / "experiment"
STAGING = f"{undo_journal.FOLDER}/new"

# What runs and tools leave behind: not copied.
LEFT_OUT = {
    *("outputs", "logs", "mlruns", ".venv", "node_modules", ".coverage", "htmlcov", ".git"),
    *("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints"),
}
TEXTS = {
    *(".py", ".yaml", ".yml", ".md", ".toml", ".txt", ".in", ".ini", ".cfg", ".json", ".sh"),
    *(".ipynb", ".r", ".jl", ""),
}

# (path in the experiment, its text) -> the text of the new experiment
Change = Callable[[str, str], str]


def create_experiment(
    workspace: Workspace, name: str, source: str | None, *, with_uv: bool = False
) -> engine.SyncOutcome:
    """Makes src/<name> from the experiment `source`, or from the template (None).

    `with_uv`: the template's environment is a project of uv, locked now; UserError if no index
    answers.

    The outcome is that of its generated files; its notes name what git would not keep. A kill or an
    error at any moment leaves the whole experiment or nothing of it.
    """
    root = Path(workspace.root)
    check_target(workspace, name)
    environment = uv_environment.texts_of(root, name) if with_uv else {}
    with engine.change(root, f"the creation of {name}") as change:
        check_target(workspace, name)
        if source is not None:
            _require_copyable(workspace, source)
            require_folder(root, source)
        texts = _copied_texts(root, name, source)
        staging = root.joinpath(STAGING, *name.split("/"))
        _copy(root, staging, name, source, texts)
        if environment:
            uv_environment.replace_in(staging / "environment", environment)
        files.flush_tree(root / STAGING)
        # The folders of a domain that do not exist yet come in the same step.
        parts = name.split("/")
        first = next(n for n in range(1, 4) if not root.joinpath("src", *parts[:n]).exists())
        missing = "/".join(parts[:first])
        change.carry_out([Move(f"{STAGING}/{missing}", f"src/{missing}")])
        text_links.record(root, texts)
        engine.edit_within(change, lambda state: (_made(state, name, source, with_uv), ()))
        outcome = engine.sync_within(change)
    ignored = git_ignored.of_new(root, _new_files(root, name, source, outcome))
    return replace(outcome, notes=(*outcome.notes, *ignored))


def _new_files(
    root: Path, name: str, source: str | None, outcome: engine.SyncOutcome
) -> Iterator[str]:
    """The files that the tool made. Those of a copy are the team's: git keeps of them what it kept."""
    yield from outcome.created
    if source is None:
        below = root.joinpath("src", *name.split("/")).rglob("*")
        yield from (path.relative_to(root).as_posix() for path in below if path.is_file())


def _made(state: State, name: str, source: str | None, with_uv: bool) -> State:
    """The record of which version's template the experiment came from; a copy has its source's.

    One with another environment than the template's has none: no newer template fits it.
    """
    version = "" if with_uv else __version__
    if source is not None:
        version = state.made.get(dev_container_of(source), "")
    made = {**state.made, dev_container_of(name): version}
    return replace(state, made={path: text for path, text in made.items() if text})


def _require_copyable(workspace: Workspace, name: str) -> None:
    """UserError for a declared experiment: its files are where the team keeps them."""
    if (declaration := workspace.declared.get(name)) is not None:
        raise UserError(
            f"{name} is declared, so there is no folder of it to copy",
            code="experiment-declared",
            where=declaration.position(),
            hint="Copy its table, with another name",
        )


def require_folder(root: Path, name: str) -> None:
    """Raise UserError for an experiment that another command renamed or removed meanwhile."""
    if not root.joinpath("src", *name.split("/")).is_dir():
        raise UserError(
            f"src/{name} no longer exists",
            code="experiment-missing",
            where=f"src/{name}",
            hint="Another command renamed or removed it",
        )


def check_target(workspace: Workspace, name: str) -> None:
    """Raise UserError for an invalid name, and when something has that name already.

    Names that differ only in upper and lower case count as equal: on Windows and macOS these are
    one file.
    """
    naming.check_name(name)
    naming.check_free(name, workspace.experiments)
    folder = Path(workspace.root, "src")
    parts = name.split("/")
    for part in parts:
        for other in _names(folder):
            if other.casefold() == part.casefold() and other != part:
                raise UsageError(
                    f'"{other}" exists, which is the same name on Windows and macOS',
                    code="experiment-name-taken",
                    hint="Choose another name",
                )
        folder = folder / part
        if part is not parts[-1] and os.path.lexists(folder) and not folder.is_dir():
            raise UserError(
                "this is not a folder", code="path-exists", where=_relative(workspace, folder)
            )
    if os.path.lexists(folder):
        raise UserError(
            "something with this name exists",
            code="experiment-name-taken",
            where=_relative(workspace, folder),
            hint="Choose another name; nothing was changed",
        )


def _copied_texts(root: Path, name: str, source: str | None) -> dict[str, str]:
    """The copies of links that are text files: each one's path with its text there."""
    if source is None:
        return {}
    old, new = f"src/{source}", f"src/{name}"
    return {
        new + link.path[len(old) :]: shared_code.text_at(link.path, link.text, old, new)
        for link in text_links.below(root, old)
    }


def _copy(
    root: Path, staging: Path, name: str, source: str | None, texts: Mapping[str, str]
) -> None:
    def change(path: str, text: str) -> str:
        if source is None:
            return naming.filled_in(path, text, name)
        if path == "innerloop.toml":
            # A copy should not start by itself and cost money.
            why = f"Copied from {source} and switched off: remove the # before each line to start it too."
            text = toml_positions.commented_out(text, "schedule", why)
        return naming.renamed(path, text, source, name)

    origin = TEMPLATE if source is None else root.joinpath("src", *source.split("/"))
    final = root.joinpath("src", *name.split("/"))
    _copy_tree(origin, staging, final, change, origin)
    for path, text in texts.items():
        files.write_text(staging / os.path.relpath(root / path, final), text)


def _copy_tree(source: Path, staging: Path, final: Path, change: Change, origin: Path) -> None:
    """Copy a folder, with its links adapted to the path `final` where the copy will be.

    Links out of `origin` point to the same file from there, links within it stay as they are
    written.
    """
    files.make_folder(staging)
    for entry in sorted(os.scandir(source), key=lambda entry: entry.name):
        target = staging / entry.name
        if entry.name in LEFT_OUT:
            continue
        if entry.is_symlink():
            files.make_link(target, _link_text(Path(entry.path), final / entry.name, origin))
        elif entry.is_dir():
            _copy_tree(Path(entry.path), target, final / entry.name, change, origin)
        elif entry.is_file():  # no named pipe, socket or device
            files.copy(Path(entry.path), target, _changing(entry.name, change))


def _changing(name: str, change: Change) -> Callable[[str], str] | None:
    return (lambda text: change(name, text)) if is_text(name) else None


def _link_text(link: Path, final: Path, origin: Path) -> str:
    text = os.readlink(link)
    target = Path(os.path.normpath(link.parent / text))
    if os.path.isabs(text) or target.is_relative_to(origin):
        return text
    return os.path.relpath(target, final.parent)


def is_text(name: str) -> bool:
    return Path(name).suffix.lower() in TEXTS


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _relative(workspace: Workspace, path: Path) -> str:
    return path.relative_to(workspace.root).as_posix()
