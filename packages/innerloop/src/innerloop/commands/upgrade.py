"""Brings the workspace to another version of the tool; your edits stay."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from .. import __version__
from ..scaffold import release_notes, tool_edits, upgrade, upgrade_record, upgrade_source
from ..scaffold.upgrade import Upgraded, UpgradePlan
from ..sync import engine
from ..util import files, process, venvs, versions
from ..util.console import agreed, say
from ..util.errors import UsageError, UserError, join_names
from ..util.relative_paths import real_path
from ..util.user_shell import localized

EXAMPLES = """The new version plans the upgrade and shows it. Then the pin, the launcher, the generated files,
their record and renamed settings change in one step: whole, or not at all.

exit codes: 1 if conflicts or findings of `loop check` are left; with --check, 2 if there is a newer
version.

examples:
  loop upgrade                          to the newest version of the package index
  loop upgrade --dry-run                shows what would change, and changes nothing
  loop upgrade --to 0.3.0 --yes         this version, also an older one; does not ask
  loop upgrade --to innerloop-0.3.0-py3-none-any.whl     or a folder of wheels
  loop upgrade --experiments            the template's newer files too, in experiments made from it
  loop upgrade --check                  is there a newer version?
  loop upgrade --undo                   takes the last upgrade back
  NEW/scripts/loop upgrade --workspace .    from a newer workspace, or the tool's sources
