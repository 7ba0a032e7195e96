"""Stand-ins for programs that people have on Windows: git, bash, and those that must not be taken.

Each becomes an .exe that calls the function of its name (`make`, once for a prefix).
"""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import subprocess
import sys

import host_client

# Where Windows has them.
FOLDERS = {
    "git": r"C:\Program Files\Git\cmd",
    "bash": r"C:\Program Files\Git\bin",
    "wsl_bash": r"C:\windows\system32",
    "store_python": r"C:\store\Microsoft\WindowsApps",
    "py": r"C:\launcher",
}


def git() -> int:
    """Git for Windows, by the git outside."""
    names = [name for name in os.environ if name.startswith("GIT_") and name != "GIT_EXEC_PATH"]
    answer = host_client.ask(
        "git",
        os.getcwd(),
        words=sys.argv[1:],
        env={name: os.environ[name] for name in names},
        stdin="" if sys.stdin is None else base64.b64encode(_input()).decode(),
    )
    for stream, text in ((sys.stdout, answer["out"]), (sys.stderr, answer["err"])):
        stream.buffer.write(base64.b64decode(text))
        stream.flush()
    return int(answer["code"])


def _input() -> bytes:
    reads = {"--stdin", "--stdin-paths", "--batch", "--batch-check", "apply", "-F-", "-F", "--pathspec-from-file=-"}
    return sys.stdin.buffer.read() if reads & set(sys.argv[1:]) else b""


def bash() -> int:
    """`bash -c TEXT [NAME ARGUMENT...]` for simple commands joined by && and ;."""
    if sys.argv[1] == "--version":
        print("GNU bash, version 5.2.37(1)-release (x86_64-pc-msys)")
        return 0
    words = sys.argv[2:] if sys.argv[1] == "-c" else []
    if not words:
        print(f"bash: this stand-in has no script: {sys.argv[1:]}", file=sys.stderr)
        return 127
    lexer = shlex.shlex(words[0].replace("\n", " ; "), posix=True, punctuation_chars=";&|<>()")
    lexer.whitespace_split = True
    command: list[str] = []
    code = 0
    skipped = False
    for word in [*lexer, ";"]:
        if word not in (";", "&&"):
            command += _expanded(word, words[2:])
            continue
        if command and not skipped:
            code = _started(command)
        skipped = word == "&&" and code != 0
        command = []
    return code


def _expanded(word: str, arguments: list[str]) -> list[str]:
    return arguments if word == "$@" else [os.path.expandvars(word)]


def _started(command: list[str]) -> int:
    if command[0] == "exec":
        command = command[1:]
    if command[0] == "exit":
        sys.exit(int(command[1]))
    if command[0] == "cd":
        os.chdir(command[1])
        return 0
    if command[0] == "echo":
        sys.stdout.buffer.write((" ".join(command[1:]) + "\n").encode())
        sys.stdout.flush()
        return 0
    program = shutil.which(command[0])
    if program is None:
        print(f"bash: line 1: {command[0]}: command not found", file=sys.stderr)
        return 127
    try:
        return subprocess.call([program, *command[1:]])
    except KeyboardInterrupt:
        return 130


def wsl_bash() -> int:
    """System32's bash: WSL, which has neither this system's Python nor its paths."""
    print("Windows Subsystem for Linux has no installed distributions.")
    return 1


def store_python() -> int:
    """The python.exe that only opens the Store."""
    print("Python was not found; run without arguments to install from the Microsoft Store")
    return 9009


def py() -> int:
    """The launcher `py -3`, by this Python."""
    words = sys.argv[1:]
    return subprocess.call([sys.executable, *(words[1:] if words[:1] == ["-3"] else words)])


def make() -> None:
    from pip._vendor.distlib.scripts import ScriptMaker

    names = {"wsl_bash": ["bash"], "store_python": ["python", "python3"]}
    for function, folder in FOLDERS.items():
        os.makedirs(folder, exist_ok=True)
        maker = ScriptMaker(None, folder)
        maker.variants = {""}
        maker.executable = sys.executable
        maker.script_template = (
            "import sys\nfrom %(module)s import %(import_name)s\nsys.exit(%(func)s())\n"
        )
        for name in names.get(function, [function]):
            maker.make(f"{name} = programs:{function}")


if __name__ == "__main__":
    make()
