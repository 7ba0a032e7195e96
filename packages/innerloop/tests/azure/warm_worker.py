"""Workers without the import of their service's client: forks of a process that has it.

The import takes as long as ten answers of the stand-in, and each command of the tool starts a worker.
In the environment of the worker `bin/python` becomes a program that asks the server for a fork with its
own streams, folder and variables, and ends as that one does; whoever ends it ends the fork. It is the
environment's Python itself for everything else, and wherever the variable WARM does not name a server.
"""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import itertools
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

WARM = "INNERLOOP_TESTS_WARM_WORKER"
# How the tool starts a worker.
START = ["-I", "-X", "utf8", "-c"]
ITSELF = "python-itself"
NUMBERS = itertools.count()
# Names of all modules of others that a worker imports, in their order.
LIST = """
import sys; sys.path.insert(0, sys.argv[1])
import importlib, pkgutil
worker = importlib.import_module(sys.argv[2])
for module in pkgutil.iter_modules(worker.__path__):
    importlib.import_module(f"{sys.argv[2]}.{module.name}")
print(*(name for name in sys.modules if name.partition(".")[0] not in ("innerloop", "__main__")))
"""
# The whole of `bin/python`.
CLIENT = f"""#!{{python}} -ISE
import os, sys
warm = os.environ.get({WARM!r})
if not warm or sys.argv[1:{len(START) + 1}] != {START!r}:
    itself = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), {ITSELF!r})
    os.execv(itself, [itself, *sys.argv[1:]])
import _socket, array, json, struct
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.connect(warm)
text = json.dumps([sys.argv[{len(START) + 1}], sys.argv[{len(START) + 2}:], os.getcwd(), dict(os.environ)]).encode()
rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))]
server.sendmsg([struct.pack("i", len(text))], rights)
server.sendall(text)
for number in (0, 1, 2):
    os.close(number)
code = server.recv(4)
os._exit(struct.unpack("i", code)[0] if code else 70)
"""


@contextlib.contextmanager
def started(
    environment: Path, source: Path, worker: str, env: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """The variables with which a command gets its worker from here, where processes can be forked.

    `worker` is the package of that worker, below `source`.
    """
    if sys.platform != "linux":
        yield {}
        return
    python = environment / "bin" / "python"
    itself = python.with_name(ITSELF)
    # Other workers of the tests have the same environment.
    with contextlib.suppress(FileExistsError):
        itself.symlink_to(python.resolve())
        client = python.with_name("python-of-the-tests")
        client.write_text(CLIENT.format(python=python.resolve()))
        client.chmod(0o755)
        client.replace(python)
    # Several folders of tests have one each.
    path = environment / f"warm-{os.getpid()}-{next(NUMBERS)}"
    argv = [str(itself), *START[:-1], __file__, str(path), str(source), worker]
    variables = {**os.environ, **env}
    child = subprocess.Popen(argv, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout and child.stdout.readline() == b"ready\n"
        yield {WARM: str(path)}
    finally:
        child.kill()
        child.wait()
        path.unlink(missing_ok=True)


def serve(path: str, source: str, worker: str) -> None:
    """Until it is killed."""
    listed = subprocess.run(
        [sys.executable, *START, LIST, source, worker],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for name in listed.stdout.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a keeper
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            keep(connection)
        connection.close()


def keep(connection: socket.socket) -> NoReturn:
    """Fork the worker, tell the client its exit code, and end it when the client is gone."""
    head, rights, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(12))
    streams = array.array("i")
    streams.frombytes(rights[0][2])
    left = struct.unpack("i", head)[0]
    text = b""
    while len(text) < left:
        text += connection.recv(left - len(text)) or os._exit(70)
    code, words, folder, env = json.loads(text)
    pid = os.fork()
    if pid == 0:
        connection.close()
        run(code, words, folder, env, list(streams))
    for number in streams:
        os.close(number)
    ended = os.pidfd_open(pid)
    watched: list[Any] = [ended, connection]
    ready, _, _ = select.select(watched, [], [])
    if ended not in ready:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(OSError):
        connection.sendall(struct.pack("i", status if status >= 0 else 128 - status))
    os._exit(0)


def run(code: str, words: list[str], folder: str, env: dict[str, str], streams: list[int]) -> None:
    """What `python -c CODE WORDS` would do."""
    for target, number in enumerate(streams):
        os.dup2(number, target)
    for number in streams:
        if number > 2:
            os.close(number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(env)
    for name, mode, buffering in (("stdin", "r", -1), ("stdout", "w", -1), ("stderr", "w", 1)):
        stream: Any = open(  # noqa: SIM115 - as long as the process
            getattr(sys, f"__{name}__").fileno(), mode, buffering, "utf-8", closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    sys.argv[:] = ["-c", *words]
    status = 0
    try:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder: it is not the worker's
    serve(*sys.argv[1:])
