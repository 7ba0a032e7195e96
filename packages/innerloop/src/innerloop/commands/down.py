"""Stops and removes dev containers; their volumes with the caches stay."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .. import console, engine, loading, process
from ..containers import finding as containers
from ..containers import notes
from ..containers.finding import Container
from ..errors import WrongUse
from ..spec.naming import slug_of
from ..spec.workspace import Workspace
from ..tools import containers as docker

SUMMARY = "Stops and removes the experiment's dev container; caches stay in their volume."
EXAMPLES = """examples:
  loop down digit_recognition
  loop down --all              every dev container of this workspace
  loop down --all --json
"""

# How long programs in it may take to save what they have, in seconds.
GRACE = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("--all", action="store_true", help="those of every experiment")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    if args.all and args.experiment:
        raise WrongUse("--all and the name of one experiment", mend="Leave one of them away")
    engine.require(engine.ask("innerloop-down"))
    workspace = loading.open_workspace(args.root)
    if args.all:
        found = [one for one in containers.of_workspace(workspace) if not _is_here(workspace, one)]
        slugs = [slug_of(name) for name in workspace.experiments]
    else:
        experiment = loading.choose_experiment(workspace, args.experiment, args.cwd)
        found = containers.find(workspace, experiment)
        slugs = [experiment.slug]
    _remove(found)
    for slug in slugs:
        notes.forget(args.root, slug)
    if args.json:
        print(json.dumps({"removed": [one.id for one in found]}, indent=2))
    else:
        for one in found:
            console.say(f"the dev container {_name(one)} is gone")
        if not found:
            console.say("there was no dev container")
    return 0


def _remove(found: list[Container]) -> None:
    """Asked to stop first, all at once: programs in them may save what they have."""
    running = [docker.stop(one.id, GRACE) for one in found if one.running]
    if running:
        process.run_together(*running)
    if found:
        process.run(docker.remove(*(one.id for one in found)), timeout=60)


def _is_here(workspace: Workspace, one: Container) -> bool:
    """Whether this command runs in it: the workspace's own container would end itself."""
    return bool(workspace.host) and Path(one.config).parent.name == ".devcontainer"


def _name(one: Container) -> str:
    if not one.config:
        return one.name
    folder = Path(one.config).parent.name
    return "of the workspace" if folder == ".devcontainer" else f"of {folder.replace('.', '/')}"
