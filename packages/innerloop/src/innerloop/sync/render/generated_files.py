"""FILE NAMES: specification -> the wanted value of one file. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...model.experiment import Experiment
from ...model.workspace import Workspace

if TYPE_CHECKING:  # reading a rendered file needs no YAML
    from ...model.jobs.job import Job
    from ...model.settings.schedules import Schedule

Json = Any


@dataclass(frozen=True, slots=True)
class Specification:
    """What everything is rendered from: the workspace, its experiments, and the job of each that
    has one (a broken job file has no entry: the other experiments are rendered all the same), and
    the schedule of each that is started by orchestrators. `read` gives the text of a component's
    file, by its path relative to the root."""

    workspace: Workspace
    experiments: tuple[Experiment, ...]
    jobs: Mapping[str, Job]
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    read: Callable[[str], str | None] = field(default=lambda path: None)


def wanted(subject: Specification) -> dict[str, Json]:
    """Every rendered file: path relative to the root, with "/" -> its JSON value, or the text of
    a file that is written whole."""
    from . import (
        devcontainer_json,
        extensions_json,
        launch_json,
        settings_json,
        tasks_json,
        workspace_container,
    )

    files = {
        f".devcontainer/{experiment.slug}/devcontainer.json": devcontainer_json.render(
            subject, experiment
        )
        for experiment in subject.experiments
    }
    files[workspace_container.PATH] = workspace_container.render(subject)
    files[".vscode/tasks.json"] = tasks_json.render(subject)
    files[".vscode/launch.json"] = launch_json.render(subject)
    files[".vscode/settings.json"] = settings_json.render(subject)
    files[".vscode/extensions.json"] = extensions_json.render(subject)
    if subject.schedules or subject.workspace.settings.orchestrators.chosen:
        from . import workflow_files

        files |= workflow_files.render(subject)
    return files
