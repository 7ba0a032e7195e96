"""A workspace brought to the version of the tool that runs: planned as a value, then written whole.

The older version only finds the newer one and starts it (`upgrade_source`); the newer one knows what
it generates and its migrations. All of it is one change (`undo_journal`): a kill is undone by the
next command of either version, since both read the journal. The launcher and the pin come last, so
that until then the older version is what runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import __version__
from ..sync import conflict_stages, engine, transaction
from ..sync.engine import SyncOutcome
from ..util import files, git_markers, undo_journal, versions
from ..util.errors import UserError
from ..util.position import Position
from ..util.quick_dataclasses import dataclass
from ..util.undo_journal import Step, Write, WriteBytes
from ..util.wheels import WHEELS
from ..workspace import formatter_files
from . import (
    migrations,
    template_experiments,
    tool_edits,
    upgrade_record,
    upgrade_source,
    workspace_copy,
)
from .migrations import Migration, WorkspaceSnapshot
from .template_experiments import ExperimentsPlan
from .tool_edits import ToolEdits, ToolVersion
from .workspace_template import PIN

# The newest version that wrote no version into its record.
UNRECORDED = "0.2.0"
SOURCES = "packages/innerloop/src"
NO_EXPERIMENTS = ExperimentsPlan((), (), {})


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """What an upgrade changes. `generated` is what sync does after the migrations.

    `notes`: what the migrations leave to the person. `experiments`: what those made from the
    template get.
    """

    old: str
    new: ToolVersion
    migrations: tuple[tuple[Migration, tuple[Step, ...]], ...]
    tool: ToolEdits
    generated: SyncOutcome
    notes: tuple[str, ...] = ()
    experiments: ExperimentsPlan = NO_EXPERIMENTS

    @property
    def problems(self) -> tuple[str, ...]:
        """Messages about what is left to the person, and makes the exit code 1."""
        return (*self.generated.problems, *self.experiments.notes)

    @property
    def changes_nothing(self) -> bool:
        edits = (
            *(steps for _, steps in self.migrations),
            *(self.tool.steps, self.experiments.changes, self.experiments.made),
            self.generated.changes,
        )
        return not any(edits) and self.generated.state is None

    def report(self, root: Path) -> Iterator[str]:
        """A line for each file that changes."""
        kept = set(self.tool.kept.values())
        steps = [step for _, steps in self.migrations for step in steps]
        steps += [step for step in self.tool.steps if step.path not in kept]
        lines = {step.path: _line(root, step) for step in steps}
        for change in (*self.experiments.changes, *self.generated.changes):
            lines.setdefault(change.path, f"{change.verb} {change.path}")
        if self.generated.state is not None:
            verb = "update" if (root / transaction.STATE).exists() else "write"
            lines.setdefault(transaction.STATE, f"{verb} {transaction.STATE}")
        yield from (lines[path] for path in sorted(lines))
        yield from (f"keep   your {name} as {path}" for name, path in self.tool.kept.items())


def version_of(root: Path) -> str:
    """The version that a workspace was made or upgraded by; "" for one that holds the tool itself.

    Not that of the pin alone: a robot may have changed it, and nothing else.
    """
    recorded = transaction.parse_state(transaction.state_text(root)).version
    named = pinned(root)
    if recorded or not named:
        return recorded
    return UNRECORDED if versions.is_newer(named, UNRECORDED) else named


def is_unfinished(root: Path) -> bool:
    """Whether the version that runs has edits to make, since only the pin names it so far."""
    edits = migrations.planned(
        WorkspaceSnapshot(root), migrations.between(version_of(root), __version__)
    )
    return any(steps for _, steps in edits)


def require_upgradable(root: Path) -> None:
    """UserError for a folder that is no workspace, or cannot be upgraded as it is."""
    if (root / SOURCES).is_dir():
        raise UserError(
            "this workspace runs the tool's own sources, which lie in it",
            code="upgrade-of-sources",
            where=f"{root / SOURCES}",
            hint="Update them with git",
        )
    is_made = (root / "src").is_dir() and (root / "pyproject.toml").is_file()
    if not is_made and not formatter_files.is_adopted(root):
        raise UserError(
            "this is no workspace: it lacks src/ or pyproject.toml",
            code="not-a-workspace",
            where=str(root),
            hint="Name the root of a workspace",
        )
    if pinned(root):  # the first form of a workspace has another record
        _require_record(root)
    settings = [root / "pyproject.toml", root / "innerloop.toml"]
    settings += [*sorted((root / "src").glob("**/innerloop.toml"))]
    for path in settings:
        text = files.read_text(path)
        if text is not None and (line := git_markers.first_line(text)):
            raise UserError(
                "git left this file in conflict, so nothing was upgraded",
                code="settings-unmerged",
                where=Position(path.relative_to(root).as_posix(), line),
                hint="Resolve it, and run the command again",
            )


def _require_record(root: Path) -> None:
    """UserError if it is not known what was generated: all of it would be conflicts."""
    state = transaction.parse_state(transaction.state_text(root))
    if state.is_damaged and not versions.is_newer(state.version, __version__):
        raise UserError(
            "this record cannot be read, so it is not known what was generated",
            code="state-damaged",
            where=transaction.STATE,
            hint="Run `scripts/loop sync` first",
        )


def plan(
    root: Path, new: ToolVersion, *, is_downgrade: bool = False, experiments: bool = False
) -> UpgradePlan:
    """What the upgrade does. Nothing is written to the workspace.

    `experiments`: those that were made from the template get its newer files.
    """
    old = version_of(root)
    snapshot, between = WorkspaceSnapshot(root), migrations.between(old, new.version)
    edits = migrations.planned(snapshot, between)
    notes = tuple(line for migration in between for line in migration.notes(snapshot))
    groups = [steps for _, steps in edits if steps]
    adds = tool_edits.writes_extension(root, new, old)
    of_template = NO_EXPERIMENTS
    if groups or experiments:
        # What sync and the template do is planned on files that are as those before leave them.
        with (
            workspace_copy.copied(root) as copy,
            undo_journal.change(copy, "a plan") as change,
        ):
            for steps in groups:
                change.carry_out(steps)
            if experiments:
                of_template = template_experiments.carry_out(change)
            generated = engine.plan(copy, accepts_newer=is_downgrade, adds_extension=adds)
    else:
        generated = engine.plan(root, accepts_newer=is_downgrade, adds_extension=adds)
    tool = tool_edits.edits(root, new, old)
    return UpgradePlan(old, new, edits, tool, generated, notes, of_template)


@dataclass(frozen=True, slots=True)
class Upgraded:
    """`marked` are the files whose conflicts are in git's index."""

    plan: UpgradePlan
    problems: tuple[str, ...]
    marked: tuple[str, ...]


