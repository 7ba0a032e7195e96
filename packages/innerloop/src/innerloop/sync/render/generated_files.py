"""What `loop sync` generates, as a pure function of the workspace: path -> content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ...model.asset_files import Find, nothing
from ...model.dockerfiles.dockerfile import whole
from ...model.experiment import Experiment
from ...model.workspace import Workspace
from ...util.quick_dataclasses import dataclass

if TYPE_CHECKING:  # reading a generated file needs no YAML
    from ...model.jobs.job import Job
    from ...model.settings.schedules import Schedule

Json = Any


@dataclass(frozen=True, slots=True)
class Specification:
    """What files are generated from.

    `jobs` has no entry for an experiment without a job file; `schedules` has those that
    orchestrators start. `read` returns the text of a pipeline component's file, by its path from
    the root, and `find` the file that stands for what Azure ML keeps. `formats`: whether `loop
    format` has a formatter. `extension`: whether the workspace has VS Code's extension of the tool,
    with its schema.
    """

    workspace: Workspace
    experiments: tuple[Experiment, ...]
    jobs: Mapping[str, Job]
    schedules: Mapping[str, Schedule] = field(default_factory=dict)
    read: Callable[[str], str | None] = field(default=lambda path: None)
    formats: bool = True
    find: Find = nothing
    extension: bool = True


def generate(specification: Specification) -> dict[str, Json]:
    """Every generated file, by its path from the root with "/".

    A JSON file is given as its value, any other as its text. An adopted repository has its own
    settings, recommendations and notes for agents: F5 and the tasks need none of ours.
    """
    from . import (
        agents_md,
        devcontainer_json,
        extensions_json,
        launch_json,
        mcp_json,
        settings_json,
        tasks_json,
        workspace_container,
    )

    files = {
        devcontainer_json.path_of(experiment): devcontainer_json.render(specification, experiment)
        for experiment in specification.experiments
        if experiment.is_own
    }
    files |= {
        experiment.paths.dockerfile: whole(experiment.dockerfile)
        for experiment in specification.experiments
        if experiment.paths.is_generated
    }
    files[".vscode/tasks.json"] = tasks_json.render(specification)
    files[".vscode/launch.json"] = launch_json.render(specification)
    adopted = specification.workspace.settings.adopted
    if adopted is None:
        files |= workspace_container.render_all(specification)
        files[".vscode/settings.json"] = settings_json.render(specification)
        files[".vscode/extensions.json"] = extensions_json.render(specification)
        files[mcp_json.PATH] = mcp_json.render(specification)
        files[agents_md.PATH] = agents_md.render(specification)
    elif adopted.container:
        files |= workspace_container.render_all(specification, workspace_container.OWN_FOLDER)
    if specification.schedules or specification.workspace.settings.orchestrators.chosen:
        from . import workflow_files

        files |= workflow_files.render(specification)
    return files
