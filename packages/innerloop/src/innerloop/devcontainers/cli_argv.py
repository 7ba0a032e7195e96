"""Command lines of the devcontainer CLI, and of VS Code for a dev container, as argv lists.

Source: `devcontainer up --help` and `build --help` of @devcontainers/cli 0.89. Nothing here runs
a program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from ..model.container import DOCKER

PACKAGE = "@devcontainers/cli"
# For npx, if PATH has no CLI: one fixed version.
PINNED = f"{PACKAGE}@0.89.0"


def through_npx(npx: str) -> list[str]:
    """The CLI as npx starts it: downloaded once, without a question."""
    return [npx, "--yes", PINNED]


def up(
    program: Sequence[str],
    *,
    root: str,
    config: str,
    override: str | None,
    gpu: bool | None,
    labels: Mapping[str, str],
    client: str = DOCKER,
) -> list[str]:
    """`gpu`: whether the container gets the GPUs; None lets the CLI decide.

    `labels` identify the container, if not the labels that the CLI sets itself. `client` is the program
    that it talks to the engine with.
    """
    argv = [*program, "up", "--workspace-folder", root, "--config", config, "--log-format", "json"]
    argv += _docker_path(client)
    if override is not None:
        argv += ["--override-config", override]
    if gpu is not None:
        argv += ["--gpu-availability", "all" if gpu else "none"]
    for key, value in labels.items():
        argv += ["--id-label", f"{key}={value}"]
    return argv


def build(
    program: Sequence[str],
    *,
    root: str,
    config: str,
    image: str,
    labels: Mapping[str, str],
    no_cache: bool,
    client: str = DOCKER,
) -> list[str]:
    argv = [*program, "build", "--workspace-folder", root, "--config", config]
    argv += _docker_path(client)
    argv += ["--image-name", image, "--log-format", "json", "--no-lockfile"]
    for key, value in labels.items():
        argv += ["--label", f"{key}={value}"]
    return [*argv, "--no-cache"] if no_cache else argv


def _docker_path(client: str) -> list[str]:
    return [] if client == DOCKER else ["--docker-path", client]


def folder_uri(root: str, config: str, folder: str) -> str:
    """URI of the workspace in a dev container, as VS Code's Dev Containers extension writes it.

    It holds the host's folder and the configuration, as JSON in hexadecimal.
    """
    path = config.replace("\\", "/")
    where = {
        "hostPath": root,
        "localDocker": False,
        "configFile": {
            "$mid": 1,
            "path": path if path.startswith("/") else f"/{path}",
            "scheme": "file",
        },
    }
    text = json.dumps(where, separators=(",", ":"), ensure_ascii=False)
    return f"vscode-remote://dev-container+{text.encode().hex()}{folder}"


def open_editor(code: str, uri: str) -> list[str]:
    return [code, "--folder-uri", uri]
