"""Runs a command with every Python process that it starts under the debugger.

    python start.py SETTINGS PROGRAM [ARGUMENT ...]

It runs in the experiment's environment, with any Python, and uses nothing of the tool. It listens for
the editor, prints that it is ready, waits until the editor is connected, then starts the program
unchanged. The hook in startup/ connects each Python process below it to the same editor. The exit
code is the program's own. What the editor wants of the run as it leaves (Stop, Restart) reaches the
tool, not this program: without an editor the command goes on.

SETTINGS is JSON: `port` of the loopback where the adapter listens, `shown` (the address at which the
editor finds it), `library` (the folder with debugpy for environments without it), `folders` (see
innerloop_debugger.paths), `where` (the position that an editor shows for errors) and `ours`
("container" or "environment" when only this run uses that, else ""). The run's secret is in a variable
(innerloop_handshake.VARIABLE): whoever cannot read it gets nothing from the adapter.
"""

from __future__ import annotations

import json
import os
import signal
import site
import subprocess
import sys
import sysconfig
from contextlib import suppress
from types import FrameType
from typing import Any

STARTUP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "startup")
sys.path.insert(0, STARTUP)

import innerloop_debugger as debugger  # noqa: E402
import innerloop_handshake as handshake  # noqa: E402


def main() -> int:
    settings = json.loads(sys.argv[1])
    settings["secret"] = os.environ.pop(handshake.VARIABLE, "")
    try:
        listening = _listen(settings)
    except Exception as error:
        _say(f"{settings['where']}: the debugger cannot listen at {settings['shown']}: {error}")
        return 1
    _say(f"ready for the debugger at {settings['shown']} (it waits for F5; Ctrl-C ends it)")
    try:
        listening.wait_for_client()
    except KeyboardInterrupt:
        return 130
    _say("the debugger is connected")
    child = subprocess.Popen(sys.argv[2:], env=_environment(settings))
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _forward_to(child))
    code = child.wait()
    return 128 - code if code < 0 else code


def _listen(settings: dict[str, Any]) -> Any:
    """Start the adapter and connect this process to it. debugpy's own `listen` accepts everybody."""
    debugpy = debugger.load(settings["library"])
    adapter = subprocess.Popen(
        [
            *(sys.executable, "-X", "frozen_modules=off", ADAPTER),
            *(str(settings["port"]), settings["library"]),
        ],
        env={**os.environ, handshake.VARIABLE: settings["secret"]},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        **_APART,
    )
    _adapters.append(adapter)
    assert adapter.stdout is not None
    line = adapter.stdout.readline().decode("utf-8", "replace").strip()
    if line != "listening":
        raise OSError(line or f"the adapter ended with exit code {adapter.wait()}")
    debugger.attach(settings, 0, wait_for_ready_to_run=False)
    return debugpy


ADAPTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "adapter.py")

# The terminal's Ctrl-C does not reach the adapter, which outlives this process by a moment.
_APART: dict[str, Any] = {"start_new_session": True}
if sys.platform == "win32":
    _APART = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}

# Kept for as long as this process runs: Python waits for a child that nothing refers to.
_adapters: list[subprocess.Popen[bytes]] = []


def _environment(settings: dict[str, Any]) -> dict[str, str]:
    """The variables of the program: the hook on PYTHONPATH, and the address to connect to."""
    hook = {
        "port": settings["port"],
        "secret": settings["secret"],
        "parent": os.getpid(),
        "library": settings["library"],
        "folders": settings["folders"],
    }
    _hook_into(_site_folders(settings["ours"]))
    path = os.pathsep.join(filter(None, [STARTUP, os.environ.get("PYTHONPATH")]))
    return {
        **os.environ,
        "PYTHONPATH": path,
        debugger.HOOK: debugger.hook(STARTUP),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        debugger.VARIABLE: json.dumps(hook),
    }


def _site_folders(ours: str) -> list[str]:
    """Folders for a second hook, for commands that set PYTHONPATH themselves."""
    if ours == "environment":
        return [sysconfig.get_path("purelib")]
    if ours != "container":
        return []
    base = site.getuserbase()
    return [f"{base}/lib/python3.{minor}/site-packages" for minor in range(8, 20)]


def _hook_into(folders: list[str]) -> None:
    for folder in folders:
        with suppress(OSError):  # read-only: the hook on PYTHONPATH is the only one
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/innerloop_debugger.pth", "w", encoding="utf-8") as file:
                file.write(f"import os; exec(os.environ.get({debugger.HOOK!r}, ''))\n")


def _forward_to(child: subprocess.Popen[bytes]) -> Any:
    """A handler that forwards a signal to the program and all processes below it.

    Ctrl-C in a terminal reaches them anyway, as members of the same process group.
    """

    def handler(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and sys.stdin is not None and sys.stdin.isatty():
            return
        _signal([child.pid, *_below(child.pid)], number)

    return handler


def _signal(processes: list[int], number: int) -> None:
    for process in processes:
        with suppress(OSError):  # the process has ended
            os.kill(process, number)


def _below(process: int) -> list[int]:
    """All descendants of a process."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    descendants, todo = [], [process]
    while todo:
        below = children.get(todo.pop(), [])
        descendants += below
        todo += below
    return descendants


def _parents() -> list[tuple[int, int]]:
    """(process, parent) of every process: from /proc, else from ps; empty on Windows."""
    if os.path.isdir("/proc/self"):
        pairs = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    pairs.append((int(name), int(file.read().rpartition(")")[2].split()[1])))
            except OSError:
                pass  # the process has ended
        return pairs
    if os.name == "nt":
        return []
    done = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE)
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    return [(int(pid), int(parent)) for pid, parent in lines]


def _say(text: str) -> None:
    print(f"innerloop: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    code = main()
    # An editor stops at sys.exit with a code as at an exception, and would show this file.
    os._exit(code)
