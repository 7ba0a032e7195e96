"""What is left of an experiment outside its folder: containers, images, work that git does not
have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..devcontainers import discovery
from ..docker import docker_cli
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import git, process


@dataclass(frozen=True, slots=True)
class InDocker:
    """Names; all empty where no engine answers."""

    running: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


def in_docker(workspace: Workspace, experiment: Experiment) -> InDocker:
    """Of its runs, terminals and notebooks, and its dev containers whoever made them."""
    if process.which("docker") is None:
        return InDocker()
    running, all_of_it, images = process.run_together(
        docker_cli.container_names(workspace.identity, experiment.name, running=True),
        docker_cli.container_names(workspace.identity, experiment.name),
        docker_cli.image_names(workspace.identity, experiment.name),
    )
    dev = discovery.find(workspace, experiment)
    return InDocker(
        _names(running, *(one.name for one in dev if one.running)),
        _names(all_of_it, *(one.name for one in dev)),
        tuple(name for name in _names(images) if "<none>" not in name),
    )


def _names(done: process.CompletedCommand, *more: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*(done.out.split() if done.ok else []), *more]))


def uncommitted(root: Path, folder: str) -> list[str]:
    """Files below the folder that git does not have as they are; none where git cannot say."""
    if process.which("git") is None:
        return []
    done = process.run(git.changes(str(root), folder), timeout=30)
    return [line[3:] for line in done.out.split("\0") if line] if done.ok else []
