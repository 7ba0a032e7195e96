"""A run from its plan to its exit code: choose the backend, make the request, submit it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from .. import local
from ..history import in_flight
from ..local import BackendElsewhere, LocalBackend
from ..model import grants
from ..model.env_file import EnvFile
from ..model.run import Request, Run
from ..model.run_secrets import secrets_of
from ..util import consent, network
from ..util.errors import UserError, combine
from . import env_file, written_files
from .plan import plan, plan_command
from .started_run import Started, announce, backend_line, carry_out, new_id

__all__ = [
    "Started",
    "announce",
    "backend_line",
    "carry_out",
    "new_id",
    "plan",
    "plan_command",
    "prepare",
]


def prepare(
    run: Run, backend: str | BackendElsewhere, *, dry: bool, trusted: bool = False
) -> Started:
    """The run's request to the backend that was asked for, or to the first that is available.

    What the job gets beyond the workspace is said, and asked the first time, unless the person has
    `trusted` it.

    What it needs (an image, an environment) is built on the way, unless `dry`: then the request's
    notes name what is missing. Everything that is missing for a real run is one UserError.
    """
    if not dry and in_flight.read_all(Path(run.workspace.root)):
        from ..local import lost_runs  # here, since mostly nothing was left

        lost_runs.settle_all(Path(run.workspace.root))
    chosen, reason = _choose(backend, run)
    elsewhere = None if isinstance(backend, str) else backend
    file = env_file.read(Path(run.workspace.root))
    # The request first: an error in the command is reported before minutes of building.
    request = _given(chosen.plan(run), file)
    urls = network.of_machine(os.environ).urls
    redaction = secrets_of(run, request, {**os.environ, **file.variables}, urls)
    why = "; ".join(filter(None, [reason, request.why]))
    request = replace(request, why=why, redaction=redaction)
    missing = [*run.missing, *request.missing]
    granted = grants.of_run(
        run, in_container=request.container is not None, resolve=os.path.realpath
    )
    lines = [*map(str, granted), *request.grants]
    if dry:
        request = request.with_notes(*(f"beyond the workspace: {line}" for line in lines))
        if any(mount.view for mount in request.mounts):
            beside = f"{request.outputs}/{written_files.BESIDE}"
            request = request.with_notes(f"new files beside ./outputs go to {beside}/")
        notes = [f"a real run needs more: {error.message()}" for error in missing]
        return Started(run, request.with_notes(*notes), chosen.submit, elsewhere)
    if missing:
        raise combine(missing)
    root = Path(run.workspace.root)
    consent.require(root, f"the job {run.job.name}", lines, trusted=trusted)
    chosen.prepare(run, request)
    if request.needs_build or request.gpu.needs_trial:
        # What was built is known only now, an image's users for instance, and what a trial showed.
        built = _given(chosen.plan(run), file)
        if built.missing:
            raise combine(built.missing)
        why = "; ".join(filter(None, [reason, built.why]))
        request = replace(built, why=why, redaction=redaction)
    return Started(run, request, chosen.submit, elsewhere)


def _given(request: Request, file: EnvFile) -> Request:
    """The request with the variables of `.env`, which stays on this machine."""
    return request if request.compute else env_file.given(request, file)


def _choose(name: str | BackendElsewhere, run: Run) -> tuple[LocalBackend, str]:
    """The backend, and which fact chose it."""
    if not isinstance(name, str):
        return name, "asked for"
    if name != local.AUTO:
        return local.backend(name), "asked for"
    reason = ""
    for candidate in local.BACKENDS:
        backend = local.backend(candidate)
        found = backend.available(run.workspace)
        if found.is_available:
            return backend, "; ".join(filter(None, [reason, found.why]))
        reason = reason if found.is_rare else found.why
    raise UserError(f"no backend is available: {reason}", code="backend-unavailable")
