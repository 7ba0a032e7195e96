"""A person's own shell with an environment active in it, and a prompt that says which. Pure.

Each kind of shell is told in its own way, after it has read the person's files, so that what they
put on PATH does not hide the environment.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath, PurePosixPath

# In a container: bash sets PS1 anew from its files, so the prompt is set just before it shows.
BASH_OR_SH = "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi"


@dataclass(frozen=True, slots=True)
class Shell:
    """What to start, with which variables; `files` (name -> text) stand in the folder that the
    argv and the variables name."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def prompt(experiment: str) -> dict[str, str]:
    """Variables for bash and sh: the experiment's name before the folder."""
    text = f"({experiment}) "
    return {
        "PS1": f"{text}$ ",
        "PROMPT_COMMAND": f"PS1={shlex.quote(text + chr(92) + 'w' + chr(92) + '$ ')}; unset PROMPT_COMMAND",
    }


def activated(
    shell: str, environment: PurePath, experiment: str, folder: PurePath, *, windows: bool
) -> Shell:
    """`shell` is the person's ($SHELL, or a program of Windows); `folder` is where files for it
    may be written."""
    name = shell.replace("\\", "/").rpartition("/")[2].lower().removesuffix(".exe")
    if windows:
        return _on_windows(shell, name, environment)
    script = shlex.quote(str(environment / "bin" / "activate"))
    start = f"export VIRTUAL_ENV_DISABLE_PROMPT=1\n. {script}\nPS1={shlex.quote(f'({experiment}) ')}\"$PS1\"\n"
    if name == "bash":
        text = f"[ -f ~/.bashrc ] && . ~/.bashrc\n{start}"
        return Shell((shell, "--rcfile", str(folder / "bashrc"), "-i"), files={"bashrc": text})
    if name == "zsh":
        return _zsh(shell, start, folder)
    if name == "fish":
        quoted = (
            str(environment / "bin" / "activate.fish").replace("\\", "\\\\").replace("'", "\\'")
        )
        return Shell((shell, "--init-command", f"source '{quoted}'"))
    return Shell((shell, "-i"), {"ENV": str(folder / "shrc")}, {"shrc": start})


def _zsh(shell: str, start: str, folder: PurePath) -> Shell:
    """zsh reads its files from ZDOTDIR: there ours read the person's."""
    back = "ZDOTDIR=${INNERLOOP_ZDOTDIR:-$HOME}\n"
    again = f"ZDOTDIR={shlex.quote(str(folder))}\n"
    files = {
        ".zshenv": f'{back}[ -f "$ZDOTDIR/.zshenv" ] && . "$ZDOTDIR/.zshenv"\n{again}',
        ".zshrc": f'{back}[ -f "$ZDOTDIR/.zshrc" ] && . "$ZDOTDIR/.zshrc"\n{start}',
    }
    return Shell((shell, "-i"), {"ZDOTDIR": str(folder)}, files)


def _on_windows(shell: str, name: str, environment: PurePath) -> Shell:
    scripts = environment / "Scripts"
    if name in ("powershell", "pwsh"):
        quoted = str(scripts / "Activate.ps1").replace("'", "''")
        return Shell((shell, "-NoExit", "-ExecutionPolicy", "Bypass", "-Command", f"& '{quoted}'"))
    return Shell((shell, "/k", str(scripts / "activate.bat")))


def persons(env: Mapping[str, str], *, windows: bool) -> str:
    """The shell that the person uses."""
    if windows:
        # PowerShell sets this variable for what it starts; cmd does not.
        modern = "PSMODULEPATH" in {key.upper() for key in env}
        return "powershell" if modern else env.get("COMSPEC", "cmd.exe")
    return str(PurePosixPath(env.get("SHELL") or "/bin/sh"))
