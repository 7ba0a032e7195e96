"""A team's strict settings find nothing of the tool's in a workspace.

Ruff with docstring, naming and pylint rules, mypy strict, and plain `pytest` at the root.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from innerloop.scaffold import workspace_template
from tests.support import ROOT, Workspace

RUFF = """[tool.ruff]
line-length = 120
[tool.ruff.lint]
select = ["E", "F", "I", "D", "N", "PL"]
[tool.ruff.lint.pydocstyle]
convention = "google"
"""
TEAMS_OWN = ("src/", "notebooks/")


@pytest.fixture
def team(tmp_path: Path, _tool: None) -> Workspace:
    """The files that `init --example digits` begins with, generated files, and strict settings."""
    root = tmp_path / "team"
    for name in workspace_template.names(ROOT, []):
        file, target = workspace_template.read(ROOT, name), root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.link:
            target.symlink_to(file.link)
        else:
            target.write_bytes(file.content)
    # The launcher finds the tool's source beside the real scripts/.
    (root / "scripts").rename(root / "scripts-of-the-template")
    (root / "scripts").symlink_to(ROOT / "scripts")
    workspace = Workspace(root)
    assert workspace.loop("sync").code == 0
    settings = root / "pyproject.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + RUFF, encoding="utf-8")
    return workspace


def run(team: Workspace, *words: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-I", "-m", *words], cwd=team.root, env=env, capture_output=True, text=True
    )


def test_ruff_finds_nothing_outside_of_the_teams_own_code(team: Workspace) -> None:
    done = run(team, "ruff", "check", "--no-cache", "--output-format", "concise", ".")
    found = [line for line in done.stdout.splitlines() if line.count(":") >= 3]
    assert [line for line in found if not line.startswith(TEAMS_OWN)] == [], done.stdout
    assert done.stderr == ""


def test_mypy_strict_accepts_every_python_file_outside_of_the_teams_own_code(
    team: Workspace,
) -> None:
    found = [path.relative_to(team.root).as_posix() for path in team.root.rglob("*.py")]
    tools = [path for path in found if not path.startswith(TEAMS_OWN)]
    assert sorted(tools) == [
        ".vscode/extensions/innerloop/start/sitecustomize.py",
        "tests/test_workspace.py",
    ]
    done = run(team, "mypy", "--strict", "--cache-dir", os.devnull, *tools)
    assert done.returncode == 0, done.stdout + done.stderr


def test_plain_pytest_at_the_root_runs_the_workspaces_own_tests_alone(team: Workspace) -> None:
    done = run(team, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    collected = run(team, "pytest", "-q", "--collect-only", "-p", "no:cacheprovider").stdout
    files = {line.partition("::")[0] for line in collected.splitlines() if "::" in line}
    assert files == {"tests/test_workspace.py"}


def test_the_workspaces_own_tests_fail_for_what_they_name(team: Workspace) -> None:
    team.write("src/digit_recognition/reach.py", "import digit_recognition_svm.train\n")
    team.write("src/digit_recognition/tool.py", "import innerloop\n")
    job = team.read("src/digit_recognition_svm/azure-ml-job.yaml")
    team.write("src/digit_recognition_svm/azure-ml-job.yaml", job + "environmnt: x\n")
    (team.root / "src/digit_recognition/away").symlink_to(team.root / "data")
    team.write("src/new/environment/Dockerfile", "FROM scratch\n")
    done = run(team, "pytest", "-q", "-p", "no:cacheprovider", "--no-header")
    failed = {
        line.split("::")[1].split(" ")[0]
        for line in done.stdout.splitlines()
        if line.startswith("FAILED")
    }
    assert failed == {
        "test_job_files_have_no_errors_or_warnings",
        "test_generated_files_are_current",
        "test_experiments_import_only_their_own_code_and_packages",
        "test_experiments_do_not_know_the_tool",
        "test_links_are_relative_and_lead_to_shared_code",
    }
