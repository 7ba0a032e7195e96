"""The data of a job on this machine: where each input lies, and what of it can be fetched."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..model.data_locations import Location, locate
from ..model.experiment import Experiment
from ..model.jobs.job import Input, Job
from ..model.workspace import Workspace
from ..util import files
from ..util.errors import UserError


@dataclass(frozen=True, slots=True)
class Found:
    """`path` is absolute. `is_there` may be false: then `url` is what to download it from first,
    and `missing` the sentence where there is no such address."""

    path: str
    is_there: bool
    writable: bool = False
    url: str = ""
    fetch: str = ""
    missing: UserError | None = None


def find(
    workspace: Workspace, experiment: Experiment, job: Job, one: Input, *, dry: bool = False
) -> Found | None:
    """Where a data input is; None when the program gets its address and no path (mode: direct), or
    when it has no value."""
    setting = experiment.settings.data.get(one.name)
    given = setting.path if setting else ""
    if not given and not one.has_value:
        return None
    location = Location(given) if given else locate(job.name, str(one.path), one.type)
    if one.passes_uri and not given and not location.is_here:
        return None
    path = os.path.normpath(os.path.join(workspace.root, location.path))
    writable = one.mode in ("rw_mount", "download")
    if setting is not None and setting.create:
        if not dry and not os.path.exists(path):
            files.make_folder(Path(path))
        return Found(path, True, writable=True)
    if os.path.exists(path):
        return Found(path, True, writable)
    if location.url:
        return Found(path, False, writable, location.url, location.fetch)
    return Found(path, False, writable, missing=_missing(workspace, experiment, job, one, location))


def _missing(
    workspace: Workspace, experiment: Experiment, job: Job, one: Input, location: Location
) -> UserError:
    shown = os.path.relpath(os.path.join(workspace.root, location.path), workspace.root)
    outside = shown.startswith("..") and os.path.isabs(one.path or "")
    shown = (one.path or "") if outside else shown.replace("\\", "/")
    settings_key = f"[data.{one.name}] in {experiment.folder}/innerloop.toml"
    other = f"name another folder with {settings_key}, or with --set inputs.{one.name}=PATH"
    if location.fetch:
        hint = f"Fetch them with `{location.fetch}`{location.hint}, or {other}"
    else:
        hint = f"Put them there, or {other}"
    source = "" if location.is_here or location.path == one.path else f" ({one.path})"
    return UserError(
        f'the data of input "{one.name}"{source} are not here: there is no {shown}',
        where=job.where("inputs", one.name),
        hint=hint,
    )
