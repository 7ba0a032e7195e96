"""Virtual environments in the user's cache, each made once from hash-locked requirements files.

An environment is made at its final path, since console scripts contain their interpreter's full
path, under a lock file. The marker `ready` is written last: an environment without it is
incomplete, and is made again.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import files, network, process
from .cache_folder import cache_folder as cache_folder
from .errors import UserError
from .network import Network
from .progress import Progress

Say = Callable[[str], None]

# A file in an environment with the root of its workspace, for `loop clean`.
OWNER = "workspace"


@dataclass(frozen=True, slots=True)
class OwnInstaller:
    """Another program that makes an environment: its steps, in a folder, with more variables."""

    steps: tuple[tuple[str, ...], ...]
    cwd: Path
    variables: Mapping[str, str] = field(default_factory=dict)


def python_of(environment: Path) -> Path:
    if os.name == "nt":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def programs_of(environment: Path) -> Path:
    """The folder with the environment's console scripts."""
    return python_of(environment).parent


def is_ready(environment: Path) -> bool:
    return (environment / "ready").is_file() and python_of(environment).exists()


def tag() -> str:
    """System and processor, which an environment depends on like on its requirements."""
    import platform

    return f"{sys.platform}-{platform.machine().lower()}"


def ensure(
    environment: Path,
    requirements: Sequence[Path],
    *,
    python: str,
    purpose: str,
    say: Say,
    hashed: bool = True,
    reach: Network | None = None,
    owner: str = "",
    wheels: Path | None = None,
    installer: OwnInstaller | None = None,
) -> Path:
    """Make the environment from requirements files, unless it is ready, and return it.

    `python` is its base interpreter; `purpose` completes the message "setting up ..."; `hashed`:
    every requirement has hashes; `reach`: the network settings (None: those of this machine);
    `owner`: the root of the workspace it is made for, whose programs may call pip; `wheels`: a folder
    to look in first, so that an index is asked only for what it lacks; `installer`: makes it instead of
    pip or uv, and there are no requirements then. Of two callers at once, one waits.
    UserError if it cannot be made, with the end of the installer's output.
    """
    if is_ready(environment):
        return environment
    _check_writable(environment.parent)
    lock = environment.with_name(environment.name + ".lock")
    with files.locked(
        lock, waiting=f"innerloop: waiting for another command that is setting up {purpose}"
    ):
        if not is_ready(environment):
            added = network.for_installer(
                reach or network.of_machine(os.environ), cache_folder(), os.environ
            )
            if installer is not None:
                _make_by(installer, environment, purpose, say, added, bool(owner))
            else:
                _make(
                    environment,
                    requirements,
                    python,
                    purpose,
                    say,
                    added,
                    hashed,
                    bool(owner),
                    wheels,
                )
            if owner:
                files.write_text(environment / OWNER, owner)
    return environment


def _make(
    environment: Path,
    requirements: Sequence[Path],
    python: str,
    purpose: str,
    say: Say,
    added: Mapping[str, str],
    hashed: bool,
    with_pip: bool,
    wheels: Path | None,
) -> None:
    started = time.monotonic()
    say(f"innerloop: setting up {purpose} (once)")
    files.remove_tree(environment)
    uv = process.which("uv")
    steps = _with_uv(uv, environment, requirements, python) if uv else None
    creating, installing = steps or _with_pip(environment, requirements, python)
    # Paths in a requirements file are relative to where the installer is started.
    cwd = requirements[0].parent if requirements else None
    _step(creating, purpose, say, added, cwd)
    words = [word for word in installing if hashed or word != "--require-hashes"]
    if wheels is not None and wheels.is_dir():
        words += ["--find-links", str(wheels)]
        alone = process.run([*words, "--no-index"], cwd=cwd, env=_environ(added))
        installing = [] if alone.ok else words
    else:
        installing = words
    if installing:
        _step(installing, purpose, say, added, cwd)
    if steps and with_pip:
        # Python's own copy of pip, from this disk: `uv venv --seed` fetches one without a hash.
        process.run([str(python_of(environment)), "-Im", "ensurepip", "--default-pip"])
    files.write_text(environment / "ready", "".join(f"{path.name}\n" for path in requirements))
    say(f"innerloop: {purpose} is ready after {time.monotonic() - started:.0f} s")


def _make_by(
    installer: OwnInstaller,
    environment: Path,
    purpose: str,
    say: Say,
    added: Mapping[str, str],
    with_pip: bool,
) -> None:
    started = time.monotonic()
    say(f"innerloop: setting up {purpose} (once)")
    files.remove_tree(environment)
    for step in installer.steps:
        _step(list(step), purpose, say, {**added, **installer.variables}, installer.cwd)
    if with_pip:
        process.run([str(python_of(environment)), "-Im", "ensurepip", "--default-pip"])
    files.write_text(environment / "ready", "")
    say(f"innerloop: {purpose} is ready after {time.monotonic() - started:.0f} s")


def _with_uv(
    uv: str, environment: Path, requirements: Sequence[Path], python: str
) -> list[list[str]]:
    install = [uv, "pip", "install", "--no-config", "--compile-bytecode", "--require-hashes"]
    return [
        [uv, "venv", "--no-config", "--python", python, str(environment)],
        [*install, "--python", str(python_of(environment)), *_files(requirements)],
    ]


def _with_pip(environment: Path, requirements: Sequence[Path], python: str) -> list[list[str]]:
    pip = [str(python_of(environment)), "-m", "pip", "--disable-pip-version-check", "install"]
    return [
        [python, "-m", "venv", str(environment)],
        [*pip, "--no-input", "--timeout", "120", "--require-hashes", *_files(requirements)],
    ]


def _files(requirements: Sequence[Path]) -> list[str]:
    return [word for path in requirements for word in ("-r", str(path))]


def _step(
    argv: list[str], purpose: str, say: Say, added: Mapping[str, str], cwd: Path | None
) -> None:
    lines: list[str] = []
    with Progress() as progress:

        def on_line(line: str) -> None:
            lines.append(line)
            progress.show(line)
            if not progress.is_live and _is_large_download(line):
                say(f"  {line.strip()}")

        code = process.follow(argv, on_line, cwd=cwd, env=_environ(added))
    if code == 0:
        return
    text = "\n".join(lines)
    if "ensurepip" in text:
        raise UserError(
            "this Python cannot make virtual environments: its ensurepip is missing",
            code="environment-failed",
            hint="Install it (Debian and Ubuntu: `apt install python3-venv`), or install uv",
        )
    tail = "\n".join(f"    {line}" for line in lines[-15:])
    raise UserError(
        f"setting up {purpose} failed:\n{tail}\n  The command was: {' '.join(argv)}",
        code="environment-failed",
        hint="Fix what the lines above name and run the command again",
    )


def _environ(added: Mapping[str, str]) -> dict[str, str]:
    """PYTHONPATH and an active environment of the person must not affect the new one."""
    ignored = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in ignored} | {**added}


def _is_large_download(line: str) -> bool:
    """Whether an installer's line announces 100 MB or more."""
    size = re.match(r"\s*Downloading .*\(([\d,.]+) MB\)", line)
    return size is not None and float(size[1].replace(",", "")) >= 100


def _check_writable(folder: Path) -> None:
    try:
        writable = os.access(files.make_folder(folder), os.W_OK)
    except UserError:
        writable = False
    if not writable:
        raise UserError(
            "the cache folder is not writable",
            code="cache-not-writable",
            where=str(folder),
            hint="Set INNERLOOP_CACHE to a writable folder",
        )
