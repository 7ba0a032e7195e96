"""Where Windows has a program, and the command line that starts it.

Pure but for looking whether a file is there: tests give their own `is_file`. On other systems PATH is
all.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from ntpath import basename, dirname, join, splitext

from .errors import UserError

IsFile = Callable[[str], bool]

_BATCH = (".bat", ".cmd")
# WSL's bash: it has neither this system's programs nor its paths.
_FOLDERS_OF_WSL = ("\\system32", "\\sysnative", "\\syswow64", "\\windowsapps")


def on_windows(
    program: str, env: Mapping[str, str], is_file: IsFile = os.path.isfile
) -> str | None:
    """The path of a program on Windows, or None.

    From PATH with the endings of PATHEXT. Left out are the current folder, where a stranger's program
    may be, and the `python.exe` of WindowsApps, which only opens the Store. `bash` is git's.
    """
    env = _capitals(env)
    if program.lower() in ("bash", "bash.exe"):
        return bash(env, is_file=is_file)
    return _on_path(program, env, is_file)


def bash(
    env: Mapping[str, str],
    *,
    is_file: IsFile = os.path.isfile,
    registered: Callable[[], str | None] | None = None,
) -> str | None:
    """Git's bash, else another one on PATH that is not WSL's; None if there is none.

    `registered` is the folder that git's installer has written down.
    """
    env = _capitals(env)
    for folder in _git_folders(env, is_file, registered or _registered_git):
        for place in ("bin", "usr\\bin"):
            if is_file(path := join(folder, place, "bash.exe")):
                return path
    for folder in _path_folders(env):
        if not folder.lower().endswith(_FOLDERS_OF_WSL) and is_file(join(folder, "bash.exe")):
            return join(folder, "bash.exe")
    return None


def _capitals(env: Mapping[str, str]) -> dict[str, str]:
    """Names of variables have either case on Windows."""
    return {name.upper(): value for name, value in env.items()}


def _git_folders(
    env: Mapping[str, str], is_file: IsFile, registered: Callable[[], str | None]
) -> Iterator[str]:
    """Where Git for Windows may be, the nearest first: beside git.exe, then its usual folders."""
    git = _on_path("git", env, is_file)
    if git is not None:
        # FOLDER\cmd\git.exe, FOLDER\bin\git.exe, FOLDER\mingw64\bin\git.exe
        above = dirname(dirname(git))
        yield above
        yield dirname(above)
        if basename(dirname(git)).lower() == "shims":  # scoop's
            yield join(above, "apps", "git", "current")
    if root := env.get("GIT_INSTALL_ROOT"):
        yield root
    for name in ("SCOOP", "SCOOP_GLOBAL"):
        if folder := env.get(name):
            yield join(folder, "apps", "git", "current")
    if home := env.get("USERPROFILE"):
        yield join(home, "scoop", "apps", "git", "current")
    if folder := registered():
        yield folder
    for name in ("PROGRAMW6432", "PROGRAMFILES", "PROGRAMFILES(X86)"):
        if folder := env.get(name):
            yield join(folder, "Git")
    if local := env.get("LOCALAPPDATA"):
        yield join(local, "Programs", "Git")
        yield join(local, "Programs", "PortableGit")


def _registered_git() -> str | None:
    """Source: the installer of Git for Windows, which writes InstallPath there."""
    if sys.platform != "win32":
        return None
    import winreg

    for root in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):
        try:
            with winreg.OpenKey(root, r"SOFTWARE\GitForWindows") as key:
                return str(winreg.QueryValueEx(key, "InstallPath")[0])
        except OSError:
            continue
    return None


def _on_path(program: str, env: Mapping[str, str], is_file: IsFile) -> str | None:
    """The first on PATH; a name with a folder is taken as it is."""
    endings = [ending.lower() for ending in env.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";")]
    if splitext(program)[1].lower() in endings:
        endings = [""]
    folders = [""] if dirname(program) or program[1:2] == ":" else _path_folders(env)
    for folder in folders:
        for ending in endings:
            path = join(folder, program + ending)
            if is_file(path) and not _opens_the_store(path):
                return path
    return None


def _path_folders(env: Mapping[str, str]) -> list[str]:
    """The absolute folders of PATH. A relative one depends on the current folder."""
    folders = [folder.strip('"') for folder in env.get("PATH", "").split(";")]
    return [
        folder.rstrip("\\/") for folder in folders if folder[1:2] == ":" or folder[:2] == "\\\\"
    ]


def _opens_the_store(path: str) -> bool:
    """Whether Windows has put it there: a Python from the Store is `python3.11.exe` beside it, too."""
    folder, name = dirname(path).lower(), basename(path).lower()
    return folder.endswith("\\windowsapps") and name in ("python.exe", "python3.exe")


def command_line(argv: Sequence[str], found: str | None, system: str) -> list[str] | str:
    """What starts `argv` on Windows, with the program's path if it was found.

    A batch file is read by the cmd.exe of the folder `system`, for which an unquoted `&` begins
    another command and `%NAME%` is a variable, also within quotes: it gets a line of its own making.
    """
    program = found or argv[0]
    if not program.lower().endswith(_BATCH):
        return [program, *argv[1:]]
    words = " ".join(map(_quoted_for_cmd, (program, *argv[1:])))
    return f'"{join(system, "cmd.exe")}" /e:ON /v:OFF /d /c "{words}"'


def _quoted_for_cmd(word: str) -> str:
    """One argument of a batch file, in quotes. UserError for line ends, which would end the command.

    `%cd:~,%` is the empty part of a variable: it keeps two signs from naming another one.
    """
    if re.search("[\r\n\0]", word):
        raise UserError(
            f"a batch file cannot get this argument: {word!r}",
            code="text-unusable",
            hint="Remove the line ends from it",
        )
    text = re.sub(r'(\\*)"', r'\1\1""', word.replace("%", "%%cd:~,%"))
    backslashes = len(text) - len(text.rstrip("\\"))
    return '"' + text + "\\" * backslashes + '"'
