"""Which images and dev containers are outdated: older than the files that they were made from.

Checked when the folder is opened, by `loop doctor`, and before a program runs in them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from ..docker import engine, image_bases, image_staleness
from ..model.container import BASES_LABEL, DIGEST_LABEL
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..sync.render.devcontainer_json import CHECKSUMS, CONFIGURATION, MADE_FROM
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..workspace import loader
from . import configuration, discovery, state_cache
from .configuration import Configuration
from .discovery import Container


@dataclass(frozen=True, slots=True)
class Outdated:
    """An outdated `kind`. `changed` has one phrase per change. An "image file" is Apptainer's."""

    experiment: str
    kind: Literal["container", "image", "image file"]
    changed: tuple[str, ...]

    @property
    def update(self) -> tuple[str, ...]:
        """The arguments of the command that updates it."""
        if self.kind == "container":
            return ("up", self.experiment, "--rebuild")
        if self.kind == "image file":
            return ("build", self.experiment, "--backend", "apptainer")
        return ("build", self.experiment)

    @property
    def hint(self) -> str:
        return f"scripts/loop {' '.join(self.update)}"

    def message(self) -> str:
        what = "dev container" if self.kind == "container" else self.kind
        changed = ", ".join(self.changed)
        return f"{self.experiment}: the {what} is outdated: {changed} (update: `{self.hint}`)"


def outdated(workspace: Workspace, name: str) -> list[Outdated]:
    """What is outdated of one experiment.

    Empty without an engine, or if the experiment's files cannot be read.
    """
    if loader.current_experiment() is not None:
        return _of_this_container(workspace, name)
    try:
        experiment = loader.open_experiment(workspace, name)
    except UserError:
        return []
    try:
        config = configuration.load(workspace, experiment)
    except UserError:  # an image needs no devcontainer.json
        return _of_images(workspace, experiment)
    containers = [
        Outdated(name, "container", tuple(changes))
        for container in discovery.find(workspace, experiment)
        if (changes := of_container(container, workspace, experiment, config))
    ]
    return [*containers, *_of_images(workspace, experiment)]


def of_container(
    container: Container, workspace: Workspace, experiment: Experiment, config: Configuration
) -> list[str]:
    """What has changed since the container was created, one phrase per change."""
    environment = loader.context_of(workspace, experiment)
    if (
        image_staleness.FILES in container.labels
        or image_staleness.CONFIGURATION in container.labels
    ):
        return image_staleness.of_labels(
            container.labels, environment, config.decisive, config.path
        )
    note = state_cache.read(Path(workspace.root), experiment.slug, container.id)
    if note is not None and note.configuration:
        kept = {image_staleness.CONFIGURATION: note.configuration}
        return image_staleness.of_configuration(kept, config.decisive, config.path)
    made_from = state_cache.made_from(Path(workspace.root), experiment.slug, container)
    if made_from is None:
        return []
    return image_staleness.of_notes(
        made_from.checksums, made_from.configuration, environment, config.value, config.path
    )


def of_image(image: Image) -> list[str]:
    """What has changed since the image was built; empty if there is no such image."""
    labels = engine.labels_of(image.name)
    if not image.digest or labels.get(DIGEST_LABEL) is None:
        return []
    folder = Path(image.context)
    if labels[DIGEST_LABEL] == image.digest:
        bases = image_bases.changed_bases(labels.get(BASES_LABEL, ""))
        return [f"the base image {base} changed" for base in bases]
    return image_staleness.of_labels(labels, image.counted, {}, "") or [f"{folder.name}/ changed"]


def _of_images(workspace: Workspace, experiment: Experiment) -> list[Outdated]:
    """At most one entry for all images. `loop run` rebuilds them by itself."""
    from ..docker import image_build

    changes = {
        change
        for dev, test in ((False, False), (True, False), (True, True))
        for change in of_image(image_build.image_of(workspace, experiment, dev=dev, test=test))
    }
    return [Outdated(experiment.name, "image", tuple(sorted(changes)))] if changes else []


def _of_this_container(workspace: Workspace, name: str) -> list[Outdated]:
    """Inside a dev container: from the files in its user's home."""
    if loader.current_experiment() != name:
        return []
    home = Path(os.path.expanduser(MADE_FROM))
    try:
        checksums = (home / CHECKSUMS).read_text(encoding="utf-8", errors="surrogateescape")
        kept = (home / CONFIGURATION).read_text(encoding="utf-8")
        experiment = loader.open_experiment(workspace, name)
        config = configuration.load(workspace, experiment)
    except (OSError, UnicodeDecodeError, UserError):
        return []
    environment = loader.context_of(workspace, experiment)
    changes = image_staleness.of_notes(checksums, kept, environment, config.value, config.path)
    return [Outdated(name, "container", tuple(changes))] if changes else []
