"""Command lines of the tool without the start of an interpreter: forks of one that is ready.

The server is the tool's own environment, started as the launcher starts it, with the tool's modules
imported. For each command line it forks a process that has the caller's folder, variables and streams
and runs the launcher's text: its own process group member, exit code, output and signals are those of
`scripts/loop`. Only the half second of a start is left out.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import re
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

# What decides how an interpreter starts: with other values, a command line starts its own.
AT_START = ("LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "LD_PRELOAD")


class ForkServer:
    """The server as its caller has it. Each worker of pytest has one."""

    def __init__(self, python: Path, launcher: Path) -> None:
        own, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = [str(python), "-I", __file__, str(theirs.fileno()), str(launcher)]
        self._child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        self._environ = {name: os.environ.get(name) for name in AT_START}
        self._socket = own
        self.launcher = launcher
        theirs.close()

    def close(self) -> None:
        self._socket.close()
        self._child.wait(60)

    def can_run(self, launcher: Path, env: Mapping[str, str]) -> bool:
        """Whether it is the launcher of this very source, started as the server was.

        Its shell part needs a Python on PATH.
        """
        return (
            launcher.resolve() == self.launcher
            and self._starts_alike(env)
            and shutil.which("python3", path=env.get("PATH", "")) is not None
        )

    def can_serve(self, env: Mapping[str, str]) -> bool:
        """Whether it can run this source for a workspace with another launcher, or with none yet."""
        own = os.environ["INNERLOOP_CACHE"]  # its own environment has to be the one in the cache
        return self._starts_alike(env) and env.get("INNERLOOP_CACHE") == own

    def _starts_alike(self, env: Mapping[str, str]) -> bool:
        return all(env.get(name) == value for name, value in self._environ.items())

    def run(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run` with text, both streams captured, and an empty stdin."""
        request = json.dumps([list(argv), os.fspath(cwd), dict(env)]).encode()
        (out, out_end), (err, err_end), (status, status_end) = os.pipe(), os.pipe(), os.pipe()
        text, text_end = os.pipe()  # a message is limited, a pipe is not
        nowhere = os.open(os.devnull, os.O_RDONLY)
        ends = [text, nowhere, out_end, err_end, status_end]
        socket.send_fds(self._socket, [b"run"], ends)
        for number in ends:
            os.close(number)
        with os.fdopen(text_end, "wb") as file:
            file.write(request)
        streams = {out: bytearray(), err: bytearray(), status: bytearray()}
        try:
            self._read(streams, status, argv, timeout)
        finally:
            for number in streams:
                os.close(number)
        _, code = streams[status].split()
        return subprocess.CompletedProcess(
            argv, int(code), _text(streams[out]), _text(streams[err])
        )

    @staticmethod
    def _read(
        streams: dict[int, bytearray], status: int, argv: Sequence[str], timeout: float
    ) -> None:
        """Until all of them are closed; the status is the process' number, then its exit code."""
        end = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            for number in streams:
                selector.register(number, selectors.EVENT_READ)
            while selector.get_map():
                left = end - time.monotonic()
                if left <= 0:
                    pid = int(streams[status].split()[0])
                    os.kill(pid, signal.SIGKILL)
                    raise subprocess.TimeoutExpired(
                        argv, timeout, bytes(streams[min(streams)]), None
                    )
                for key, _ in selector.select(left):
                    data = os.read(key.fd, 65536)
                    streams[key.fd] += data
                    if not data:
                        selector.unregister(key.fd)


def _text(data: bytearray) -> str:
    return data.decode().replace("\r\n", "\n").replace("\r", "\n")


current: ForkServer | None = None


@contextlib.contextmanager
def started(launcher: Path) -> Iterator[None]:
    """The one of this process, where processes can be forked and nobody measures coverage.

    The launcher has made the tool's environment before.
    """
    global current
    if sys.platform != "linux" or os.environ.get("COVERAGE_PROCESS_START"):
        yield
        return
    variables = runpy.run_path(str(launcher), run_name="launcher")
    key = variables["checksum"](variables["PIN"].read_bytes().replace(b"\r", b""))
    python = variables["CACHE"] / "tool" / f"{key}-source" / "bin" / "python"
    current = ForkServer(python, launcher)
    try:
        yield
    finally:
        current.close()
        current = None


# The server


def serve(connection: socket.socket, launcher: str) -> None:
    """Until the caller closes its end."""
    connection.set_inheritable(False)
    program = compile(Path(launcher).read_bytes(), launcher, "exec")
    import_the_tool(Path(launcher).resolve().parent.parent / "packages/innerloop/src")
    gc.collect()
    gc.freeze()
    waking, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at pytest: it closes its end
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    running: dict[int, int] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        selector.register(waking, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if waking in ready:
                os.read(waking, 4096)
                reap(running)
            if connection.fileno() in ready:
                message, ends, _, _ = socket.recv_fds(connection, 16, 5)
                if not message:
                    return
                request, *streams, status = ends
                with os.fdopen(request, "rb") as file:
                    argv, cwd, env = json.loads(file.read())
                pid = os.fork()
                if pid == 0:
                    for number in (waking, wake, status, *running.values()):
                        os.close(number)
                    connection.close()
                    run(program, argv, cwd, env, streams)
                running[pid] = status
                for number in streams:
                    os.close(number)
                os.write(status, f"{pid} ".encode())


def reap(running: dict[int, int]) -> None:
    """Tells the exit code of each that has ended, as subprocess counts them."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        if (number := running.pop(pid, None)) is not None:
            os.write(number, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(number)


def run(
    program: Any, argv: list[str], cwd: str, env: dict[str, str], streams: list[int]
) -> NoReturn:
    """In the forked process: what an interpreter that just started would do with the launcher."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for target, number in enumerate(streams):
        os.dup2(number, target)
    for number in streams:
        if number > 2:
            os.close(number)
    os.chdir(cwd)
    coerced = os.environ.get("LC_CTYPE")  # by Python itself, where the locale is C
    os.environ.clear()
    os.environ.update(env)
    if coerced is not None:
        os.environ["LC_CTYPE"] = coerced
    if "TZ" in env:
        time.tzset()
    for name, mode, buffering in (("stdin", "r", -1), ("stdout", "w", -1), ("stderr", "w", 1)):
        before = getattr(sys, name)
        stream = open(  # noqa: SIM115 - as long as the process
            before.fileno(), mode, buffering, before.encoding, before.errors, closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv[:] = argv
    variables = {"__name__": "__main__", "__file__": argv[0], "__builtins__": __builtins__}
    code: Any = 0
    try:
        exec(program, variables)
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    os._exit(_last_steps(code))


def _last_steps(code: int) -> int:
    """What Python does at its end, but for clearing the modules, which would copy all of the memory."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            code = 120
    return code


def import_the_tool(source: Path) -> None:
    """All of its modules but those of its workers, whose packages are not there."""
    sys.path.insert(0, str(source))
    import innerloop

    other = re.compile(
        r"(azureml|argo|mcp_server)\.worker\.|\.(templates|in_env_scripts|__main__)\b"
    )
    for module in pkgutil.walk_packages(innerloop.__path__, "innerloop."):
        if not other.search(module.name):
            importlib.import_module(module.name)
    sys.path.remove(str(source))


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
