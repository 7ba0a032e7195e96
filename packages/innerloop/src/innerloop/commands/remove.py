"""Takes an experiment away. Data and outputs stay, and it can be brought back."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from ..scaffold import remove, rename, residue
from ..scaffold.remove import Removal
from ..util.errors import UsageError
from ..workspace import loader

EXAMPLES = """examples:
  loop remove churn          says what goes and what stays, and asks
  loop remove churn --yes    does not ask
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXP", help="its name")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(args: argparse.Namespace) -> int:
    if completed := rename.finish(args.root):
        _say(completed)
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    name = experiment.name
    docker = residue.in_docker(workspace, experiment)
    rename.require_at_rest(list(docker.running), name)
    removal = remove.plan(workspace, name)
    _show(removal, residue.uncommitted(args.root, removal.folder), docker)
    if not args.yes and not _agreed(name):
        print("nothing was changed")
        return 0
    outcome = remove.carry_out(args.root, removal)
    for change in outcome.changes:
        _say(f"{change.verb} {change.path}")
    for problem in outcome.problems:
        _say(problem)
    print(f"removed {removal.folder}. To bring it back:")
    for line in _way_back(args.root, removal):
        print(f"  {line}")
    return 1 if outcome.problems else 0


def _show(removal: Removal, uncommitted: list[str], docker: residue.InDocker) -> None:
    print(f"goes:   {removal.folder} and {removal.dev_container} (both to {removal.kept_in})")
    if removal.started_by:
        print(f"        {', '.join(removal.started_by)}: nothing starts it any more")
    if uncommitted:
        print(f"        {len(uncommitted)} files of it are not committed: {_some(uncommitted)}")
    kept = ["data/", *([f"{removal.outputs}/"] if removal.outputs else [])]
    print(f"stays:  {' and '.join(kept)}")
    for link in removal.users:
        print(f"breaks: {link}, a link into it")
    if docker.containers:
        print(f"Docker: docker rm {' '.join(docker.containers)}   would remove its containers")
    if docker.images:
        print(f"Docker: docker rmi {' '.join(docker.images)}   would remove its images")
    sys.stdout.flush()


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _agreed(name: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask in; nothing was changed", hint="Add --yes")
    try:
        return input(f"Remove {name}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        print()  # below the question
        return False


def _way_back(root: Path, removal: Removal) -> list[str]:
    moves = [("src", removal.folder)]
    if (root / removal.kept_in / "devcontainer").is_dir():
        moves.append(("devcontainer", removal.dev_container))
    lines = [shlex.join(["mv", f"{removal.kept_in}/{part}", target]) for part, target in moves]
    # What starts it is rendered again; one that a person had changed then takes its place.
    changed = [f for f in removal.started_by if (root / removal.kept_in / f).is_file()]
    again = [shlex.join(["mv", f"{removal.kept_in}/{file}", file]) for file in changed]
    return [*lines, "scripts/loop sync", *again]


def _say(text: str) -> None:
    print(f"innerloop: {text}", file=sys.stderr)