"""

# What a workspace that holds the tool itself has.
FIRST = "0.1.0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--to",
        metavar="VERSION",
        help="a version, a wheel, or a folder of wheels (default: the newest version)",
    )
    parser.add_argument("--dry-run", action="store_true", help="show the plan, change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--check", action="store_true", help="change nothing, exit 2 if there is a newer version"
    )
    parser.add_argument(
        "--experiments",
        action="store_true",
        help="experiments made from the template get its newer environment/ and settings files",
    )
    parser.add_argument("--undo", action="store_true", help="take the last upgrade back")
    parser.add_argument(
        "--workspace",
        metavar="FOLDER",
        help="another workspace, which is brought to the version that runs",
    )
    # What an older version adds when it hands over.
    parser.add_argument("--downgrade", action="store_true", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    _require_one(args)
    if args.undo:
        return _undo(args.root, args.dry_run)
    if args.workspace is not None:
        try:
            return _take_over(args, Path(args.cwd, args.workspace).resolve())
        finally:
            if upgrade_source.is_scratch(args.root):
                files.remove_tree(args.root)
    upgrade.require_upgradable(args.root)
    return _check(args) if args.check else _start(args)


def _require_one(args: argparse.Namespace) -> None:
    chosen = [f"--{name}" for name in ("to", "check", "undo", "workspace") if getattr(args, name)]
    if len(chosen) > 1:
        raise UsageError(
            f"{' and '.join(chosen)} together",
            code="options-exclusive",
            hint="Give one of them",
        )


def _check(args: argparse.Namespace) -> int:
    current = upgrade.pinned(args.root) or __version__
    with upgrade_source.scratch_folder() as scratch:
        found = upgrade_source.find(None, args.root, upgrade_source.authority(args.root), scratch)
    if not versions.is_newer(found.version, current):
        print(f"innerloop {current} is up to date")
        return 0
    print(f"innerloop {found.version} is available; this workspace has {current}")
    return 2


def _start(args: argparse.Namespace) -> int:
    """Find the version, make its environment, and hand over to it."""
    root, authority = args.root, upgrade_source.authority(args.root)
    current = upgrade.pinned(root)
    if args.to is not None and args.to == current == __version__:
        return _take_over(args, root)
    with upgrade_source.scratch_folder() as scratch:
        release = upgrade_source.find(_named(args), root, authority, scratch)
        is_newest = args.to is None and not versions.is_newer(release.version, current)
        if is_newest:
            print(f"innerloop {current} is the newest version", flush=True)
        if is_newest or upgrade_source.is_pinned(release, root):
            return _take_over(args, root)
        say(f"preparing innerloop {release.version}")
        launcher = upgrade_source.prepare(release, root, authority, scratch)
        words = ["upgrade", "--workspace", str(root)]
        words += ["--dry-run"] * args.dry_run + ["--yes"] * args.yes
        words += ["--experiments"] * args.experiments
        words += ["--downgrade"] * versions.is_newer(current, release.version)
        return upgrade_source.hand_over(launcher, words)


def _named(args: argparse.Namespace) -> str | None:
    """What `--to` names: a version, or the full path of a wheel or a folder."""
    if args.to is None:
        return None
    path = real_path(Path(args.cwd, args.to))
    is_path = args.to.endswith(".whl") or os.sep in args.to or path.exists()
    return str(path) if is_path else str(args.to)


def _take_over(args: argparse.Namespace, root: Path) -> int:
    """Bring a workspace to the version that runs."""
    files.confine(root)
    if not args.dry_run and (message := engine.recover(root)):
        say(message)
    upgrade.require_upgradable(root)
    with upgrade.lazy_scratch() as scratch:
        new = tool_edits.running(args.root, root, scratch)
        how = {"is_downgrade": args.downgrade, "experiments": args.experiments}
        planned = upgrade.plan(root, new, **how)
        if planned.changes_nothing:
            _report_conflicts(planned)
            if planned.problems:
                print("nothing to change; what is above is left to you")
                return 1
            print("everything is up to date")
            return 0
        _show(root, planned)
        _report_conflicts(planned)
        if args.dry_run:
            print("nothing was changed")
            return 0
        if not args.yes and not agreed(f"Upgrade to {new.version}?"):
            print("nothing was changed")
            return 0
        had_all_wheels = upgrade.holds_all_wheels(root)
        done = upgrade.carry_out(root, planned, **how)
    return _finish(root, done, had_all_wheels)


def _show(root: Path, planned: UpgradePlan) -> None:
    """What the person will notice."""
    old, new = planned.old or "the tool in its own tree", planned.new.version
    print(f"innerloop {old} -> {new}" if old != new else f"innerloop {new}: what it lacks here")
    for notes in release_notes.between(release_notes.text(), planned.old or FIRST, new):
        print(f"\nWhat is new in {notes.version}:")
        for line in release_notes.folded(notes):
            print(f"  {line}")
    if summaries := [migration.summary for migration, steps in planned.migrations if steps]:
        print("\nWhat is converted:")
        for summary in summaries:
            print(f"  {summary}")
    print("\nFiles:")
    for line in planned.report(root):
        print(f"  {line}")
    print(flush=True)


def _report_conflicts(planned: UpgradePlan) -> None:
    for line in (*planned.problems, *planned.generated.notes, *planned.notes):
        say(line)
    for path, number in planned.tool.conflicts.items():
        say(f"{path}:{number}: your version was kept: the new one changed the same lines")


def _finish(root: Path, done: Upgraded, had_all_wheels: bool) -> int:
    """Check the workspace by its new launcher, and say what is left to do."""
    new = done.plan.new.version
    if done.problems != done.plan.problems:
        for line in done.problems:
            say(line)
    if done.marked:
        names = join_names(done.marked)
        say(f"in conflict in git, for its merge editor: {names}. Resolve them, then `git add`")
    if had_all_wheels and not upgrade.holds_all_wheels(root):
        say("`.innerloop/wheels` lacks wheels of the new version: `scripts/loop vendor` adds them")
    launcher = str(root / tool_edits.LAUNCHER)
    print(f"innerloop {new} is what this workspace runs now; `loop check`:", flush=True)
    code = process.run_foreground([venvs.base_python(), launcher, "check"], cwd=root)
    print(localized("To undo it: scripts/loop upgrade --undo"))
    return 1 if done.problems or code else 0


def _undo(root: Path, dry: bool) -> int:
    last = upgrade_record.read(root)
    if last is None:
        raise UserError(
            "there is no upgrade to undo: none was made here, or it was undone",
            code="upgrade-undo-refused",
            hint="`scripts/loop upgrade --to VERSION` goes to an older version too",
        )
    if dry:
        for line in upgrade_record.preview(last):
            print(f"would {line}")
        return 0
    upgrade_record.undo(root, last)
    print(f"undone: this workspace runs innerloop {last.old or 'from its own tree'} again")
    return 0
