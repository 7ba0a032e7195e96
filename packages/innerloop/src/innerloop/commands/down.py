"""Stop and remove the dev container; its caches stay."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..devcontainers import discovery, state_cache
from ..devcontainers.discovery import Container
from ..docker import docker_cli, engine_location
from ..model.naming import slug_of
from ..model.workspace import Workspace
from ..util import console, process
from ..util.errors import UsageError
from ..workspace import loader

EXAMPLES = """examples:
  loop down digit_recognition
  loop down --all              every dev container of this workspace
  loop down --all --json

Other services that Docker Compose started for it are stopped, and keep what is in them.
"""

# Time for the programs in a container to save their work, in seconds.
GRACE = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("--all", action="store_true", help="every dev container of this workspace")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    if args.all and args.experiment:
        raise UsageError(
            "--all and the name of an experiment exclude each other",
            code="options-exclusive",
            hint="Omit one of them",
        )
    workspace = loader.open_workspace(args.root)
    engine_location.require(engine_location.ask("innerloop-down", workspace.root))
    if args.all:
        every = discovery.of_workspace(workspace)
        containers = [container for container in every if not _is_current(workspace, container)]
        slugs = [slug_of(name) for name in workspace.experiments]
    else:
        experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
        containers = discovery.find(workspace, experiment)
        slugs = [experiment.slug]
    services = discovery.services_of(containers)
    _remove(containers)
    _stop(services)
    for slug in slugs:
        state_cache.forget(args.root, slug)
    if args.json:
        value = {"removed": [container.id for container in containers]}
        value["stopped"] = [service.id for service in services]
        console.print_json(value)
    else:
        for container in containers:
            console.say(f"removed the dev container {_name(container)}")
        for service in services:
            console.say(f"stopped {service.name}, which Docker Compose started beside it")
        if not containers:
            console.say("there was no dev container")
    return 0


def _remove(containers: list[Container]) -> None:
    """Stop all of them, so that programs can save their work, then remove them."""
    _stop(containers)
    if containers:
        process.run(docker_cli.remove(*(one.id for one in containers)), timeout=60)


def _stop(containers: list[Container]) -> None:
    """Stop all of them at once; what is in them stays."""
    running = [docker_cli.stop(one.id, GRACE) for one in containers if one.running]
    if running:
        process.run_together(*running)


def _is_current(workspace: Workspace, container: Container) -> bool:
    """Whether this command runs in the container, which would end the command."""
    return bool(workspace.host) and Path(container.config).parent.name == ".devcontainer"


def _name(container: Container) -> str:
    if not container.config:
        return container.name
    folder = Path(container.config).parent.name
    return "of the workspace" if folder == ".devcontainer" else f"of {folder.replace('.', '/')}"
