"""The workspace's own dev container, opened by the real devcontainer CLI.

Every docker task works from within, and what it writes is on the host and belongs to its owner.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from innerloop.sync.render.devcontainer_json import EXTENSION
from innerloop.sync.render.settings_json import JOB_SCHEMA
from tests.support import ROOT, Answer, Workspace, docker, make_workspace, remove_behind

pytestmark = [pytest.mark.docker, pytest.mark.devcontainer, pytest.mark.person]

PERSON = 1000
WRITES = """
import os, pathlib, sys
print(pathlib.Path(sys.argv[1], "a.csv").read_text(), os.getuid())
pathlib.Path("outputs/model.bin").write_text("x")
"""
JOB = """
command: python -u train.py ${{inputs.numbers}}
inputs: {numbers: {type: uri_folder, path: azureml:numbers:1}}
"""


@dataclass(frozen=True)
class Opened:
    workspace: Workspace
    owner: int

    def exec(self, *words: str) -> Answer:
        argv = ["devcontainer", "exec", "--workspace-folder", str(self.workspace.root), *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
        return Answer(done.returncode, done.stdout.replace("\r", ""), done.stderr)


@pytest.fixture(scope="module", params=[PERSON, 0], ids=["a person's", "root's"])
def opened(request: pytest.FixtureRequest, _tool: None) -> Iterator[Opened]:
    """One container for each owner of the workspace, as it takes seconds to open."""
    folder = Path(tempfile.mkdtemp(prefix="innerloop-workspace-"))
    made = make_workspace(folder / "our work", share_scripts=False, copy_source=True)
    made.add("tiny", WRITES, job=JOB)
    made.write("data/numbers/a.csv", "1,2,3")
    for file in (JOB_SCHEMA, f"{EXTENSION}/package.json"):
        made.write(file, "{}")
    synced = made.loop("sync")
    assert synced.code == 0, synced.err
    for name in ("Dockerfile", "entrypoint.sh"):
        assert made.read(f".devcontainer/{name}") == (ROOT / ".devcontainer" / name).read_text()
    for path in (folder, *folder.rglob("*")):
        os.chown(path, request.param, request.param, follow_symlinks=False)
    folder.chmod(0o755)
    up = ["devcontainer", "up", "--workspace-folder", str(made.root)]
    done = subprocess.run(up, capture_output=True, text=True, timeout=600)
    container = ""
    try:
        assert done.returncode == 0, done.stderr[-5000:] + done.stdout
        told = json.loads(done.stdout.splitlines()[-1])
        container = told["containerId"]
        assert (told["outcome"], told["remoteUser"]) == ("success", "dev")
        yield Opened(made, request.param)
    finally:
        image = docker("inspect", "--format", "{{.Image}}", container).strip()
        mounts = json.loads(docker("inspect", "--format", "{{json .Mounts}}", container) or "[]")
        volumes = [mount["Name"] for mount in mounts if mount["Type"] == "volume"]
        docker("rm", "--force", container)
        tags = docker("image", "inspect", "--format", '{{join .RepoTags " "}}', image).split()
        # The CLI's second image has the user's number changed; the first is below it.
        for tag in tags:
            docker("rmi", tag, tag.replace("-uid:", ":"))
        docker("volume", "rm", *volumes)
        made.clean()
        remove_behind(folder)


def test_vs_code_finds_the_extension_there(opened: Opened) -> None:
    there = "~/.vscode-server/extensions/*/package.json ~/.vscode-remote/extensions/*/package.json"
    # By the exit code: what a program prints that ends at once, `devcontainer exec` may lose.
    found = opened.exec("sh", "-c", f'[ "$(cat {there})" = "{{}}{{}}" ] || ls -la ~ ~/.vscode*')
    assert (found.code, found.out.strip()) == (0, ""), found.err


def test_a_run_finds_its_data_and_its_outputs_are_the_owners_on_the_host(opened: Opened) -> None:
    ran = opened.exec("scripts/loop", "run", "tiny", "--backend", "docker")
    assert ran.code == 0, ran.err + ran.out
    assert f"1,2,3 {opened.owner}\n" in ran.out
    written = opened.workspace.outputs("tiny") / "model.bin"
    assert written.read_text() == "x"
    for path in (written, written.parent, written.parent.parent, written.parent.parent.parent):
        assert path.stat().st_uid == opened.owner, path


def test_the_image_is_the_one_that_the_host_has(opened: Opened) -> None:
    assert opened.exec("scripts/loop", "build", "tiny").code == 0
    on_the_host = opened.workspace.loop("build", "tiny")
    assert "up to date" in on_the_host.err
    assert len(opened.workspace.images()) == 1


def test_auto_takes_docker_and_a_dry_run_shows_the_hosts_paths(opened: Opened) -> None:
    dry = opened.exec("scripts/loop", "run", "tiny", "--dry-run", "--json")
    assert dry.code == 0, dry.err
    told = json.loads(dry.out[dry.out.index("{") :])
    assert told["backend"] == "docker"
    root = str(opened.workspace.root)
    assert {mount["source"] for mount in told["mounts"]} >= {
        f"{root}/src/tiny",
        f"{root}/data/numbers",
    }


def test_a_folder_of_the_container_alone_is_a_sentence(opened: Opened) -> None:
    ran = opened.exec("scripts/loop", "run", "tiny", "--set", "inputs.numbers=/etc/apt")
    assert ran.code == 1
    assert "/etc/apt exists in this container only" in ran.out + ran.err


def test_git_trusts_the_workspace_and_the_tools_environment_is_ready(opened: Opened) -> None:
    assert opened.exec("git", "init", "--quiet", ".").code == 0
    status = opened.exec("git", "status", "--short")
    assert status.code == 0 and "dubious" not in status.out + status.err
    version = opened.exec("scripts/loop", "--version")
    assert version.code == 0 and "setting up" not in version.out + version.err
