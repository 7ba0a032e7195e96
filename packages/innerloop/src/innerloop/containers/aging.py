"""What on this machine is older than the files it was made from: asked when a folder is opened, by
`loop doctor`, and before anything runs in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import engine, loading
from ..errors import Mistake
from ..images import staleness
from ..render.devcontainer import CHECKSUMS, CONFIGURATION, MADE_FROM
from ..spec.experiment import Experiment
from ..spec.workspace import Workspace
from ..tools.docker import DIGEST
from . import configuration
from . import finding as containers
from . import notes
from .configuration import Configuration
from .finding import Container

if TYPE_CHECKING:  # `loop exec` should start fast, and needs no builder
    from ..images.building import Image


@dataclass(frozen=True, slots=True)
class Stale:
    """`kind` is "container" or "image"; `changed` says what has changed since, a phrase each."""

    experiment: str
    kind: str
    changed: tuple[str, ...]

    @property
    def mend(self) -> str:
        if self.kind == "container":
            return f"scripts/loop up {self.experiment} --rebuild"
        return f"scripts/loop build {self.experiment}"

    def sentence(self) -> str:
        what = "dev container" if self.kind == "container" else "image"
        changed = ", ".join(self.changed)
        return f"{self.experiment}: its {what} is older than this: {changed} (renew: `{self.mend}`)"


def stale(workspace: Workspace, name: str) -> list[Stale]:
    """Of one experiment; nothing without an engine, and nothing for what cannot be read."""
    if loading.marked() is not None:
        return _of_this_container(workspace, name)
    try:
        experiment = loading.open_experiment(workspace, name)
        config = configuration.load(workspace, experiment)
    except Mistake:
        return []
    found = containers.find(workspace, experiment)
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
    if staleness.FILES in one.labels or staleness.CONFIGURATION in one.labels:
        return staleness.of_labels(one.labels, environment, config.value, config.path)
    kept = notes.made_from(Path(workspace.root), experiment.slug, one)
    if kept is None:
        return []
    return staleness.of_notes(
        kept.checksums, kept.configuration, environment, config.value, config.path
    )


def of_image(image: Image) -> list[str]:
    """What has changed since an image was built; nothing when there is no such image."""
    labels = engine.labels_of(image.name)
    if not image.digest or labels.get(DIGEST) in (None, image.digest):
        return []
    folder = Path(image.context)
    return staleness.of_labels(labels, folder, {}, "") or [f"{folder.name}/ changed"]


def _of_images(workspace: Workspace, experiment: Experiment) -> Sequence[Stale]:
    """`loop run` builds them anew by itself; said here so that the wait is no surprise."""
    from ..images import building

    changed = {
        line
        for dev in (False, True)
        for line in of_image(building.image_of(workspace, experiment, dev=dev))
    }
    return [Stale(experiment.name, "image", tuple(sorted(changed)))] if changed else []


def _of_this_container(workspace: Workspace, name: str) -> list[Stale]:
    """Inside a container: from what it keeps in its user's home."""
    if loading.marked() != name:
        return []
    home = Path(os.path.expanduser(MADE_FROM))
    try:
        checksums = (home / CHECKSUMS).read_text(encoding="utf-8")
        kept = (home / CONFIGURATION).read_text(encoding="utf-8")
        experiment = loading.open_experiment(workspace, name)
        config = configuration.load(workspace, experiment)
    except (OSError, UnicodeDecodeError, Mistake):
        return []
    environment = Path(workspace.root, experiment.folder, "environment")
    changed = staleness.of_notes(checksums, kept, environment, config.value, config.path)
    return [Stale(name, "container", tuple(changed))] if changed else []
