"""What a process does to be debugged. Imported by the start-up hook beside it, and by start.py; it
runs in the experiment's own environment (Python 3.8 or newer) and knows nothing of the tool."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

# Says where to connect to; a process whose environment lacks it is left alone.
VARIABLE = "INNERLOOP_DEBUG"

# What a .pth file of ours executes, for a process that PYTHONPATH does not lead to the hook.
HOOK = "INNERLOOP_DEBUG_HOOK"

# Programs that install, package or look after processes: nobody debugs them, and all that they
# start (a package's build, say) is left alone too.
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
    """Called by the hook on PYTHONPATH as Python starts: debugs this process, unless it is a tool,
    then runs the sitecustomize that the hook stands in front of."""
    begin(os.path.dirname(os.path.abspath(file)))
    _go_on(name)


def hook(folder: str) -> str:
    """The same for a .pth file, which takes nobody's place."""
    return (
        f"import sys; sys.path.insert(0, {folder!r}); "
        f"import innerloop_debugger; innerloop_debugger.begin({folder!r})"
    )


def begin(here: str) -> None:
    """Debugs this process, once, unless it is a tool. `here` leaves its path."""
    global _begun
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != here]
    text = os.environ.get(VARIABLE)
    if not text or _begun:
        return
    _begun = True
    words = command_line()
    if not is_tool(words):
        _try_to_connect(json.loads(text))
    elif "run" not in words:  # `poetry run python train.py` starts the person's code
        _leave_alone(here)


_begun = False


def command_line() -> list[str]:
    """The words that started this interpreter; sys.argv is not there yet."""
    if hasattr(sys, "orig_argv"):
        return list(sys.orig_argv)
    try:
        with open("/proc/self/cmdline", "rb") as file:
            return [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]
    except OSError:
        return []


def is_tool(words: list[str]) -> bool:
    """Whether an interpreter with these words runs a tool and not the person's code."""
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


def load(library: str) -> Any:
    """debugpy: the environment's own where it is of the very version that the tool pins (it may
    have been compiled for this Python), else that of `library` ("": there is none)."""
    if library:
        sys.path.insert(0 if _is_older_or_missing(library) else len(sys.path), library)
    try:
        import debugpy
        import debugpy.server  # so that nothing of it is looked for later
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
    """Connects this process to the adapter that start.py listens with, and waits until the editor
    has set its breakpoints. debugpy's own way into child processes stays off: they have the hook.
    """
    debugpy = load(settings["library"])
    import pydevd

    debugpy.configure(subProcess=False)
    _map_paths(settings["folders"])
    pydevd.settrace(
        host=settings["host"],
        port=settings["port"],
        access_token=settings["token"],
        ppid=settings["parent"],
        suspend=False,
        patch_multiprocessing=False,
        wait_for_ready_to_run=True,
        block_until_connected=True,
        notify_stdin=False,
        dont_trace_start_patterns=(os.path.dirname(os.path.abspath(debugpy.__file__)),),
    )
    debugpy.wait_for_client()


def paths(given: list[tuple[str, str]], folders: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs of (folder as the editor sees it, folder as this process sees it), the first match
    counts. `given` is what the editor sent; `folders` holds (path in the workspace or absolute,
    folder here).

    The editor cannot know where a run is: it maps its workspace to /workspaces/<name>, as in a
    container. That entry is replaced by where the workspace, and the view of the code, really are.
    """
    found = []
    for local, remote in given:
        root = local.rstrip("/\\")
        name = root.replace("\\", "/").rpartition("/")[2]
        if remote.rstrip("/") != f"/workspaces/{name}":
            found.append((local, remote))
            continue
        found += [(_under(root, part), folder) for part, folder in folders]
    return found


def _under(root: str, part: str) -> str:
    """A folder of the workspace as the editor has it; one outside of it stands as it is."""
    absolute = part.startswith("/") or part[1:2] == ":"
    return part if absolute else f"{root}/{part}".rstrip("/")


def _map_paths(folders: list[tuple[str, str]]) -> None:
    import pydevd_file_utils

    original = pydevd_file_utils.setup_client_server_paths

    def setup_client_server_paths(given: list[tuple[str, str]]) -> None:
        original(paths(given, folders))

    pydevd_file_utils.setup_client_server_paths = setup_client_server_paths


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
    """A forked process (multiprocessing, a loader's workers) has none of the debugger's threads:
    it begins again. Between a fork and the start of another program there is nothing to debug."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "_execute_child":
            return
        frame = frame.f_back  # type: ignore[assignment]
    from _pydev_bundle import pydev_monkey

    pydev_monkey._on_forked_process(setup_tracing=False)
    _forget_threads()
    with suppress(Exception):  # the editor has gone
        connect(settings)


def _forget_threads() -> None:
    """What the debugger noted of this thread speaks of the process before the fork."""
    from _pydevd_bundle.pydevd_constants import PYDEVD_USE_SYS_MONITORING
    from _pydevd_frame_eval.pydevd_frame_eval_main import clear_thread_local_info

    if clear_thread_local_info is not None:
        clear_thread_local_info()
    if PYDEVD_USE_SYS_MONITORING:
        from _pydevd_sys_monitoring import pydevd_sys_monitoring

        pydevd_sys_monitoring.reset_thread_local_info()


def _leave_alone(here: str) -> None:
    os.environ.pop(VARIABLE, None)
    os.environ.pop(HOOK, None)
    kept = [
        path
        for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)
        if path and os.path.abspath(path) != here
    ]
    os.environ["PYTHONPATH"] = os.pathsep.join(kept)
    if not kept:
        del os.environ["PYTHONPATH"]


def _go_on(name: str) -> None:
    """Runs the next module of that name on the path, in this one's place."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    spec = PathFinder.find_spec(name, sys.path)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
