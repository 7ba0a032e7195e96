"""What belongs to an experiment outside its folder: containers and images; and uncommitted files."""

from __future__ import annotations

import os
from pathlib import Path

from ..devcontainers import discovery
from ..docker import client, docker_cli, engine_location
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import git, git_folders, process
from ..util.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DockerResidue:
    """Names of containers and images; all empty without an engine."""

    running: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


def docker_residue(workspace: Workspace, experiment: Experiment) -> DockerResidue:
    """Those of its runs, terminals and notebooks, and its dev containers, whichever tool made them."""
    if not client.is_installed() or engine_location.is_elsewhere(workspace.root):
        return DockerResidue()
    running, containers, images = process.run_together(
        docker_cli.container_names(workspace.identity, experiment.name, running=True),
        docker_cli.container_names(workspace.identity, experiment.name),
        docker_cli.image_names(workspace.identity, experiment.name),
    )
    dev = discovery.find(workspace, experiment)
    return DockerResidue(
        _names(running, *(container.name for container in dev if container.running)),
        _names(containers, *(container.name for container in dev)),
        tuple(name for name in _names(images) if "<none>" not in name),
    )


def _names(listed: process.CompletedCommand, *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*(listed.out.split() if listed.ok else []), *more]))


def uncommitted(root: Path, folder: str) -> list[str]:
    """Files below the folder that are new or changed in git; empty without git or a repository."""
    if process.which("git") is None:
        return []
    env = git.environment(os.environ, git_folders.find(root) is not None)
    listed = process.run(git.changes(str(root), folder), timeout=30, env=env)
    return [line[3:] for line in listed.out.split("\0") if line] if listed.ok else []
