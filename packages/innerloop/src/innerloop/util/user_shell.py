"""Commands of a message, as the person's own shell reads them: POSIX shells, or cmd and PowerShell.

Messages name this tool's commands as `scripts/loop ...`; `localized` turns them where they are shown.
What has no such form (`sudo`, `chmod`, `mv`) comes from a function here.
"""

from __future__ import annotations

import os
import re
import shlex

from .late_patterns import late_pattern

WINDOWS = os.name == "nt"

# Not scripts/loop-requirements.txt, scripts/loop.cmd or a longer path.
_LAUNCHER = late_pattern(r"(?<![\w./\\-])scripts/(loop|test)(?![\w/\\-]|\.\w)")


def localized(text: str, *, windows: bool | None = None) -> str:
    r"""The text with `scripts\loop ...` for `scripts/loop ...` on Windows."""
    return _LAUNCHER.sub(r"scripts\\\1", text) if _is(windows) else text


def joined(words: list[str], *, windows: bool | None = None) -> str:
    """A command line to paste."""
    if not _is(windows):
        return shlex.join(words)
    return " ".join(
        word if re.fullmatch(r"[\w.:/\\@=+-]+", word) else f'"{word}"' for word in words
    )


def moving(source: str, target: str, *, windows: bool | None = None) -> str:
    """The command that moves a file or folder. Both paths are relative and have slashes."""
    if not _is(windows):
        return shlex.join(["mv", source, target])
    return joined(["move", *_backslashes(source, target)], windows=True)


def copying_into(folder: str, target: str, *, windows: bool | None = None) -> str:
    """The command that copies what is in a folder into another one. Paths as for `moving`."""
    if not _is(windows):
        return shlex.join(["cp", "-R", f"{folder}/.", target])
    return joined(["xcopy", *_backslashes(folder, target), "/E", "/I", "/Y"], windows=True)


def owning(path: str, *, windows: bool | None = None) -> str:
    """What makes a path this user's, as a clause to follow "to make it yours:"."""
    if not _is(windows):
        return f'`sudo chown -R "$(id -un)" {shlex.quote(path)}`'
    return f'`takeown /F "{path}" /R` in a terminal of an administrator'


def readable_by_all(path: str, *, windows: bool | None = None) -> str:
    """The command that lets every user read a file or folder."""
    if not _is(windows):
        return f"`chmod -R o+rX {path}`"
    return f'`icacls "{path}" /grant *S-1-1-0:(OI)(CI)RX /T`'


def executable(path: str, *, windows: bool | None = None) -> str:
    """What makes a script executable, here and for those who clone it."""
    in_git = f"`git update-index --chmod=+x {path}`"
    return in_git if _is(windows) else f"`chmod +x {path}`, and {in_git} for others"


def _backslashes(*paths: str) -> list[str]:
    return [path.replace("/", "\\") for path in paths]


def _is(windows: bool | None) -> bool:
    return WINDOWS if windows is None else windows