def carry_out(
    root: Path, planned: UpgradePlan, *, is_downgrade: bool = False, experiments: bool = False
) -> Upgraded:
    """Write it all. It is planned again under the lock, on the files as they are then."""
    what = f"the upgrade to innerloop {planned.new.version}"
    with engine.change(root, what, accepts_newer=is_downgrade) as whole:
        change = upgrade_record.RecordedChange(whole)
        old = version_of(root)
        between = migrations.between(old, planned.new.version)
        for _, steps in migrations.planned(WorkspaceSnapshot(root), between):
            change.carry_out(steps)
        of_template = template_experiments.carry_out(change) if experiments else NO_EXPERIMENTS
        adds = tool_edits.writes_extension(root, planned.new, old)
        outcome = engine.sync_within(change, accepts_newer=is_downgrade, adds_extension=adds)
        tool = tool_edits.edits(root, planned.new, old)
        for step in tool.steps:
            change.carry_out([step])
        paths = [file.path for file in outcome.conflicted]
        known = conflict_stages.entries(root, paths)
        change.finish(old, planned.new.version, known)
    marked = conflict_stages.mark(root, outcome.conflicted, known)
    return Upgraded(planned, (*outcome.problems, *of_template.notes), tuple(marked))


def pinned(root: Path) -> str:
    """The version that a workspace's pin names; "" if it has none."""
    return tool_edits.version_in(files.read_text(root / PIN) or "")


def holds_all_wheels(root: Path) -> bool:
    """Whether the workspace has every wheel of its pin in itself."""
    pin = files.read_text(root / PIN) or ""
    return (root / WHEELS).is_dir() and not tool_edits.lacking_wheels(root, pin)


@contextmanager
def lazy_scratch() -> Iterator[Callable[[], Path]]:
    """A folder in the cache that is made when it is first asked for, and removed at the end."""
    made: list[Path] = []

    def make() -> Path:
        if not made:
            made.append(upgrade_source.new_scratch())
        return made[0]

    try:
        yield make
    finally:
        for folder in made:
            files.remove_tree(folder)


def _line(root: Path, step: Step) -> str:
    """A step for people."""
    name = re.sub(r"(?<!^)(?=[A-Z])", " ", type(step).__name__).lower()
    if isinstance(step, (Write, WriteBytes)):
        name = "update" if (root / step.path).exists() else "write"
    target = f" to {step.target}" if hasattr(step, "target") else ""
    return f"{name} {step.path}{target}"
