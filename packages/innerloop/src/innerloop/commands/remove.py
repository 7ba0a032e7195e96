"""Removes an experiment. Data and outputs stay, and it can be restored."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..local import lost_runs
from ..model.experiment_paths import SOURCES
from ..scaffold import remove, residue
from ..scaffold.remove import Removal
from ..util import user_shell
from ..util.console import agreed, say
from ..workspace import loader

EXAMPLES = """examples:
  loop remove churn          shows what goes and what stays, and asks
  loop remove churn --yes    does not ask
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXP", help="its name")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    name = experiment.name
    lost_runs.require_idle(workspace, experiment)
    docker = residue.docker_residue(workspace, experiment)
    removal = remove.plan(workspace, name)
    _show(
        removal,
        [] if removal.is_declared else residue.uncommitted(args.root, removal.folder),
        docker,
    )
    if not args.yes and not agreed(f"Remove {name}?"):
        print("nothing was changed")
        return 0
    outcome = remove.carry_out(
        args.root, removal, check=lambda: lost_runs.require_idle(workspace, experiment)
    )
    for line in outcome.report():
        say(line)
    what = f"the declaration of {name}" if removal.is_declared else removal.folder
    print(f"removed {what}. To restore it:")
    for line in _restore_commands(args.root, removal):
        print(f"  {line}")
    return 1 if outcome.problems else 0


def _show(removal: Removal, uncommitted: list[str], docker: residue.DockerResidue) -> None:
    gone = [removal.folder]
    if removal.is_declared:
        gone = [f"[experiments.{removal.name}] at {one.position()}" for one in removal.declarations]
    print(f"goes:   {_all([*gone, removal.dev_container])} (kept in {removal.kept_in})")
    if removal.started_by:
        print(f"        {', '.join(removal.started_by)}: nothing starts it afterwards")
    if uncommitted:
        print(f"        {len(uncommitted)} of its files are not committed: {_some(uncommitted)}")
    kept = [*removal.stays, "data/", *([f"{removal.outputs}/"] if removal.outputs else [])]
    print(f"stays:  {_all(kept)}")
    for link in removal.users:
        print(f"breaks: {link}, a link into its folder")
    if docker.containers:
        print(f"Docker: docker rm {' '.join(docker.containers)}   removes its containers")
    if docker.images:
        print(f"Docker: docker rmi {' '.join(docker.images)}   removes its images")
    sys.stdout.flush()


def _all(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _restore_commands(root: Path, removal: Removal) -> list[str]:
    lines = [
        f"# put its table back into {one.file}: {removal.kept_in}/{one.file} has it"
        for one in removal.declarations
    ]
    if not removal.is_declared:
        lines.append(user_shell.moving(f"{removal.kept_in}/{SOURCES}", removal.folder))
    lines.append(user_shell.localized("scripts/loop sync"))
    # sync generates its files; those that a person had changed then replace them.
    if (root / removal.kept_in / "devcontainer").is_dir():
        kept = f"{removal.kept_in}/devcontainer"
        lines.append(user_shell.copying_into(kept, removal.dev_container))
    changed = [file for file in removal.started_by if (root / removal.kept_in / file).is_file()]
    return [*lines, *(user_shell.moving(f"{removal.kept_in}/{file}", file) for file in changed)]
