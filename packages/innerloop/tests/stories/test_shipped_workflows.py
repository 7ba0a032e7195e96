"""The workflows of .github/ and orchestration/.

Pinned, with least permissions, and with commands that work.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from innerloop import __version__
from tests.support import PYTEST, ROOT, TINY, Workspace, clone

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TESTS, RELEASE = (ROOT / f".github/workflows/innerloop-{name}.yml" for name in ("tests", "release"))


def read(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8").replace("\non:\n", '\n"on":\n', 1)
    value: dict[str, Any] = yaml.safe_load(text)
    return value


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_permissions_are_stated(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses:\s*(\S+)(.*)", text)
    assert all(re.search(r"@[0-9a-f]{40}$", name) and "# v" in note for name, note in used), used
    workflow = read(path)
    assert "permissions" in workflow or all("permissions" in j for j in workflow["jobs"].values())
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_each_action_has_one_version() -> None:
    texts = [path.read_text(encoding="utf-8") for path in WORKFLOWS]
    used = {pin for text in texts for pin in re.findall(r"uses: (\S+) # (v\S+)", text)}
    names = [name.partition("@")[0] for name, _ in used]
    assert len(names) == len(set(names)) > 5, sorted(used)


def test_long_campaigns_run_every_night_with_the_words_of_the_test_program() -> None:
    nightly = read(ROOT / ".github/workflows/innerloop-nightly.yml")
    assert re.fullmatch(r"\d+ \d+ \* \* \*", nightly["on"]["schedule"][0]["cron"])
    (job,) = nightly["jobs"].values()
    assert job["steps"][-1]["run"].endswith(".ci/run --nightly")
    assert 'packages/innerloop/test "$@"' in (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_tool_is_tested_on_every_system_and_python() -> None:
    jobs = read(TESTS)["jobs"]
    matrix = jobs["pure"]["strategy"]["matrix"]
    systems = {name.partition("-")[0] for name in matrix["os"]}
    assert systems == {"ubuntu", "macos", "windows"}
    package = (ROOT / "packages/innerloop/pyproject.toml").read_text(encoding="utf-8")
    assert f'requires-python = ">={matrix["python"][0]}"' in package
    assert matrix["python"] == [f"3.{minor}" for minor in range(10, 15)]
    assert read(TESTS)["permissions"] == {"contents": "read"}
    for job in jobs.values():
        command = shlex.split(job["steps"][-1]["run"])
        (program,) = [word for word in command if word.endswith(("/run", "/test"))]
        assert os.access(ROOT / program, os.X_OK)
    # What it leaves out are markers that exist: pytest takes any word.
    expression = command[command.index("-m") + 1]
    conftest = (ROOT / "packages/innerloop/tests/conftest.py").read_text(encoding="utf-8")
    for marker in re.findall(r"\w+", expression.replace("and", "").replace("not", "")):
        assert f'"{marker}: ' in conftest + package, marker


def test_release_has_no_secret_and_least_permissions() -> None:
    text = RELEASE.read_text(encoding="utf-8")
    assert "secrets." not in text and "password" not in text
    workflow = read(RELEASE)
    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert "permissions" not in jobs["build"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["environment"] == "pypi"
    assert jobs["release"]["permissions"] == {
        "contents": "write",
        "id-token": "write",
        "attestations": "write",
    }
    assert jobs["template"]["permissions"] == {"packages": "write"}
    # What writes runs nothing of the repository's.
    for name in ("publish", "release", "template"):
        assert not any("checkout" in step.get("uses", "") for step in jobs[name]["steps"])
    needs = {name: jobs[name]["needs"] for name in ("publish", "release", "template")}
    assert needs == {"publish": "build", "release": "publish", "template": "publish"}


@pytest.mark.parametrize(("tag", "code"), [("v{}", 0), ("v{}.1", 1), ("{}", 1)])
def test_release_refuses_a_tag_that_is_not_the_version(tag: str, code: int) -> None:
    steps = read(RELEASE)["jobs"]["build"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("name") == "the tag is the version"]
    env = {**os.environ, "GITHUB_REF_NAME": tag.format(__version__)}
    done = subprocess.run(
        ["bash", "-e", "-c", script], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.returncode == code
    assert ("::error file=" in done.stdout) is bool(code)


@pytest.mark.network
def test_release_builds_the_same_files_in_two_folders(tmp_path: Path) -> None:
    """The steps as a runner runs them, but for the comparison with a tag."""
    cloned = clone(tmp_path / "clone").root
    who = ["-c", "user.name=a person", "-c", "user.email=person@example.com"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run(["git", *who, *words], cwd=cloned, check=True)
    env = {
        **os.environ,
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_WORKSPACE": str(cloned),
        "GITHUB_REF_NAME": f"v{__version__}",
    }
    scripts = [step["run"] for step in read(RELEASE)["jobs"]["build"]["steps"] if "run" in step]
    for script in scripts[1:]:
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=cloned, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    sums = (cloned / "SHA256SUMS").read_text().splitlines()
    assert [line.split()[1] for line in sums] == [
        f"innerloop-{__version__}-py3-none-any.whl",
        f"innerloop-{__version__}.tar.gz",
        f"innerloop-{__version__}.cdx.json",
        f"innerloop-{__version__}.vsix",
    ]


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
    """Each step of both. The experiment that is tested is a small one beside those of the repository."""
    cloned = clone(tmp_path / "a clone")
    cloned.add("small", "print(1)\n", dockerfile=TINY, job="compute: azureml:cpu-cluster\n")
    requirements = "RUN pip install --no-cache-dir --require-hashes -r requirements-dev.txt\n"
    cloned.write(
        "src/small/environment/Dockerfile", f"{TINY}COPY requirements-dev.txt .\n{requirements}"
    )
    cloned.write("src/small/environment/requirements-dev.txt", PYTEST)
    cloned.write("src/small/tests/test_small.py", "def test_it():\n    assert True\n")
    assert cloned.loop("sync").code == 0
    same = scripts_of(".github/workflows/ci.yml"), scripts_of("orchestration/azure-devops/ci.yml")
    assert [one for one in same[0] if "list" not in one] == [
        one for one in same[1] if "list" not in one
    ]
    try:
        for script in same[0]:
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
        cloned.write("src/small/tests/test_small.py", "def test_it():\n    assert False\n")
        red = subprocess.run(
            ["bash", "-e", "-c", script], cwd=cloned.root, env=env, capture_output=True
        )
        assert red.returncode == 1
    finally:
        cloned.clean()
