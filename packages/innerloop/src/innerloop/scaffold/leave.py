"""Takes the tool out of a workspace: what is still as it was made goes, a person's work stays.

The generated files, the template's and the block in the ignore files change whole or not at all. The
launcher, its pin and `.innerloop` go last, when nothing is left that a command would have to undo.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ..history import in_flight
from ..model import naming
from ..model.settings.adoption import FILE
from ..sync import engine, retraction, transaction
from ..sync.transaction import STATE, Change
from ..util import files
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from ..util.undo_journal import Delete, DropEmpty, Step, Write
from ..workspace import formatter_files
from . import adopted_template, git_ignored, made_files, marked_block
from .adopt import proposal
from .workspace_template import File

FOLDER = ".innerloop"
# What a person may still need: experiments that were removed, records of jobs and deployments.
RECORDS = {
    "removed": "experiments that were removed",
    "jobs": "records of submitted jobs",
    "deployments": "records of deployments",
}
_DEV_CONTAINER = late_pattern(r"\.devcontainer/([^/]+)/(?:devcontainer\.json|Dockerfile)\Z")


@dataclass(frozen=True, slots=True)
class Departure:
    """What `leave` does; paths are relative to the root, those of folders end with a slash.

    `goes` are removed. `changes` are texts that lose the tool's part, or go. `stays`: path -> why
    it, or a part, stays although the tool made it. `notes` go last: `.innerloop/`, or of it what is
    in git where a part stays.
    """

    goes: tuple[str, ...]
    changes: tuple[Change, ...]
    stays: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def removed(self) -> list[str]:
        """All that goes."""
        return sorted({*self.files, *self.notes})

    @property
    def files(self) -> list[str]:
        """What goes but the notes."""
        gone = [change.path for change in self.changes if change.after is None]
        return sorted({*self.goes, *gone})

    @property
    def edited(self) -> list[str]:
        return sorted(change.path for change in self.changes if change.after is not None)


def plan(root: Path, *, keep_dev_containers: bool = False) -> Departure:
    """Raises UserError in the tool's own repository, while something runs, and without a record."""
    _require_workspace(root)
    transaction.require_no_newer(root)
    state = transaction.parse_state(transaction.state_text(root))
    if state.is_damaged:
        raise UserError(
            "this record cannot be read, so it is not known what was generated",
            code="state-damaged",
            where=STATE,
            hint="Run `scripts/loop sync` first",
        )
    template = adopted_template.of_root(root)
    made = [*made_files.of_workspace(root, template)]
    kept = {path for path in state.generated if keep_dev_containers and _stays(path, made)}
    retracted = retraction.retract(root, state, kept)
    stays = dict(retracted.kept) | dict.fromkeys(kept, "you asked to keep it")
    tools = [path for path in made_files.tools(template) if os.path.lexists(root / path)]
    for path in tools:
        if not made_files.as_shipped(root, path, template):
            stays[path] = "you edited it"
    records = {f"{FOLDER}/{name}/": why for name, why in RECORDS.items() if _holds(root, name)}
    stays |= records
    goes = sorted({*made, *(path for path in tools if path not in stays)})
    gone = {*goes, *(change.path for change in retracted.changes if change.after is None)}
    gone |= set() if records else {f"{FOLDER}/"}
    if (declared := _declarations(root)) is not None and declared.after == declared.before:
        stays[FILE] = "you edited what `init --here` added to it"
    elif declared is not None:
        retracted = replace(retracted, changes=(*retracted.changes, declared))
    changes = [*retracted.changes, *_ignore_files(root, template, _gone_with(gone))]
    notes = (STATE, f"{FOLDER}/wheels/") if records else (f"{FOLDER}/",)
    there = tuple(path for path in notes if os.path.lexists(root / path))
    return Departure(tuple(goes), tuple(changes), dict(sorted(stays.items())), there)


def _require_workspace(root: Path) -> None:
    if (root / "packages" / "innerloop" / "src").is_dir():
        raise UserError(
            "this is the tool's own repository", code="tool-repository", where=str(root)
        )
    if (root / "scripts").is_symlink():
        raise UserError(
            "scripts is a link, so the tool is another workspace's",
            code="link-leads-out",
            where="scripts",
            hint="Remove the link instead",
        )
    running = in_flight.read_all(root)
    if running:
        names = ", ".join(f"the {one.what} {one.id}" for one in running[:3])
        raise UserError(
            f"{names} may still run",
            code="run-alive",
            where=in_flight.FOLDER,
            hint="Stop it first: `scripts/loop runs` shows what runs",
        )


