"""What a devcontainer.json needs on the host beyond the engine: Docker Compose, BuildKit, programs.

The devcontainer CLI starts them one by one, and ends with the operating system's words at the first
that is missing ("spawn docker-compose ENOENT"). Here each is looked for before anything is built or
removed.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..docker import buildkit, client, docker_cli
from ..util import files, process
from ..util.errors import UserError, combine
from ..util.late_patterns import late_pattern
from .configuration import Configuration

INSTALL_COMPOSE = (
    "install Docker's compose plugin (Debian, Ubuntu: `apt install docker-compose-v2` or "
    "`docker-compose`; Docker's own packages: `docker-compose-plugin`; Docker Desktop contains it)"
)


def require(root: Path, config: Configuration, *, builds: bool) -> None:
    """UserError with everything that is missing.

    `builds`: the devcontainer CLI is going to build the image.
    """
    errors = list(missing(root, config, builds=builds))
    if errors:
        raise combine(errors)


def missing(root: Path, config: Configuration, *, builds: bool) -> Iterator[UserError]:
    if config.kind == "compose":
        if not has_compose():
            yield no_compose(config.path)
        yield from _no_compose_files(root, config)
    elif builds and (need := _needs_buildkit(root, config)) and not buildkit.has_buildkit():
        yield UserError(
            f"{need} needs BuildKit, and Docker's buildx plugin is not installed",
            code="buildkit-missing",
            where=config.path,
            hint=_sentence(buildkit.INSTALL_BUILDX),
        )
    for word in _programs(config.value.get("initializeCommand")):
        if not _is_there(root, word):
            yield UserError(
                f"initializeCommand starts {word}, which is not on this machine",
                code="host-program-missing",
                where=config.path,
                hint=f"Install {word}, or correct initializeCommand",
            )


def has_compose() -> bool:
    """Whether the devcontainer CLI finds Docker Compose: as a plugin, or as a program of its own."""
    if not client.is_installed():
        return process.which("docker-compose") is not None
    if process.run(docker_cli.compose_version(), timeout=20).ok:
        return True
    return process.which("docker-compose") is not None


def no_compose(where: str) -> UserError:
    return UserError(
        "the dev container is made by Docker Compose (dockerComposeFile), which is not installed",
        code="compose-missing",
        where=where,
        hint=_sentence(INSTALL_COMPOSE),
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _no_compose_files(root: Path, config: Configuration) -> Iterator[UserError]:
    value = config.value.get("dockerComposeFile")
    for name in value if isinstance(value, list) else [value]:
        if not isinstance(name, str) or "${" in name:
            continue
        path = posixpath.normpath(posixpath.join(posixpath.dirname(config.path), name))
        if not Path(root, path).is_file():
            yield UserError(
                f"dockerComposeFile names {path}, which does not exist",
                code="compose-file-missing",
                where=config.path,
                hint="Correct the path: it is relative to the folder of devcontainer.json",
            )


# What only BuildKit understands. Source: docs.docker.com, Dockerfile reference.
_BUILDKIT_STEP = late_pattern(
    r"^[ \t]*(?:(?:RUN|COPY|ADD)[ \t]+(?:--\w+(?:=\S+)?[ \t]+)*"
    r"(?P<option>--(?:mount|network|security|link|chmod|parents|exclude|checksum|keep-git-dir))\b"
    r"|(?P<step>RUN|COPY|ADD)\b[^\n]*<<-?[\"']?[A-Za-z_])",
    re.IGNORECASE | re.MULTILINE,
)
_BUILDKIT_OPTIONS = ("--secret", "--ssh", "--output", "--cache-to", "--build-context", "--platform")


def _needs_buildkit(root: Path, config: Configuration) -> str:
    """The first thing in the image's build that the legacy builder refuses; "" without one."""
    value: Any = config.value.get("build")
    build = value if isinstance(value, dict) else {}
    options = build.get("options")
    for option in options if isinstance(options, list) else ():
        name = str(option).partition("=")[0]
        if name in _BUILDKIT_OPTIONS:
            return f"{name} in build.options"
    dockerfile = build.get("dockerfile") or config.value.get("dockerFile")
    if not isinstance(dockerfile, str):
        return ""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(config.path), dockerfile))
    text = files.read_text(Path(root, path)) or ""
    found = _BUILDKIT_STEP.search(text)
    if found is None:
        return ""
    line = text.count("\n", 0, found.start()) + 1
    what = found["option"] or f"a here-document of {found['step'].upper()}"
    return f"{what} in {path}:{line}"


def _programs(command: object) -> Iterator[str]:
    """The programs of a command that no shell reads: a list of words, or several by their names."""
    if isinstance(command, dict):
        for item in command.values():
            yield from _programs(item if isinstance(item, list) else None)
        return
    word = command[0] if isinstance(command, list) and command else ""
    if isinstance(word, str) and word and "${" not in word:
        yield word


def _is_there(root: Path, word: str) -> bool:
    """Whether the operating system would find the program; a path is relative to the workspace."""
    if "/" in word or os.sep in word:
        return Path(root, word).exists()
    return process.which(word) is not None
