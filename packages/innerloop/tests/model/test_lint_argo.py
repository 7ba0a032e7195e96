"""Every folder of tests/broken/argo is an experiment that cannot run in a cluster in exactly one way
(or can), and `expected.txt` says what a person reads. A case is laid over `_base`; a pyproject.toml
in it is the workspace's. To write an expected.txt anew: INNERLOOP_EXPECT=write.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from innerloop.model.lint import argo_rules, schedule_rules
from innerloop.workspace import loader

from tests.support import make_workspace

CASES = Path(__file__).resolve().parents[1] / "broken" / "argo"
NAMES = sorted(path.name for path in CASES.iterdir() if not path.name.startswith("_"))


def said(case: str, root: Path) -> list[str]:
    made = make_workspace(root / "work")
    folder = made.root / "src" / "line"
    shutil.copytree(CASES / "_base", folder)
    ignored = shutil.ignore_patterns("expected.txt", "pyproject.toml")
    shutil.copytree(CASES / case, folder, dirs_exist_ok=True, ignore=ignored)
    if (CASES / case / "pyproject.toml").exists():
        shutil.copy(CASES / case / "pyproject.toml", made.root)
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
    return [f"{one.level} {one.code}: {one.message()}" for one in dict.fromkeys(found)]


@pytest.mark.parametrize("case", NAMES)
def test_a_job_in_a_cluster_and_what_is_said_of_it(case: str, tmp_path: Path) -> None:
    lines = said(case, tmp_path)
    expected = CASES / case / "expected.txt"
    if os.environ.get("INNERLOOP_EXPECT") == "write":
        expected.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert lines == expected.read_text(encoding="utf-8").splitlines()
