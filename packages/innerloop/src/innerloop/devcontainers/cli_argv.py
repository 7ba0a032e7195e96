"""The devcontainer CLI's command line, and VS Code's for a dev container, as argvs.

Source: `devcontainer up --help` and `build --help` of @devcontainers/cli 0.89. Nothing here runs
anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

PACKAGE = "@devcontainers/cli"
# Through npx, where PATH has no CLI: one version, so that nothing changes under a person's hands.
PINNED = f"{PACKAGE}@0.89.0"


def through_npx(npx: str) -> list[str]:
    """The CLI's program as npx starts it; it is fetched once and asks no question."""
    return [npx, "--yes", PINNED]


def up(
    program: Sequence[str],
    *,
    root: str,
    config: str,
    override: str | None,
    gpu: bool | None,
    labels: Mapping[str, str],
) -> list[str]:
    """`gpu`: whether the machine has GPUs to hand over; None leaves the CLI to find out. `labels`:
    by which the container is found again, where they are not those that the CLI itself makes."""
    argv = [*program, "up", "--workspace-folder", root, "--config", config, "--log-format", "json"]
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
) -> list[str]:
    argv = [*program, "build", "--workspace-folder", root, "--config", config]
    argv += ["--image-name", image, "--log-format", "json", "--no-lockfile"]
    for key, value in labels.items():
        argv += ["--label", f"{key}={value}"]
    return [*argv, "--no-cache"] if no_cache else argv


def folder_uri(root: str, config: str, folder: str) -> str:
    """The workspace in the dev container of one configuration, as VS Code's Dev Containers
    extension names it: the host's folder and the configuration, as JSON in hexadecimal."""
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
