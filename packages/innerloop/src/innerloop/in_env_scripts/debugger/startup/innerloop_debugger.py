"""Connects a process to the debugger.

Imported by the start-up hook beside it and by start.py; it runs in the experiment's environment
(Python 3.8 or newer) and uses nothing of the tool.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import innerloop_handshake as handshake

# The address to connect to, and more settings. A process without this variable is not debugged.
VARIABLE = "INNERLOOP_DEBUG"

# The code that our .pth file executes, for a process whose PYTHONPATH lacks the hook's folder.
HOOK = "INNERLOOP_DEBUG_HOOK"

# Programs that install or package, which nobody debugs; nor the processes that they start (a package's
# build, for example).
TOOLS = frozenset(
    [
        "pip",
        "pip3",
        "ensurepip",
        "venv",
        "virtualenv",
        "pipx",
        "uv",
        "poetry",
        "pdm",
        "hatch",
        "conda",
        "mamba",
        "micromamba",
        "conda-env",
        "build",
        "setuptools",
        "wheel",
        "debugpy",
    ]
)
_HELPERS = ("from multiprocessing.resource_tracker", "from multiprocessing.semaphore_tracker")


def start_up(name: str, file: str) -> None:
    """Called by the hook on PYTHONPATH as Python starts.

    Debug this process, unless it is a tool, then run the sitecustomize that the hook hides.
    """
    begin(os.path.dirname(os.path.abspath(file)))
    _import_hidden(name)


def hook(folder: str) -> str:
    """The code for a .pth file, which hides no other module."""
    return (
        f"import sys; sys.path.insert(0, {folder!r}); "
        f"import innerloop_debugger; innerloop_debugger.begin({folder!r})"
    )


def begin(folder: str) -> None:
    """Debug this process, once, unless it is a tool. The hook's `folder` is removed from its path."""
    global _begun
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != folder]
    text = os.environ.get(VARIABLE)
    if not text or _begun:
        return
    _begun = True
    words = command_line()
    if not is_tool(words):
        _try_to_connect(json.loads(text))
    elif "run" not in words:  # `poetry run python train.py` starts the user's code
        _remove_hook(folder)


_begun = False


def command_line() -> list[str]:
    """The words that started this interpreter; sys.argv does not exist yet."""
    if hasattr(sys, "orig_argv"):
        return list(sys.orig_argv)
    try:
        with open("/proc/self/cmdline", "rb") as file:
            return [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]
    except OSError:
        return []


def is_tool(words: list[str]) -> bool:
    """Whether an interpreter with these words runs a tool and not the user's code."""
    rest = iter(words[1:])
    for word in rest:
        if word == "-m" or word == "-c":
            target = next(rest, "")
            return target.startswith(_HELPERS) if word == "-c" else _is_tool(target.split(".")[0])
        if word in ("-X", "-W"):
            next(rest, "")
        elif word == "-" or not word.startswith("-"):
            return _is_tool(os.path.basename(word))
    return False


def _is_tool(name: str) -> bool:
    plain = name[:-4] if name.lower().endswith(".exe") else name
    return plain in TOOLS or plain.startswith("pip3.")


def load(library: str, *, server: bool = True) -> Any:
    """Import debugpy from the environment or from the folder `library` ("" for none).

    With `server`, also what traces this process.

    The environment's own is used if it has the version that the tool pins, since it may have been
    compiled for this Python.
    """
    if library:
        sys.path.insert(0 if _is_older_or_missing(library) else len(sys.path), library)
    try:
        import debugpy

        if server:
            import debugpy.server  # now, while `library` is on the path
            import pydevd  # noqa: F401
    finally:
        if library:
            sys.path.remove(library)
    return debugpy


def _is_older_or_missing(library: str) -> bool:
    pinned = [name for name in _entries(library) if name.startswith("debugpy-")]
    return not any(name in _entries(path) for path in sys.path for name in pinned)


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder or ".")
    except OSError:
        return []


def connect(settings: dict[str, Any]) -> None:
    """Connect this process to start.py's adapter.

    It waits until the editor has set its breakpoints.
    """
    debugpy = load(settings["library"])
    _map_paths(settings["folders"])
    attach(settings, settings["parent"], wait_for_ready_to_run=True)
    debugpy.wait_for_client()


def attach(settings: dict[str, Any], parent: int, *, wait_for_ready_to_run: bool) -> None:
    """Trace this process, connected to the adapter once both have proved that they know the secret.

    debugpy's own support for child processes stays off: they have the hook.
    """
    import debugpy
    import pydevd

    debugpy.configure(subProcess=False)
    pydevd.start_client = lambda _, port: handshake.connect(
        port, settings["secret"], handshake.PROCESS
    )
    pydevd.settrace(
        host="127.0.0.1",
        port=settings["port"],
        ppid=parent,
        suspend=False,
        patch_multiprocessing=False,
        wait_for_ready_to_run=wait_for_ready_to_run,
        block_until_connected=True,
        notify_stdin=False,
        dont_trace_start_patterns=(os.path.dirname(os.path.abspath(debugpy.__file__)),),
    )


