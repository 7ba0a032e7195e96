"""The workflows of .github/ and orchestration/: pinned, with few rights, and their commands do what
they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import PYTEST, ROOT, TINY, Workspace, clone

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def read(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return value


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_rights_are_stated(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses:\s*(\S+)(.*)", text)
    assert all(re.search(r"@[0-9a-f]{40}$", name) and "# v" in note for name, note in used), used
    workflow = read(path)
    assert "permissions" in workflow or all("permissions" in j for j in workflow["jobs"].values())
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_ci_lists_the_experiments_for_its_matrix(workspace: Workspace, tmp_path: Path) -> None:
    """The step is run as a runner runs it: `bash -e` on its text, outputs through a file."""
    workspace.add("one", "print(1)\n")
    workspace.add("search/two", "print(2)\n")
    steps = read(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["workspace"]["steps"]
    (text,) = [step["run"] for step in steps if step.get("id") == "list"]
    output = tmp_path / "output"
    env = {**os.environ, "GITHUB_OUTPUT": str(output)}
    subprocess.run(["bash", "-e", "-c", text], cwd=workspace.root, env=env, check=True)
    name, _, value = output.read_text().strip().partition("=")
    assert (name, json.loads(value)) == ("experiments", ["one", "search/two"])


def test_azure_pipelines_lists_the_experiments_for_its_matrix(workspace: Workspace) -> None:
    workspace.add("one", "print(1)\n")
    workspace.add("search/two", "print(2)\n")
    jobs = read(ROOT / "orchestration" / "azure-devops" / "ci.yml")["jobs"]
    (text,) = [step["bash"] for step in jobs[0]["steps"] if step.get("name") == "list"]
    done = subprocess.run(
        ["bash", "-c", text], cwd=workspace.root, capture_output=True, text=True, check=True
    )
    said, _, value = done.stdout.strip().partition("]")
    assert said == "##vso[task.setvariable variable=experiments;isOutput=true"
    matrix = json.loads(value)
    assert matrix == {"one": {"experiment": "one"}, "search_two": {"experiment": "search/two"}}


def scripts_of(path: str) -> list[str]:
    """What each step of CI runs, in its order."""
    jobs = read(ROOT / path)["jobs"]
    steps = [
        step for job in (jobs.values() if isinstance(jobs, dict) else jobs) for step in job["steps"]
    ]
    return [script for step in steps if (script := step.get("run", step.get("bash")))]


@pytest.mark.docker
@pytest.mark.network
def test_what_ci_runs_in_a_clean_clone(tmp_path: Path, _tool: None) -> None:
    """Each step of both, but the checks of our own code, which are what CI runs anyhow. The
    experiment that is tested is a small one beside those that are shipped."""
    cloned = clone(tmp_path / "a clone")
    cloned.add("small", "print(1)\n", dockerfile=TINY, job="compute: azureml:cpu-cluster\n")
    requirements = "RUN pip install --no-cache-dir --require-hashes -r requirements-dev.txt\n"
    cloned.write(
        "src/small/environment/Dockerfile", f"{TINY}COPY requirements-dev.txt .\n{requirements}"
    )
    cloned.write("src/small/environment/requirements-dev.txt", PYTEST)
    cloned.write("src/small/tests/test_small.py", "def test_it(): assert True\n")
    assert cloned.loop("sync").code == 0
    same = scripts_of(".github/workflows/ci.yml"), scripts_of("orchestration/azure-devops/ci.yml")
    assert [one for one in same[0] if "list" not in one] == [
        one for one in same[1] if "list" not in one
    ]
    try:
        for script in (one for one in same[0] if "scripts/test" not in one):
            env = {**os.environ, "EXPERIMENT": "small", "GITHUB_OUTPUT": str(tmp_path / "output")}
            done = subprocess.run(
                ["bash", "-e", "-c", script],
                cwd=cloned.root,
                env=env,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        assert "1 passed" in done.stdout
        cloned.write("src/small/tests/test_small.py", "def test_it(): assert False\n")
        red = subprocess.run(
            ["bash", "-e", "-c", script], cwd=cloned.root, env=env, capture_output=True
        )
        assert red.returncode == 1
    finally:
        cloned.clean()