def _stays(path: str, made: Iterable[str]) -> bool:
    """Whether it is the dev container of an experiment that stays."""
    found = _DEV_CONTAINER.match(path)
    return found is not None and not any(
        naming.slug_of(folder.removeprefix("src/").rstrip("/")) == found[1] for folder in made
    )


def _holds(root: Path, name: str) -> bool:
    folder = root / FOLDER / name
    return folder.is_dir() and any(folder.iterdir())


def _ignore_files(
    root: Path, template: Mapping[str, File], gone: tuple[str, ...]
) -> Iterator[Change]:
    """The ignore files without the tool's block.

    Its lines that still keep something of the person's out of git stay: data, outputs, secrets.
    """
    needed = git_ignored.patterns_in_use(root, gone)
    for path in marked_block.FILES:
        text = files.read_own(root / path, plain=True)
        if text is None:
            continue
        lines = marked_block.split(made_files.text_of(template[path])).lines or ""
        known = "".join(f"{line}\n" for line in lines.splitlines() if line not in needed)
        after = marked_block.without(text, known)
        if after != text:
            yield Change(path, text, after or None)


def _declarations(root: Path) -> Change | None:
    """The person's innerloop.toml without the tables that `init --here` added; None without such."""
    text = files.read_own(root / FILE, plain=True) if (root / FILE).is_file() else None
    if text is None or not proposal.has_added(text):
        return None
    return Change(FILE, text, proposal.without_added(text) or text)


def _gone_with(paths: set[str]) -> tuple[str, ...]:
    """Beginnings of the paths that do not exist afterwards: of folders, of caches beside code."""
    folders = {posixpath.dirname(path.rstrip("/")) for path in paths}
    caches = {f"{folder}/{name}/".lstrip("/") for folder in folders for name in made_files.CACHES}
    return (*(path for path in paths if path.endswith("/")), *caches)


def carry_out(root: Path, *, keep_dev_containers: bool = False) -> Departure:
    """Carries out the plan, made anew: nothing that a person saved meanwhile is lost."""
    with engine.change(root, "leaving innerloop") as change:
        departure = plan(root, keep_dev_containers=keep_dev_containers)
        change.carry_out(_steps(root, departure))
    _remove_tool(root, departure)
    return departure


def _steps(root: Path, departure: Departure) -> Iterator[Step]:
    # Asked before the first step. An adopted repository had src/ and its caches before.
    own = set() if formatter_files.is_adopted(root) else {"src", ".pytest_cache"}
    for change in departure.changes:
        if change.after is not None:
            yield Write(change.path, change.after)
    gone = [path for path in departure.files if path not in made_files.LAUNCHER]
    for path in gone:
        yield Delete(path.rstrip("/"))
    yield from (Delete(path) for path in (STATE, f"{FOLDER}/wheels"))
    folders = {posixpath.dirname(path.rstrip("/")) for path in gone} - {""}
    for folder in sorted(folders):
        yield from (Delete(f"{folder}/{name}") for name in _only_caches(root, folder, gone))
    yield from (Delete(name) for name in made_files.CACHES & own)
    for folder in sorted(folders | own - made_files.CACHES, reverse=True):
        yield DropEmpty(folder, ".")


def _only_caches(root: Path, folder: str, gone: list[str]) -> list[str]:
    """The names of caches in a folder in which nothing else is left."""
    try:
        names = os.listdir(root / folder)
    except OSError:
        return []
    left = [name for name in names if f"{folder}/{name}" not in {path.rstrip("/") for path in gone}]
    return left if left and set(left) <= made_files.CACHES else []


def _remove_tool(root: Path, departure: Departure) -> None:
    """The rest, of which each step can be repeated: the launcher is there until the last one."""
    with files.confining(root):
        for entry in sorted(os.listdir(root / FOLDER)) if (root / FOLDER).is_dir() else ():
            if f"{FOLDER}/{entry}/" not in departure.stays:
                files.remove_tree(root / FOLDER / entry)
                if (root / FOLDER / entry).is_file():
                    files.remove(root / FOLDER / entry)
        files.remove_if_empty(root / FOLDER)
        for path in made_files.LAUNCHER:  # the pin alone does no harm
            if path in departure.goes:
                files.remove(root / path)
        files.remove_if_empty(root / "scripts")