def paths(mappings: list[tuple[str, str]], folders: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs of (folder as the editor sees it, folder as this process sees it).

    The first match counts. `mappings` are those of the editor; `folders` has (path relative to the
    workspace, or absolute; folder here).

    The editor does not know where a run is: it maps its workspace to /workspaces/<name>, as in a
    container. That pair is replaced by the real folders of the workspace and of the view of the code.
    """
    pairs = []
    for local, remote in mappings:
        root = local.rstrip("/\\")
        name = root.replace("\\", "/").rpartition("/")[2]
        if remote.rstrip("/") != f"/workspaces/{name}":
            pairs.append((local, remote))
            continue
        pairs += [(_under(root, path), folder) for path, folder in folders]
    return pairs


def _under(root: str, path: str) -> str:
    """A folder of the workspace as the editor sees it; an absolute path stays as it is."""
    is_absolute = path.startswith("/") or path[1:2] == ":"
    return path if is_absolute else f"{root}/{path}".rstrip("/")


def _map_paths(folders: list[tuple[str, str]]) -> None:
    import pydevd_file_utils

    original = pydevd_file_utils.setup_client_server_paths

    def setup_client_server_paths(mappings: list[tuple[str, str]]) -> None:
        original(paths(mappings, folders))
        names = EditorNames(
            pydevd_file_utils.map_file_to_server, pydevd_file_utils.map_file_to_client
        )
        pydevd_file_utils.map_file_to_server = names.here
        pydevd_file_utils.map_file_to_client = names.in_editor

    pydevd_file_utils.setup_client_server_paths = setup_client_server_paths


class EditorNames:
    """One name in the editor for each file, however many links lead to it.

    That is the name under which the editor has it open (it set breakpoints there), else that of the
    file that the links lead to, so that shared code has one tab and one dot for each breakpoint.
    """

    def __init__(
        self, to_here: Callable[[str], str], to_editor: Callable[[str], tuple[str, bool]]
    ) -> None:
        self._to_here, self._to_editor = to_here, to_editor
        self._open: dict[str, str] = {}

    def here(self, name: str) -> str:
        path = self._to_here(name)
        self._open[os.path.realpath(path)] = name
        return path

    def in_editor(self, path: str) -> tuple[str, bool]:
        """The name, and whether it is one of the editor's folders."""
        real = os.path.realpath(path)
        if real in self._open:
            return self._open[real], True
        if os.path.normcase(real) != os.path.normcase(os.path.abspath(path)):
            name, is_mapped = self._to_editor(real)
            if is_mapped and "/.innerloop/" not in name.replace("\\", "/"):
                return name, True
        return self._to_editor(path)


def _try_to_connect(settings: dict[str, Any]) -> None:
    try:
        connect(settings)
    except Exception as error:
        print(
            f"innerloop: process {os.getpid()} is not debugged: {error}",
            file=sys.stderr,
            flush=True,
        )
        return
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: _after_fork(settings))


def _after_fork(settings: dict[str, Any]) -> None:
    """Connect a forked process (multiprocessing, a data loader's worker) again.

    It has none of the debugger's threads. Between a fork and an exec there is nothing to debug.
    """
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "_execute_child":
            return
        frame = frame.f_back  # type: ignore[assignment]
    from _pydev_bundle import pydev_monkey

    pydev_monkey._on_forked_process(setup_tracing=False)
    _forget_threads()
    with suppress(Exception):  # the editor has disconnected
        connect(settings)


def _forget_threads() -> None:
    """Clear the debugger's state of this thread, which is that of the process before the fork."""
    from _pydevd_bundle.pydevd_constants import PYDEVD_USE_SYS_MONITORING
    from _pydevd_frame_eval.pydevd_frame_eval_main import clear_thread_local_info

    if clear_thread_local_info is not None:
        clear_thread_local_info()
    if PYDEVD_USE_SYS_MONITORING:
        from _pydevd_sys_monitoring import pydevd_sys_monitoring

        pydevd_sys_monitoring.reset_thread_local_info()


def _remove_hook(folder: str) -> None:
    """Remove the hook from the variables that child processes get."""
    os.environ.pop(VARIABLE, None)
    os.environ.pop(HOOK, None)
    others = [
        path
        for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if path and os.path.abspath(path) != folder
    ]
    os.environ["PYTHONPATH"] = os.pathsep.join(others)
    if not others:
        del os.environ["PYTHONPATH"]


def _import_hidden(name: str) -> None:
    """Import the next module of that name on the path in place of the hook."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec(name, sys.path)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
