"""Images that CI pushed, against a real registry on this machine.

A colleague's first build is a pull, and after a change the layers that are the same are not built
again.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.sync.render.devcontainer_json import EXTENSION
from innerloop.sync.render.settings_json import JOB_SCHEMA
from innerloop.util.network import AUTHORITIES
from tests.registry import running
from tests.small_image import small_image
from tests.support import BUILDKIT, ROOT, Workspace, docker, make_workspace

pytestmark = [pytest.mark.docker, pytest.mark.registry]

STAGES = """
FROM IMAGE AS base
RUN head -c 9 /dev/urandom | base64 > /made-once # NONCE
FROM base AS dev
COPY tools.txt /tools.txt
RUN cat /tools.txt > /made
FROM base AS job
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address; the engine takes a registry on loopback without TLS."""
    with running(tmp_path_factory.mktemp("registry")) as address:
        yield f"{address}/team/images"


@pytest.fixture
def nonce() -> str:
    return f"nonce{os.urandom(8).hex()}"


def clone(root: Path, registry: str, nonce: str) -> Workspace:
    made = make_workspace(root / "work")
    made.write("pyproject.toml", f'[tool.innerloop]\nregistry = "{registry}"\n')
    # A step that no other test has: what the builder keeps of it can be told from the rest.
    stages = STAGES.replace("NONCE", nonce).replace("IMAGE", small_image())
    made.add("line", "print(open('/made-once').read())", dockerfile=stages)
    made.write("src/line/environment/tools.txt", "one\n")
    return made


@pytest.fixture
def ci(tmp_path: Path, registry: str, nonce: str, _tool: None) -> Iterator[Workspace]:
    made = clone(tmp_path / "ci", registry, nonce)
    yield made
    made.clean()


@pytest.fixture
def colleague(tmp_path: Path, registry: str, nonce: str, _tool: None) -> Iterator[Workspace]:
    made = clone(tmp_path / "colleague", registry, nonce)
    yield made
    by_name = f"reference=*{registry}/*"
    for name in docker(
        "images", "--filter", by_name, "--format", "{{.Repository}}:{{.Tag}}"
    ).split():
        docker("rmi", name)
    made.loop("clean", "--all", "--yes")


def test_a_colleagues_first_build_is_a_pull(
    ci: Workspace, colleague: Workspace, registry: str, nonce: str
) -> None:
    pushed = ci.loop("build", "--all", "--push")
    assert pushed.code == 0, pushed.err
    assert [line.rpartition(":")[2] for line in pushed.out.split()] == ["job", "dev"]
    content = docker("run", "--rm", pushed.out.split()[0], "cat", "/made-once")
    forget(ci, nonce)
    ran = colleague.loop("run", "line", "--backend", "docker")
    assert ran.code == 0, ran.err
    assert "pulled in" in ran.err and "building" not in ran.err
    assert ran.out.strip() == content.strip()
    assert "up to date" in colleague.loop("build", "line").err
    stays = colleague.loop("clean", "--dry-run").out
    assert "nothing to clean" in stays
    removed = colleague.loop("clean", "--all", "--yes")
    assert removed.code == 0 and "removed image" in removed.out
    # No name of the registry is left behind either, which would hold the layers.
    names = docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert [name for name in names if registry in name] == []


@pytest.mark.buildkit
def test_after_a_change_the_layers_that_are_the_same_are_taken(
    ci: Workspace, colleague: Workspace, nonce: str
) -> None:
    pushed = ci.loop("build", "line", "--dev", "--push", env=BUILDKIT)
    assert pushed.code == 0, pushed.err
    content = docker("run", "--rm", pushed.out.strip(), "cat", "/made-once")
    forget(ci, nonce)
    colleague.write("src/line/environment/tools.txt", "two\n")
    built = colleague.loop("build", "line", "--dev", env=BUILDKIT)
    assert built.code == 0, built.err
    assert "no image has been pushed for this environment/ yet; building it here" in built.err
    told = docker("run", "--rm", built.out.strip(), "cat", "/made-once", "/made")
    assert told == f"{content}two\n"


@pytest.mark.devcontainer
@pytest.mark.buildkit
def test_reopen_in_container_takes_the_layers_as_well(
    ci: Workspace, colleague: Workspace, nonce: str
) -> None:
    # A runner has no authority of its own: the steps that it builds are the file's as they stand.
    env = {**BUILDKIT, **dict.fromkeys(AUTHORITIES, ""), "PIP_CONFIG_FILE": os.devnull}
    pushed = ci.loop("build", "line", "--dev", "--push", env=env)
    content = docker("run", "--rm", pushed.out.strip(), "cat", "/made-once")
    forget(ci, nonce)
    for path in (JOB_SCHEMA, f"{EXTENSION}/package.json"):
        colleague.write(path, "{}")
    assert colleague.loop("sync").code == 0
    config = colleague.root / ".devcontainer/line/devcontainer.json"
    assert json.loads(config.read_text())["build"]["cacheFrom"].endswith("/team/images/line:dev")
    done = subprocess.run(
        ["devcontainer", "up", "--workspace-folder", str(colleague.root), "--config", str(config)],
        capture_output=True,
        text=True,
        env={**os.environ, **BUILDKIT},
    )
    assert done.returncode == 0, done.stderr
    container = json.loads(done.stdout.splitlines()[-1])["containerId"]
    try:
        assert docker("exec", container, "cat", "/made-once") == content
        # And VS Code's server finds the extension of the workspace.
        found = "cat ~/.vscode-server/extensions/*/package.json"
        assert docker("exec", container, "sh", "-c", found) == "{}"
    finally:
        image = docker("inspect", "--format", "{{.Image}}", container).strip()
        tags = docker("image", "inspect", "--format", '{{join .RepoTags " "}}', image).split()
        docker("rm", "--force", "--volumes", container)
        docker("rmi", "--force", *tags)


def test_a_registry_that_does_not_answer_costs_one_line(colleague: Workspace) -> None:
    colleague.write("pyproject.toml", '[tool.innerloop]\nregistry = "127.0.0.1:1/team/images"\n')
    built = colleague.loop("build", "line")
    assert built.code == 0, built.err
    assert "connection refused; building it here" in built.err
    pushed = colleague.loop("build", "line", "--push")
    assert pushed.code == 1 and "cannot be pushed" in pushed.message


def test_push_without_a_registry_is_a_sentence(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    answer = workspace.loop("build", "tiny", "--push")
    assert answer.code == 1 and 'registry = "ghcr.io/owner/name"' in answer.message


def test_the_workflow_pins_every_action_by_commit() -> None:
    text = (ROOT / ".github/workflows/prebuild.yml").read_text()
    uses = [
        line.split("uses:")[1].split("#")[0].strip()
        for line in text.splitlines()
        if "uses:" in line
    ]
    assert len(uses) == 2
    for one in uses:
        commit = one.partition("@")[2]
        assert len(commit) == 40 and set(commit) <= set("0123456789abcdef"), one


def forget(ci: Workspace, nonce: str) -> None:
    """As on another machine: neither the image nor what the builder keeps of its steps is there."""
    ci.clean()
    kept = json.loads(
        docker("system", "df", "--verbose", "--format", "{{json .BuildCache}}") or "[]"
    )
    for one in kept:
        if nonce in one["Description"]:
            docker("builder", "prune", "--force", "--all", "--filter", f"id={one['ID']}")
