"""A run between its plan and its start."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from innerloop.model.run import Request, Run
from innerloop.runner import execute
from innerloop.workspace import loader
from tests.support import Workspace


@dataclass
class Builds:
    """A backend whose environment is built at the first start."""

    name: str = "venv"
    built: list[str] = field(default_factory=list)

    def plan(self, run: Run) -> Request:
        return Request(
            run.experiment.name, self.name, "true", run.outputs, "", needs_build=not self.built
        )

    def prepare(self, run: Run, request: Request) -> None:
        self.built.append(run.id)

    def submit(self, run: Run, request: Request) -> int:
        return 0


def test_request_that_is_made_again_after_a_build_still_masks_secrets(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s3cr3t-value-abcdefgh-123456"
    monkeypatch.setenv("MY_TOKEN", secret)
    backend = Builds()
    monkeypatch.setattr(execute, "_choose", lambda name, run: (backend, "asked for"))
    workspace.add("tiny", "")
    values = loader.open_workspace(workspace.root)
    experiment = loader.open_experiment(values, "tiny")
    run = execute.plan(values, experiment, loader.open_job(values, experiment))
    started = execute.prepare(run, "venv", dry=False)
    assert backend.built == [run.id]
    assert secret not in started.request.redaction.text(f"a {secret}")
