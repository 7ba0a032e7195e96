r"""Programs of Windows: which one is started, and by which command line."""

from __future__ import annotations

import pytest

from innerloop.util import programs
from innerloop.util.errors import UserError

GIT = r"C:\Program Files\Git"
SYSTEM = r"C:\Windows\System32"
STORE = r"C:\Users\mika\AppData\Local\Microsoft\WindowsApps"


def found(program: str, env: dict[str, str], *files: str) -> str | None:
    lower = {path.lower() for path in files}
    return programs.on_windows(program, env, lambda path: path.lower() in lower)


@pytest.mark.parametrize(
    ("env", "files", "expected"),
    [
        ({"PATH": rf"{SYSTEM};{GIT}\cmd"}, [rf"{GIT}\cmd\git.exe"], rf"{GIT}\bin\bash.exe"),
        ({"Path": rf'"{GIT}\cmd\"'}, [rf"{GIT}\cmd\git.exe"], rf"{GIT}\bin\bash.exe"),
        (
            {"PATH": rf"{GIT}\mingw64\bin"},
            [rf"{GIT}\mingw64\bin\git.exe"],
            rf"{GIT}\bin\bash.exe",
        ),
        (
            {"PATH": r"D:\Mika\scoop\shims"},
            [r"D:\Mika\scoop\shims\git.exe"],
            r"D:\Mika\scoop\apps\git\current\bin\bash.exe",
        ),
        ({"PATH": "", "GIT_INSTALL_ROOT": r"E:\git"}, [], r"E:\git\bin\bash.exe"),
        ({"PATH": "", "SCOOP": r"E:\s"}, [], r"E:\s\apps\git\current\usr\bin\bash.exe"),
        ({"PATH": "", "ProgramFiles": r"C:\Program Files"}, [], rf"{GIT}\bin\bash.exe"),
        ({"PATH": "", "LocalAppData": r"C:\L"}, [], r"C:\L\Programs\PortableGit\bin\bash.exe"),
        ({"PATH": r"C:\msys64\usr\bin"}, [], r"C:\msys64\usr\bin\bash.exe"),
    ],
)
def test_bash_beside_git_or_in_its_folders_is_found(
    env: dict[str, str], files: list[str], expected: str
) -> None:
    wsl = [rf"{SYSTEM}\bash.exe", rf"{STORE}\bash.exe"]
    assert found("bash", env, *files, *wsl, expected) == expected


def test_bash_of_the_registry_is_found() -> None:
    path = r"F:\Git\bin\bash.exe"
    env = {"PATH": SYSTEM}
    assert (
        programs.bash(env, is_file=lambda name: name == path, registered=lambda: r"F:\Git") == path
    )


@pytest.mark.parametrize("folder", [SYSTEM, STORE, r"C:\WINDOWS\Sysnative", SYSTEM + "\\"])
def test_bash_of_wsl_is_none(folder: str) -> None:
    env = {"PATH": folder}
    assert found("bash", env, rf"{SYSTEM}\bash.exe", rf"{folder}\bash.exe") is None


@pytest.mark.parametrize(
    ("program", "path", "expected"),
    [
        ("git", r".;C:\a;D:\b", r"D:\b\git.exe"),
        ("GIT.exe", r"D:\b", r"D:\b\GIT.exe"),
        ("npx", r"C:\a", r"C:\a\npx.cmd"),
        ("tool", r"\\server\share", r"\\server\share\tool.exe"),
        (r"C:\a\npx", "", r"C:\a\npx.cmd"),
        ("python", rf"{STORE};C:\a", r"C:\a\python.exe"),
        ("python3", STORE, None),
        ("python3.11", STORE, rf"{STORE}\python3.11.exe"),
        ("hidden", r"relative;..", None),
    ],
)
def test_on_windows_follows_path_without_the_current_folder(
    program: str, path: str, expected: str | None
) -> None:
    names = [
        r"D:\b\git.exe", r"C:\a\npx.cmd", r"C:\a\npx", r"C:\a\python.exe", rf"{STORE}\python.exe",
        rf"{STORE}\python3.exe", rf"{STORE}\python3.11.exe", r"\\server\share\tool.exe",
        "git.exe", r".\git.exe", "hidden.exe", r"relative\hidden.exe",
    ]  # fmt: skip
    assert found(program, {"PATH": path, "PATHEXT": ".COM;.EXE;.BAT;.CMD"}, *names) == expected


def test_command_line_of_a_program_is_its_words() -> None:
    assert programs.command_line(["git", "a&b"], r"D:\git.exe", SYSTEM) == [r"D:\git.exe", "a&b"]
    assert programs.command_line(["nowhere"], None, SYSTEM) == ["nowhere"]


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("a&b|c^d", '"a&b|c^d"'),
        ("100%", '"100%%cd:~,%"'),
        ("%PATH%", '"%%cd:~,%PATH%%cd:~,%"'),
        ('say "x"', '"say ""x"""'),
        ('a\\"', '"a\\\\"""'),
        ("C:\\folder\\", '"C:\\folder\\\\"'),
        ("", '""'),
        ("数字 é", '"数字 é"'),
    ],
)
def test_command_line_of_a_batch_file_keeps_each_argument(word: str, quoted: str) -> None:
    line = programs.command_line(["npx", word], r"C:\R&D\npx.CMD", SYSTEM)
    head = rf'"{SYSTEM}\cmd.exe" /e:ON /v:OFF /d /c '
    assert line == head + rf'""C:\R&D\npx.CMD" {quoted}"'


@pytest.mark.parametrize("word", ["a\nb", "a\r", "\0"])
def test_command_line_of_a_batch_file_with_a_line_end_is_refused(word: str) -> None:
    with pytest.raises(UserError) as caught:
        programs.command_line(["npx", word], r"C:\npx.cmd", SYSTEM)
    assert caught.value.code == "text-unusable"
