"""The row of what each backend gives a run of GPUs. Hardware differs, so the facts are explained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from .. import local
from ..devcontainers import gpu_request
from ..docker import engine, gpus
from ..local import docker, in_container, process_gpus, venv
from ..model.gpu import Gpu, GpuSetting
from ..model.run import Run
from ..util.errors import UserError
from .facts import GPU, ParityColumn, ParityFact

ELSEWHERE = ParityFact("the compute's", shown="those of the compute or the node")


def with_gpu(
    run: Run, dev: Mapping[str, Any] | UserError, columns: Sequence[ParityColumn]
) -> tuple[ParityColumn, ...]:
    """The columns with the row.

    `dev` is the devcontainer.json on disk, whose request the dev container and F5 in it follow.
    """
    own = [column for column in columns if "environment" in column.facts]
    if not own:
        return tuple(columns)
    facts = _facts(run, dev)
    return tuple(
        (
            replace(column, facts={**column.facts, GPU: facts.get(_kind(column), ELSEWHERE)})
            if column in own
            else column
        )
        for column in columns
    )


def _kind(column: ParityColumn) -> str:
    """The backend that a column is about; a launch configuration is one of the dev container."""
    is_here = column.backend in local.BACKENDS
    return in_container.name if not is_here and column.backend[:2] == "F5" else column.backend


def _facts(run: Run, dev: Mapping[str, Any] | UserError) -> dict[str, ParityFact]:
    asked = engine.ask("innerloop")
    setting = run.experiment.settings.gpu
    requested = setting if isinstance(dev, UserError) else gpu_request.requested(dev)
    return {
        docker.name: _fact(setting, asked),
        in_container.name: _fact(requested, asked),
        venv.name: _fact(setting, None),
    }


def _fact(setting: GpuSetting, asked: engine.Engine | None) -> ParityFact:
    try:
        gpu = (
            process_gpus.decide(setting, gpus.host_of(setting), os.environ)
            if asked is None
            else gpus.for_container(setting, asked)
        )
    except UserError as error:
        gpu = Gpu(False, error.what)
    return ParityFact(",".join(gpu.devices) or "none", why=gpu.why)
