"""Experiments with one problem for a cluster each, or none (tests/broken/argo)."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.model.lint import argo_rules, schedule_rules
from innerloop.model.lint.finding import Finding
from innerloop.workspace import loader
from tests.model import broken_cases
from tests.support import make_workspace


def findings_of(name: str, root: Path) -> list[Finding]:
    made = make_workspace(root / "work")
    case = broken_cases.cases("argo")[name]
    broken_cases.write(case, "_base", made.root / "src" / "line")
    workspace = loader.open_workspace(made.root)
    experiment = loader.open_experiment(workspace, "line")
    job = loader.open_job(workspace, experiment)
    read = loader.WorkspaceFiles(made.root).read
    orchestrators = workspace.settings.orchestrators.names
    schedule = schedule_rules.check(experiment, job, orchestrators).schedule
    found = [
        *argo_rules.of_experiment(experiment, job, read),
        *argo_rules.of_schedule(experiment, job, schedule, read),
    ]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("case", broken_cases.names("argo"))
def test_experiment_has_the_expected_findings(case: str, tmp_path: Path) -> None:
    found = broken_cases.summary(findings_of(case, tmp_path))
    assert found == broken_cases.cases("argo")[case].expected
