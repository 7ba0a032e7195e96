"""The data of a job on this machine: where each input is, and which of them can be downloaded."""

from __future__ import annotations

import os
from pathlib import Path

from ..model.asset_files import note_of
from ..model.data_locations import Location
from ..model.experiment import Experiment
from ..model.jobs.job import Input, Job
from ..model.workspace import Workspace
from ..util import files
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..workspace import asset_catalogue, missing_data


@dataclass(frozen=True, slots=True)
class Dataset:
    """The data of one input.

    `path` is absolute. If it does not exist yet, `url` is where to download it from and `command`
    the command that fetches it with a sign-in, or `missing` is the error when there is no such URL.
    `note`: which file of the workspace stands for data that Azure ML keeps, "" for none.
    """

    path: str
    exists: bool
    writable: bool = False
    url: str = ""
    command: str = ""
    missing: UserError | None = None
    note: str = ""


def find(
    workspace: Workspace, experiment: Experiment, job: Job, input_: Input, *, dry: bool = False
) -> Dataset | None:
    """Where a data input is.

    None when the program gets its URI instead of a path (mode: direct), or when it has no value.
    """
    setting = experiment.settings.data.get(input_.name)
    override = setting.path if setting else ""
    if not override and not input_.has_value:
        return None
    location, asset = (
        (Location(override), None)
        if override
        else asset_catalogue.location_of(Path(workspace.root), job.name, input_)
    )
    note = note_of(str(input_.path), asset) if asset is not None else ""
    if input_.passes_uri and not override and not location.is_here:
        return None
    path = os.path.normpath(os.path.join(workspace.root, location.path))
    writable = input_.mode in ("rw_mount", "download")
    if setting is not None and setting.create:
        if not dry and not os.path.exists(path):
            _make(workspace, experiment, input_, Path(path))
        return Dataset(path, True, writable=True)
    if os.path.exists(path):
        return Dataset(path, True, writable, note=note)
    if location.url:
        return Dataset(path, False, writable, location.url, location.fetch, note=note)
    try:
        if asset is None and not override:
            where = job.where("inputs", input_.name)
            asset_catalogue.data_of(Path(workspace.root), job.name, input_, where)
        missing = _missing(workspace, experiment, job, input_, location)
    except UserError as error:
        missing = error
    return Dataset(path, False, writable, missing=missing, note=note)


def _make(workspace: Workspace, experiment: Experiment, input_: Input, path: Path) -> None:
    if not path.is_relative_to(workspace.root) and not files.is_trusted(path):
        raise UserError(
            f"{path} is outside the workspace, so it is not created",
            code="outside-workspace",
            where=experiment.paths.settings,
            hint=f"[data.{input_.name}] names it: create the folder yourself if it is yours",
        )
    files.make_folder(path)


def _missing(
    workspace: Workspace, experiment: Experiment, job: Job, input_: Input, location: Location
) -> UserError:
    path = os.path.relpath(os.path.join(workspace.root, location.path), workspace.root)
    is_outside = path.startswith("..") and os.path.isabs(input_.path or "")
    path = (input_.path or "") if is_outside else path.replace("\\", "/")
    settings_key = f"[data.{input_.name}] in {experiment.paths.settings}"
    other = f"name another folder with {settings_key}, or with --set inputs.{input_.name}=PATH"
    if fetch := missing_data.remedy(Path(workspace.root), location.path):
        hint = f"Fetch them with `{fetch}`, or {other}"
    elif location.fetch:
        hint = f"Fetch them with `{location.fetch}`{location.hint}, or {other}"
    else:
        hint = f"Put them there, or {other}"
    source = "" if location.is_here or location.path == input_.path else f" ({input_.path})"
    return UserError(
        f'the data of input "{input_.name}"{source} are not here: there is no {path}',
        code="data-missing",
        where=job.where("inputs", input_.name),
        hint=hint,
    )
