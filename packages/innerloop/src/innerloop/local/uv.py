"""Locks, which uv compiles: the person's own, or the tool's, in an environment of its own.

Source: uv's documentation, "Locking environments" and "Commands".
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..model.environment_lock import EnvironmentLock
from ..util import locked_environments, network, process, uv_installer, venvs
from ..util.cache_folder import cache_folder
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.network import Network
from ..util.progress import Progress
from ..util.venvs import OwnInstaller

_TAIL = 15
_OFFLINE = late_pattern(
    r"dns error|failed to lookup|connection refused|connect error|operation timed out|unreachable"
    r"|error sending request|network connectivity is disabled|invalid peer certificate",
    re.IGNORECASE,
)


def compile_lock(
    folder: Path,
    source: str,
    target: str,
    options: Sequence[str],
    reach: Network,
    *,
    more: Sequence[str] = (),
    command: str = "",
) -> None:
    """Write the lock `target` for the requirements file `source`; both lie in `folder`.

    What the lock there pins already stays, if the requirements admit it. `more` are further sources,
    `command` is what the lock's head says, "" for uv's own words. UserError if no versions
    satisfy them all, or no index answers. Ctrl-C ends uv; the lock is then as it was.
    """
    words = ["pip", "compile", *options, source, *more, "-o", target]
    # The head of a lock is the command that a person types, whatever the options here.
    told = {"UV_CUSTOM_COMPILE_COMMAND": command or " ".join(["uv", *words])}
    _run(
        [*words, *uv_installer.options(reach), "--python", venvs.base_python()],
        source,
        folder,
        reach,
        told,
    )


def export_lock(folder: Path, target: str, reach: Network) -> None:
    """Write the lock `target` for the project in `folder`, as its uv.lock says."""
    words = ["export", "--frozen", "--no-emit-project", "--no-dev"]
    words += ["--format", "requirements-txt", "-o", target]
    told = {"UV_CUSTOM_COMPILE_COMMAND": " ".join(["uv", *words])}
    _run(words, "uv.lock", folder, reach, told)


def lock_project(folder: Path, reach: Network) -> None:
    """Write uv.lock for the pyproject.toml in a folder. Raises as `compile_lock` does."""
    _run(["lock", "--python", venvs.base_python()], "pyproject.toml", folder, reach, {})


def _run(
    words: Sequence[str], source: str, folder: Path, reach: Network, told: Mapping[str, str]
) -> None:
    added = network.for_installer(reach, cache_folder(), os.environ)
    added |= uv_installer.variables(reach, {**os.environ, **added}, cache_folder(), cache_folder())
    ignored = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environ = {name: value for name, value in os.environ.items() if name not in ignored}
    environ |= {**added, **told}
    argv = [locked_environments.uv(), *words, "--no-python-downloads", "--color", "never"]
    lines: list[str] = []
    with Progress() as progress:

        def on_line(line: str) -> None:
            # Without -q uv prints the lock as well.
            lines.append(line)
            progress.show(line)

        code = process.follow([*argv, "--quiet"], on_line, cwd=folder, env=environ)
    if code != 0:
        raise _failure(source, lines)


def installer(lock: EnvironmentLock, root: Path, environment: Path, python: str) -> OwnInstaller:
    """How uv makes an environment from its lock or from a pylock.toml, each file checked by hash.

    uv.lock is read where it lies, since it may name packages beside it; the project itself is not
    installed. UserError if uv cannot be had.
    """
    uv, folder = locked_environments.uv(), root / lock.source.folder
    common = ("--no-python-downloads", "--python")
    if lock.source.kind == "uv":
        sync = (uv, "sync", "--frozen", "--no-install-project", *lock.options, *common, python)
        return OwnInstaller((sync,), folder, {"UV_PROJECT_ENVIRONMENT": str(environment)})
    make = (uv, "venv", "--no-config", "--no-python-downloads", "--python", python)
    target = str(venvs.python_of(environment))
    sync = (uv, "pip", "sync", "--no-config", *common, target, lock.source.name)
    return OwnInstaller(((*make, str(environment)), sync), folder)


def _failure(source: str, lines: Sequence[str]) -> UserError:
    text = "\n".join(f"    {line}" for line in lines[-_TAIL:] if line.strip())
    if _OFFLINE.search(text):
        return UserError(
            f"no package index answers, so {source} cannot be locked:\n{text}\n ",
            code="index-unreachable",
            hint="Connect to a network, or set pip's index or proxy; nothing was changed",
        )
    return UserError(
        f"no versions satisfy all of {source}:\n{text}\n ",
        code="packages-not-resolved",
        hint="Check the names and versions that the lines above say; nothing was changed",
    )
