"""uv, the program that compiles locks: the person's own, or the tool's, in an environment of its own.

The tool's is in the cache, installed from `locks/uv.txt` with hashes when it is first needed.

Source: uv's documentation, "Locking environments" and "Commands".
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..model.environment_lock import EnvironmentLock
from ..util import locked_environments, network, process, venvs
from ..util.cache_folder import cache_folder
from ..util.errors import UserError
from ..util.network import Network
from ..util.progress import Progress
from ..util.venvs import OwnInstaller

# The first with `--universal`, `--no-strip-extras` and the options that a lock's head may name.
OLDEST = (0, 5)
GROUP = "uv"
_TAIL = 15
_OFFLINE = re.compile(
    r"dns error|failed to lookup|connection refused|connect error|operation timed out|unreachable"
    r"|error sending request|network connectivity is disabled|invalid peer certificate",
    re.IGNORECASE,
)


def program() -> str:
    """The path of uv: the one on PATH if it is new enough, else the tool's own.

    UserError if that one cannot be installed.
    """
    own = process.which("uv")
    if own is not None and version_of(own) >= OLDEST:
        return own
    environment = locked_environments.ensure(GROUP)
    return str(venvs.programs_of(environment) / ("uv.exe" if os.name == "nt" else "uv"))


def version_of(path: str) -> tuple[int, ...]:
    """The version that a program names; () for what does not start or is no uv."""
    done = process.run([path, "--version"])
    match = re.match(r"uv (\d+)\.(\d+)", done.out)
    return (int(match[1]), int(match[2])) if done.ok and match else ()


def compile_lock(
    folder: Path, source: str, target: str, options: Sequence[str], reach: Network
) -> None:
    """Write the lock `target` for the requirements file `source`; both lie in `folder`.

    What the lock there pins already stays, if the requirements admit it. UserError if no versions
    satisfy them all, or no index answers. Ctrl-C ends uv; the lock is then as it was.
    """
    words = ["pip", "compile", *options, source, "-o", target]
    # The head of a lock is the command that a person types, whatever the options here.
    _lock(folder, source, words, {"UV_CUSTOM_COMPILE_COMMAND": " ".join(["uv", *words])}, reach)


def lock_project(folder: Path, reach: Network) -> None:
    """Write uv.lock for the pyproject.toml in a folder. Raises as `compile_lock` does."""
    _lock(folder, "pyproject.toml", ["lock"], {}, reach)


def _lock(
    folder: Path, source: str, words: Sequence[str], variables: Mapping[str, str], reach: Network
) -> None:
    added = network.for_installer(reach, cache_folder(), os.environ)
    ignored = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environ = {name: value for name, value in os.environ.items() if name not in ignored}
    environ |= {**added, **variables}
    base = getattr(sys, "_base_executable", None) or sys.executable
    argv = [program(), *words, "--python", base, "--no-python-downloads", "--color", "never"]
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
    uv, folder = program(), root / lock.source.folder
    common = ("--no-python-downloads", "--compile-bytecode", "--python")
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
