"""What the tests of dev containers share: Dockerfiles, people, and the real CLI for each of them."""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from innerloop.docker.docker_cli import dev_container_id
from tests.support import Answer, Workspace, docker, make_workspace, remove_behind

SOCKET = Path("/var/run/docker.sock")

# A stage for people with a user of their own, as the experiments of this workspace have it.
THREE = """FROM python:3.11-slim-bookworm AS base
FROM base AS dev
RUN useradd --create-home --uid 1000 --shell /bin/bash dev
USER dev
FROM base AS job
"""


def containers(workspace: Workspace, experiment: str = "") -> list[dict[str, Any]]:
    """What Docker says of the workspace's dev containers (or one experiment's), running or not."""
    label = f"label=devcontainer.local_folder={workspace.root}"
    ids = docker("ps", "-aq", "--no-trunc", "--filter", label).split()
    found: list[dict[str, Any]] = json.loads(docker("inspect", *ids)) if ids else []
    ending = f"/{experiment}/devcontainer.json" if experiment else ""
    return [
        one for one in found if one["Config"]["Labels"]["devcontainer.config_file"].endswith(ending)
    ]


def up(workspace: Workspace, experiment: str = "tiny", *words: str, **more: Any) -> dict[str, Any]:
    """`loop up --json`, which must go well; its answer."""
    answer = workspace.loop("up", experiment, "--json", *words, **more)
    assert answer.code == 0, answer.err
    told: dict[str, Any] = json.loads(answer.out)
    return told


def bare(workspace: Workspace, *words: str, experiment: str = "tiny", **more: Any) -> Answer:
    """The devcontainer CLI itself, as VS Code's Reopen in Container runs it."""
    config = workspace.root / f".devcontainer/{experiment}/devcontainer.json"
    verb, *rest = words
    argv = ["devcontainer", verb, "--workspace-folder", str(workspace.root)]
    done = subprocess.run(
        [*more.get("prefix", ()), *argv, "--config", str(config), *rest],
        env={**os.environ, **workspace.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def clean(workspace: Workspace) -> None:
    """Takes away the workspace's dev containers, their volumes and all images made for them."""
    for one in containers(workspace):
        docker("rm", "-f", "-v", one["Id"])
        if (image := one["Config"]["Image"]).startswith("vsc-"):  # never one that others share
            docker("rmi", image, image.removesuffix("-uid"))
    for config in workspace.root.glob(".devcontainer/*/devcontainer.json"):
        number = dev_container_id(str(workspace.root), str(config))
        docker("volume", "rm", f"innerloop-cache-{number}")
    for _ in range(2):  # an image on top of another goes first
        workspace.clean()


@contextmanager
def person(uid: int) -> Iterator[Workspace]:
    """A workspace that belongs to the user `uid`.

    Its scripts/ is a copy that they can read, with the devcontainer CLI where they can start it.
    """
    home = Path(tempfile.mkdtemp(prefix=f"innerloop-person-{uid}-"))
    workspace = make_workspace(home / "their work", share_scripts=False, copy_source=True)
    workspace.env = {
        "HOME": str(home),
        "DOCKER_CONFIG": str(home / ".docker"),
        "INNERLOOP_CACHE": str(_cache(uid)),
        "PATH": f"{cli()}:/usr/local/bin:/usr/bin:/bin",
    }
    yield workspace
    clean(workspace)
    remove_behind(home)


def give(workspace: Workspace, uid: int) -> None:
    """Everything in the workspace and above it up to the home becomes theirs."""
    home = workspace.root.parent
    for path in (home, *home.rglob("*")):
        os.chown(path, uid, uid, follow_symlinks=False)


def become(uid: int) -> list[str]:
    """In the group of the engine's socket, as after `usermod -aG docker`."""
    group = str(SOCKET.stat().st_gid)
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", f"--groups={uid},{group}"]


@functools.cache
def _cache(uid: int) -> Path:
    """The tool's own environment is made once for each of them."""
    folder = Path(tempfile.mkdtemp(prefix=f"innerloop-cache-{uid}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chown(folder, uid, uid)
    return folder


@functools.cache
def cli() -> Path:
    """A folder for PATH with the CLI of this machine, since one under /root is not theirs to start.

    Copied once, and gone when the tests end.
    """
    found = shutil.which("devcontainer")
    assert found is not None
    wrapped = re.search(r'exec "(.+?)" "(.+?)"', Path(found).read_text(errors="replace"))
    script = Path(wrapped[2] if wrapped else os.path.realpath(found))
    package = next(path for path in script.parents if (path / "package.json").exists())
    asked = [wrapped[1] if wrapped else "node", "-p", "process.execPath"]
    node = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    folder = Path(tempfile.mkdtemp(prefix="innerloop-cli-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(package, folder / "cli")
    shutil.copy(node, folder / "node")
    start = folder / "devcontainer"
    start.write_text(
        f'#!/bin/sh\nexec "{folder}/node" "{folder}/cli/{script.relative_to(package)}" "$@"\n'
    )
    start.chmod(0o755)
    # The CLI asks for the person's name, which this machine has not for every number.
    name = folder / "id"
    name.write_text('#!/bin/sh\n/usr/bin/id "$@" 2>/dev/null || echo person\n')
    name.chmod(0o755)
    folder.chmod(0o755)
    return folder
