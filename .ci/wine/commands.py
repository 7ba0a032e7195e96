"""The rows of the stage: a command, its exit code, and texts of its output in their order."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, eq=False)
class Row:
    """`words` go to `loop`, unless `is_program`. `text` has parts joined by ` ... `.

    `..._without` count where symbolic links cannot be made. A row with `twice` is run there too.
    """

    code: int
    text: str
    words: list[str]
    is_program: bool = False
    code_without: int | None = None
    text_without: str | None = None
    twice: bool = True
    needed: bool = False
    cwd: str = ""
    title: str = ""
    files: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        return self.title or " ".join(self.words if self.is_program else ["loop", *self.words])


def loop(code: int, text: str, *words: str, **more: object) -> Row:
    return Row(code, text, list(words), **more)  # type: ignore[arg-type]


def program(code: int, text: str, *words: str, **more: object) -> Row:
    return Row(code, text, list(words), is_program=True, **more)  # type: ignore[arg-type]


CALLS_LOOP = (
    "@echo off\r\ncall scripts\\loop.cmd --version\r\necho first %ERRORLEVEL%\r\n"
    "call scripts\\loop.cmd nosuch\r\nif errorlevel 1 echo second fails\r\n"
)

# Waits as the tool does, for programs that start others; `press` is what a console's handler does.
ENDS_TREES = r"""
import os, sys, threading, time, _thread
sys.path.insert(0, r"packages/innerloop/src")
from innerloop.util import process
COUNTS = "import time\nfor n in range(300):\n open(r'count.txt', 'w').write(str(n)); time.sleep(0.2)"
STARTS = f"import subprocess, sys; subprocess.call([sys.executable, '-c', {COUNTS!r}])"
def is_counting():
    read = lambda: open("count.txt").read()
    first = read(); time.sleep(2)
    return read() != first
def until_it_counts():
    while not os.path.exists("count.txt"):
        time.sleep(0.1)
def press():
    until_it_counts()
    _thread.interrupt_main()
    time.sleep(1)
    _thread.interrupt_main()
try:
    process.run_foreground([sys.executable, "-c", STARTS], limit=15)
except process.OutOfTime:
    print("limit", is_counting())
os.remove("count.txt")
threading.Thread(target=press, daemon=True).start()
began = time.monotonic()
try:
    process.run_foreground([sys.executable, "-c", STARTS])
except KeyboardInterrupt:
    print("interrupt", is_counting(), time.monotonic() - began < 60)
print(process.run([sys.executable, "-c", STARTS], timeout=8).code, is_counting())
"""

# The Python of the tool's own environment, which has its three dependencies.
IN_ENVIRONMENT = (
    "@echo off\r\nfor /d %%D in (%LOCALAPPDATA%\\innerloop\\cache\\tool\\*-source) do "
    "%%D\\Scripts\\python.exe imports.py\r\n"
)
IMPORTS = r"""
import importlib, pkgutil, sys
sys.path.insert(0, r"packages/innerloop/src")
import innerloop
count = 0
for module in pkgutil.walk_packages(innerloop.__path__, "innerloop."):
    if not any(part in module.name for part in ("in_env_scripts", "templates", ".worker.", "__main__")):
        importlib.import_module(module.name)
        count += 1
print("imported", count > 200)
"""

TRAINING = """
import pathlib, sys
print("letters 数字 → é", flush=True)
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs", "made.txt").write_text("数字")
sys.exit(int(sys.argv[1]))
"""
JOB = """command: python letters.py ${{inputs.code}}
inputs: {code: 0}
code: .
environment: {build: {path: ./environment}}
compute: azureml:cpu-cluster
"""
NO_GIT = r"C:\Python311;C:\launcher;C:\windows\system32"
VENV = ("--backend", "venv")

ROWS = [
    loop(0, "innerloop ", "--version", needed=True),
    loop(0, "digit_recognition", "list"),
    loop(0, '"digit_recognition"', "list", "--json"),
    loop(0, "up to date", "sync", "--check"),
    loop(2, "nosuch", "nosuch"),
    loop(2, "aux", "new", "aux", title="loop new aux (a device of Windows)"),
    loop(0, "src/tiny", "new", "tiny", needed=True),
    loop(0, "src/common/metrics.py", "share", "tiny", "metrics.py"),
    loop(0, "", "check", "tiny"),
    loop(0, "train.py", "run", "tiny", "--dry-run", *VENV),
    loop(0, "outputs", "run", "tiny", *VENV, "--", "--steps", "5"),
    loop(2, "unrecognized", "run", "tiny", *VENV, "--", "--nosuch"),
    loop(
        0, "letters 数字 → é", "run", "tiny", "--file", "letters.yaml", *VENV,
        title="loop run (a program that prints letters of several scripts)",
        files={"src/tiny/letters.py": TRAINING, "src/tiny/letters.yaml": JOB},
    ),
    loop(
        7, "exit code 7", "run", "tiny", "--file", "letters.yaml", "--set", "inputs.code=7", *VENV,
        title="loop run (a program that ends with 7)",
    ),
    loop(
        0, "outputs are in", "run", "tiny", *VENV, variables={"WINEPATH": NO_GIT},
        title="loop run (Git for Windows is not on PATH)", twice=False,
    ),
    loop(0, "--steps 5", "runs", "tiny"),
    loop(0, "src/tiny2", "rename", "tiny", "tiny2"),
    loop(0, "", "remove", "tiny2", "--yes"),
    loop(0, "Register-ArgumentCompleter", "completion", "powershell"),
    loop(0, "backend venv      available", "doctor"),
    program(
        0, "limit False ... interrupt False True ... 124 False", r"C:\Python311\python.exe", "ends.py",
        title="time limits and Ctrl-C end a program with all that it starts",
        files={"ends.py": ENDS_TREES}, twice=False,
    ),
    program(
        0, "imported True", "cmd", "/c", "imports.cmd", files={"imports.py": IMPORTS, "imports.cmd": IN_ENVIRONMENT}, twice=False,
        title="every module is imported",
    ),
    program(  # the file's own code is that of its last program: 2 on Windows, 1 in Wine's cmd
        1, "innerloop ... first 0 ... second fails", "cmd", "/c", "t.bat",
        files={"t.bat": CALLS_LOOP}, title="call scripts\\loop.cmd from a .bat", twice=False,
    ),
]
