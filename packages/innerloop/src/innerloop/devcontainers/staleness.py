"""What on this machine is older than the files it was made from: asked when a folder is opened, by
`loop doctor`, and before anything runs in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..docker import engine, image_staleness
from ..model.container import DIGEST_LABEL
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..sync.render.devcontainer_json import CHECKSUMS, CONFIGURATION, MADE_FROM
from ..util.errors import UserError
from ..workspace import loader
from . import configuration, discovery, state_cache
from .configuration import Configuration
from .discovery import Container


@dataclass(frozen=True, slots=True)
class Stale:
    """`kind` is "container" or "image"; `changed` says what has changed since, a phrase each."""

    experiment: str
    kind: str
    changed: tuple[str, ...]

    @property
    def hint(self) -> str:
        if self.kind == "container":
            return f"scripts/loop up {self.experiment} --rebuild"
        return f"scripts/loop build {self.experiment}"

    def message(self) -> str:
        what = "dev container" if self.kind == "container" else "image"
        changed = ", ".join(self.changed)
        return f"{self.experiment}: its {what} is older than this: {changed} (renew: `{self.hint}`)"


def stale(workspace: Workspace, name: str) -> list[Stale]:
    """Of one experiment; nothing without an engine, and nothing for what cannot be read."""
    if loader.current_experiment() is not None:
        return _of_this_container(workspace, name)
    try:
        experiment = loader.open_experiment(workspace, name)
        config = configuration.load(workspace, experiment)
    except UserError:
        return []
    found = discovery.find(workspace, experiment)
    told = [
        Stale(name, "container", tuple(changed))
        for one in found
        if (changed := of_container(one, workspace, experiment, config))
    ]
    return [*told, *_of_images(workspace, experiment)]


def of_container(
    one: Container, workspace: Workspace, experiment: Experiment, config: Configuration
) -> list[str]:
    """What has changed since the container was made, a phrase each."""
    environment = Path(workspace.root, experiment.folder, "environment")
    if image_staleness.FILES in one.labels or image_staleness.CONFIGURATION in one.labels:
        return image_staleness.of_labels(one.labels, environment, config.value, config.path)
    kept = state_cache.made_from(Path(workspace.root), experiment.slug, one)
    if kept is None:
        return []
    return image_staleness.of_notes(
        kept.checksums, kept.configuration, environment, config.value, config.path
    )


def of_image(image: Image) -> list[str]:
    """What has changed since an image was built; nothing when there is no such image."""
    labels = engine.labels_of(image.name)
    if not image.digest or labels.get(DIGEST_LABEL) in (None, image.digest):
        return []
    folder = Path(image.context)
    return image_staleness.of_labels(labels, folder, {}, "") or [f"{folder.name}/ changed"]


def _of_images(workspace: Workspace, experiment: Experiment) -> Sequence[Stale]:
    """`loop run` builds them anew by itself; said here so that the wait is no surprise."""
    from ..docker import image_build

    changed = {
        line
        for dev in (False, True)
        for line in of_image(image_build.image_of(workspace, experiment, dev=dev))
    }
    return [Stale(experiment.name, "image", tuple(sorted(changed)))] if changed else []


def _of_this_container(workspace: Workspace, name: str) -> list[Stale]:
    """Inside a container: from what it keeps in its user's home."""
    if loader.current_experiment() != name:
        return []
    home = Path(os.path.expanduser(MADE_FROM))
    try:
        checksums = (home / CHECKSUMS).read_text(encoding="utf-8")
        kept = (home / CONFIGURATION).read_text(encoding="utf-8")
        experiment = loader.open_experiment(workspace, name)
        config = configuration.load(workspace, experiment)
    except (OSError, UnicodeDecodeError, UserError):
        return []
    environment = Path(workspace.root, experiment.folder, "environment")
    changed = image_staleness.of_notes(checksums, kept, environment, config.value, config.path)
    return [Stale(name, "container", tuple(changed))] if changed else []
