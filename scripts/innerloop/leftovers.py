"""What is left of an experiment outside its folder: containers, images, work that git does not
have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import process
from .spec.workspace import Workspace
from .tools import leftovers


@dataclass(frozen=True, slots=True)
class InDocker:
    """Names; all empty where no engine answers."""

    running: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    images: tuple[str, ...] = ()


def in_docker(workspace: Workspace, name: str) -> InDocker:
    if process.found("docker") is None:
        return InDocker()
    slug = name.replace("/", ".")
    config = str(Path(workspace.root, ".devcontainer", slug, "devcontainer.json"))
    answers = process.run_together(
        leftovers.containers(workspace.root, name, running=True),
        leftovers.dev_containers(config, running=True),
        leftovers.containers(workspace.root, name),
        leftovers.dev_containers(config),
        leftovers.images(workspace.root, name),
    )
    names = [tuple(one.out.split()) if one.ok else () for one in answers]
    named = tuple(image for image in names[4] if "<none>" not in image)
    return InDocker((*names[0], *names[1]), (*names[2], *names[3]), named)


def uncommitted(root: Path, folder: str) -> list[str] | None:
    """Files below the folder that git does not have as they are; None where git cannot say."""
    if process.found("git") is None:
        return None
    done = process.run(
        ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=all", "--", folder],
        timeout=30,
    )
    return [line[3:] for line in done.out.splitlines()] if done.ok else None
