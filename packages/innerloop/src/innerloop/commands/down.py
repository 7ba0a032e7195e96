"""Stops and removes dev containers; their volumes with the caches stay."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ..devcontainers import discovery, state_cache
from ..devcontainers.discovery import Container
from ..docker import docker_cli, engine
from ..model.naming import slug_of
from ..model.workspace import Workspace
from ..util import console, process
from ..util.errors import UsageError
from ..workspace import loader

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
        raise UsageError("--all and the name of one experiment", hint="Leave one of them away")
    engine.require(engine.ask("innerloop-down"))
    workspace = loader.open_workspace(args.root)
    if args.all:
        found = [one for one in discovery.of_workspace(workspace) if not _is_here(workspace, one)]
        slugs = [slug_of(name) for name in workspace.experiments]
    else:
        experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
        found = discovery.find(workspace, experiment)
        slugs = [experiment.slug]
    _remove(found)
    for slug in slugs:
        state_cache.forget(args.root, slug)
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
    running = [docker_cli.stop(one.id, GRACE) for one in found if one.running]
    if running:
        process.run_together(*running)
    if found:
        process.run(docker_cli.remove(*(one.id for one in found)), timeout=60)


def _is_here(workspace: Workspace, one: Container) -> bool:
    """Whether this command runs in it: the workspace's own container would end itself."""
    return bool(workspace.host) and Path(one.config).parent.name == ".devcontainer"


def _name(one: Container) -> str:
    if not one.config:
        return one.name
    folder = Path(one.config).parent.name
    return "of the workspace" if folder == ".devcontainer" else f"of {folder.replace('.', '/')}"
