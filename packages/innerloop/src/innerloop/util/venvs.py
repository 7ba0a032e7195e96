"""Python environments in the user's cache, each made once from a hash-locked requirements file.

The tool's own environment and every experiment's `venv` place come from here. This module needs
nothing but the standard library, since it runs before the tool's own environment is there.

An environment lies at its final path from the start (console scripts name their interpreter by its
full path), guarded by a lock file; the marker `ready`, written last, says that it is whole. One
that was killed half-way has no marker and is made again.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import files, network, process
from .errors import UserError
from .network import Network

Say = Callable[[str], None]

# A file in an environment: the root of the workspace that made it. `loop clean` goes by it.
OWNER = "workspace"


def cache_folder() -> Path:
    """INNERLOOP_CACHE, else `innerloop` in the user's cache folder (on Windows, local app data)."""
    if given := os.environ.get("INNERLOOP_CACHE"):
        return Path(given)
    if os.name == "nt" and (local := os.environ.get("LOCALAPPDATA")):
        return Path(local) / "innerloop" / "cache"
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "innerloop"
    return Path.home() / ".cache" / "innerloop"


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
    """What an environment depends on beside its requirements: system and processor."""
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
) -> Path:
    """The environment, made from the locked requirements files when it is not there yet; not
    `hashed` are those that somebody wrote without hashes.

    `python` is the interpreter to base it on; `purpose` completes the sentence "Setting up ...";
    `reach` is how the package index is reached (None: as this machine's variables say); `owner`
    is the root of the workspace that it is made for.
    Two callers at once: one makes it, the other waits. A failure is a `Mistake` with the end of
    the installer's own words.
    """
    if is_ready(environment):
        return environment
    _check_writable(environment.parent)
    lock = environment.with_name(environment.name + ".lock")
    with files.locked(
        lock, waiting=f"innerloop: another run is setting up {purpose}; waiting for it"
    ):
        if not is_ready(environment):
            added = network.for_installer(
                reach or network.of_machine(os.environ), cache_folder(), os.environ
            )
            _make(environment, requirements, python, purpose, say, added, hashed)
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
) -> None:
    started = time.monotonic()
    say(f"innerloop: setting up {purpose} (once)")
    files.remove_tree(environment)
    uv = process.which("uv")
    steps = _with_uv(uv, environment, requirements, python) if uv else None
    for argv in steps or _with_pip(environment, requirements, python):
        words = [word for word in argv if hashed or word != "--require-hashes"]
        _step(words, purpose, say, added)
    files.write_text(environment / "ready", "".join(f"{path.name}\n" for path in requirements))
    say(f"innerloop: {purpose} is ready after {time.monotonic() - started:.0f} s")


def _with_uv(
    uv: str, environment: Path, requirements: Sequence[Path], python: str
) -> list[list[str]]:
    install = [uv, "pip", "install", "--no-config", "--compile-bytecode", "--require-hashes"]
    return [
        [uv, "venv", "--no-config", "--seed", "--python", python, str(environment)],
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


def _step(argv: list[str], purpose: str, say: Say, added: Mapping[str, str]) -> None:
    lines: list[str] = []
    progress = _Progress(purpose, say)

    def on_line(line: str) -> None:
        lines.append(line)
        progress.line(line)

    # A PYTHONPATH or an active environment of the person must not leak into the new one.
    env = {
        k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    code = process.follow(argv, on_line, env={**env, **added})
    progress.end()
    if code == 0:
        return
    text = "\n".join(lines)
    if "ensurepip" in text:
        raise UserError(
            "this Python cannot make virtual environments (its ensurepip is missing)",
            hint="Install it (Debian and Ubuntu: `apt install python3-venv`), or install uv",
        )
    tail = "\n".join(f"    {line}" for line in lines[-15:])
    raise UserError(
        f"setting up {purpose} failed:\n{tail}\n  The command was: {' '.join(argv)}",
        hint="Mend what the lines above name and run it again; nothing half-made is kept in use",
    )


class _Progress:
    """The installer's current line, in place, where stderr is a terminal; else a line when a
    large download begins, so that a log shows that something happens."""

    def __init__(self, purpose: str, say: Say) -> None:
        self.purpose = purpose
        self.say = say
        self.live = sys.stderr.isatty()

    def line(self, line: str) -> None:
        text = line.strip()
        if self.live and text:
            width = max(os.get_terminal_size(sys.stderr.fileno()).columns - 1, 20)
            sys.stderr.write(f"\r\x1b[K{text[:width]}")
            sys.stderr.flush()
        elif text.startswith("Downloading ") and " MB)" in text:
            size = float(text.rsplit("(", 1)[-1].split(" MB")[0].replace(",", "") or 0)
            if size >= 100:
                self.say(f"  {text}")

    def end(self) -> None:
        if self.live:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        raise UserError(
            "the cache folder cannot be written",
            where=str(folder),
            hint="Set INNERLOOP_CACHE to a folder that you can write to",
        )
