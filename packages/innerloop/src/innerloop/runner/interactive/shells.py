"""The user's own shell with an environment activated, and its name in the prompt. Pure.

Each kind of shell activates it in its own way, after it has read the user's start-up files, so that
their PATH does not hide the environment.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import field
from pathlib import PurePath, PurePosixPath

from ...util.quick_dataclasses import dataclass

# In a container: bash overwrites PS1 from its start-up files, so PROMPT_COMMAND sets the prompt later.
BASH_OR_SH = "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi"


@dataclass(frozen=True, slots=True)
class Shell:
    """What to start, with which variables.

    `files` (name -> text) have to be written to the folder that the argv and the variables name.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def prompt(experiment: str) -> dict[str, str]:
    """The variables for bash and sh that put the experiment's name into the prompt."""
    text = f"({experiment}) "
    return {
        "PS1": f"{text}$ ",
        "PROMPT_COMMAND": f"PS1={shlex.quote(text + chr(92) + 'w' + chr(92) + '$ ')}; unset PROMPT_COMMAND",
    }


def activated(
    shell: str, environment: PurePath, experiment: str, folder: PurePath, *, windows: bool
) -> Shell:
    """The shell with the environment activated.

    `shell` is the user's ($SHELL, or a program of Windows); `folder` is for the shell's files.
    """
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
    """Start zsh with start-up files of ours, which read the user's first.

    zsh reads its start-up files from ZDOTDIR.
    """
    to_user = "ZDOTDIR=${INNERLOOP_ZDOTDIR:-$HOME}\n"
    to_folder = f"ZDOTDIR={shlex.quote(str(folder))}\n"
    files = {
        ".zshenv": f'{to_user}[ -f "$ZDOTDIR/.zshenv" ] && . "$ZDOTDIR/.zshenv"\n{to_folder}',
        ".zshrc": f'{to_user}[ -f "$ZDOTDIR/.zshrc" ] && . "$ZDOTDIR/.zshrc"\n{start}',
    }
    return Shell((shell, "-i"), {"ZDOTDIR": str(folder)}, files)


def _on_windows(shell: str, name: str, environment: PurePath) -> Shell:
    scripts = environment / "Scripts"
    if name in ("powershell", "pwsh"):
        quoted = str(scripts / "Activate.ps1").replace("'", "''")
        return Shell((shell, "-NoExit", "-ExecutionPolicy", "Bypass", "-Command", f"& '{quoted}'"))
    return Shell((shell, "/k", str(scripts / "activate.bat")))


def of_user(env: Mapping[str, str], *, windows: bool) -> str:
    """The user's shell."""
    if windows:
        # PowerShell sets this variable for the programs that it starts; cmd does not.
        is_powershell = "PSMODULEPATH" in {key.upper() for key in env}
        return "powershell" if is_powershell else env.get("COMSPEC", "cmd.exe")
    return str(PurePosixPath(env.get("SHELL") or "/bin/sh"))
