"""A small client of the Debug Adapter Protocol: what VS Code does between F5 and the last line.

Source: the Debug Adapter Protocol specification (base protocol, initialization, runInTerminal,
startDebugging).
"""

from __future__ import annotations

import json
import os
import queue
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tests.support import patience

Json = dict[str, Any]
Breakpoints = Mapping[Path, Sequence[int]]


def resolve(value: Any, variables: Mapping[str, str]) -> Any:
    """Fills in `${workspaceFolder}` and the like, in every string, as VS Code does."""
    if isinstance(value, str):
        for name, text in variables.items():
            value = value.replace("${" + name + "}", text)
        assert not re.search(r"\$\{\w+\}", value), f"VS Code knows nothing of {value}"
        return value
    if isinstance(value, list):
        return [resolve(one, variables) for one in value]
    if isinstance(value, dict):
        return {key: resolve(one, variables) for key, one in value.items()}
    return value


def variables(folder: Path | str, file: str = "a.py") -> dict[str, str]:
    """What VS Code's variables are in a window on this folder, with a file open."""
    folder = str(folder)
    return {
        "workspaceFolder": folder,
        "workspaceFolderBasename": folder.rstrip("/").rpartition("/")[2],
        "file": f"{folder}/{file}",
        "fileDirname": f"{folder}/{file}".rpartition("/")[0],
        "relativeFile": file,
        "/": "/",
    }


class Machine:
    """Where the editor's own programs run: this one, or a dev container that it has open."""

    def __init__(self, *prefix: str) -> None:
        self.prefix = prefix

    def started(
        self, argv: Sequence[str], cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The arguments for Popen."""
        env = env or {}
        if not self.prefix:
            return {"args": list(argv), "cwd": cwd, "env": {**os.environ, **env}}
        exports = [f"{name}={value}" for name, value in env.items()]
        enter = ["sh", "-c", 'cd "$0" && exec "$@"', cwd] if cwd else []
        return {"args": [*self.prefix, "env", *exports, *enter, *argv]}


HERE = Machine()


class Session:
    """One debug session with an adapter, over its pipes or a socket."""

    def __init__(
        self,
        reader: IO[bytes],
        writer: IO[bytes],
        timeout: float = 30,
        machine: Machine = HERE,
    ) -> None:
        self.timeout = timeout
        self.machine = machine
        self.reader = reader
        self.writer = writer
        self.sequence = 0
        self.closing = False
        self.messages: queue.Queue[Json] = queue.Queue()
        self.put_aside: list[Json] = []
        # The configurations of further sessions that this one asked for, one for each process.
        self.processes: queue.Queue[Json] = queue.Queue()
        self.terminals: list[subprocess.Popen[bytes]] = []
        self.sending = threading.Lock()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, command: str, **arguments: Any) -> int:
        return self._write({"type": "request", "command": command, "arguments": arguments})

    def ask(self, command: str, **arguments: Any) -> Json:
        """Sends a request and returns the body of its answer."""
        return self.answer(self.send(command, **arguments))

    def answer(self, sequence: int) -> Json:
        message = self._wait(
            lambda m: m["type"] == "response" and m["request_seq"] == sequence, "an answer"
        )
        assert message["success"], message
        return dict(message.get("body") or {})

    def refusal(self, command: str, **arguments: Any) -> str:
        """Sends a request that is refused, and returns why."""
        sequence = self.send(command, **arguments)
        message = self._wait(lambda m: m.get("request_seq") == sequence, "an answer")
        assert not message["success"], message
        return str(message["message"])

    def event(self, name: str) -> Json:
        message = self._wait(lambda m: m["type"] == "event" and m["event"] == name, f"event {name}")
        return dict(message.get("body") or {})

    def begin(
        self, configuration: Json, breakpoints: Breakpoints, exceptions: Sequence[str] = ()
    ) -> None:
        """From F5 to the running program, with breakpoints set, and kinds of exceptions."""
        self.ask(
            "initialize",
            clientID="vscode",
            adapterID="debugpy",
            linesStartAt1=True,
            columnsStartAt1=True,
            pathFormat="path",
            supportsRunInTerminalRequest=True,
            supportsStartDebuggingRequest=True,
        )
        begun = self.send(configuration["request"], **configuration)
        self.event("initialized")
        for path, lines in breakpoints.items():
            answer = self.ask(
                "setBreakpoints",
                source={"path": str(path)},
                breakpoints=[{"line": line} for line in lines],
            )
            assert [one["line"] for one in answer["breakpoints"]] == list(lines)
        self.ask("setExceptionBreakpoints", filters=list(exceptions))
        self.ask("configurationDone")
        self.answer(begun)

    def stopped(self, reason: str = "breakpoint") -> int:
        """Waits until the program stops, and returns the thread."""
        event = self.event("stopped")
        assert event["reason"] == reason, event
        return int(event["threadId"])

    def evaluate(self, expression: str, thread: int) -> str:
        frame = self.top(thread)["id"]
        return str(self.ask("evaluate", expression=expression, frameId=frame)["result"])

    def top(self, thread: int) -> Json:
        """The innermost frame."""
        return dict(self.ask("stackTrace", threadId=thread)["stackFrames"][0])

    def go_on(self, thread: int) -> None:
        self.ask("continue", threadId=thread)

    def close(self) -> None:
        self.closing = True
        for process in self.terminals:
            process.kill()
            process.wait()

    def _wait(self, wanted: Callable[[Json], bool], what: str) -> Json:
        for index, message in enumerate(self.put_aside):
            if wanted(message):
                return self.put_aside.pop(index)
        while True:
            try:
                message = self.messages.get(timeout=self.timeout)
            except queue.Empty:
                raise AssertionError(
                    f"no {what} within {self.timeout} s; got {self.put_aside}"
                ) from None
            if wanted(message):
                return message
            self.put_aside.append(message)

    def _serve(self, request: Json) -> None:
        if request["command"] == "startDebugging":
            self.processes.put(dict(request["arguments"]))
            self._respond(request, {})
            return
        assert request["command"] == "runInTerminal", request
        # The editor starts the program, as its integrated terminal would.
        given = request["arguments"]
        set_here = {k: v for k, v in (given.get("env") or {}).items() if v is not None}
        process = subprocess.Popen(**self.machine.started(given["args"], given["cwd"], set_here))
        self.terminals.append(process)
        self._respond(request, {"processId": process.pid})

    def _respond(self, request: Json, body: Json) -> None:
        answer = {"request_seq": request["seq"], "command": request["command"], "success": True}
        self._write({"type": "response", **answer, "body": body})

    def _write(self, message: Json) -> int:
        with self.sending:
            self.sequence += 1
            data = json.dumps({"seq": self.sequence, **message}).encode()
            self.writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
            self.writer.flush()
            return self.sequence

    def _read(self) -> None:
        try:
            while header := self.reader.readline():
                length = int(header.split(b":")[1])
                while self.reader.readline().strip():
                    pass
                message = json.loads(self.reader.read(length))
                if message["type"] == "request":
                    self._serve(message)
                elif message.get("event") == "debugpyAttach":
                    # As the Python debugger extension does it, with a session of the parent's.
                    body = dict(message["body"])
                    self.processes.put({"request": body["request"], "configuration": body})
                else:
                    self.messages.put(message)
        except (OSError, ValueError):
            if not self.closing:  # else the stream was closed under us
                raise


class Client(Session):
    """A session with an adapter of its own, started as the Python debugger extension starts it."""

    def __init__(self, timeout: float = 30, machine: Machine = HERE) -> None:
        python = "python" if machine.prefix else sys.executable
        self.adapter = subprocess.Popen(
            **machine.started([python, "-m", "debugpy.adapter"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.adapter.stdout is not None and self.adapter.stdin is not None
        super().__init__(self.adapter.stdout, self.adapter.stdin, timeout, machine)

    def close(self) -> None:
        super().close()
        self.adapter.kill()
        self.adapter.wait()


# A connection from within a container, over the pipes of a program in it.
RELAY = """import os, socket, sys, threading
one = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def back():
    while chunk := one.recv(65536): os.write(1, chunk)
    os._exit(0)
threading.Thread(target=back, daemon=True).start()
while chunk := os.read(0, 65536): one.sendall(chunk)
"""


class Connected(Session):
    """A session with an adapter that listens already, as for `"connect"`."""

    def __init__(self, configuration: Json, timeout: float = 30, machine: Machine = HERE) -> None:
        address = configuration["connect"]
        self.socket: socket.socket | None = None
        self.relay: subprocess.Popen[bytes] | None = None
        if machine.prefix:
            argv = ["python", "-c", RELAY, address["host"], str(address["port"])]
            self.relay = subprocess.Popen(
                **machine.started(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            assert self.relay.stdout is not None and self.relay.stdin is not None
            super().__init__(self.relay.stdout, self.relay.stdin, timeout, machine)
            return
        self.socket = socket.create_connection((address["host"], address["port"]), 5)
        self.socket.settimeout(None)
        super().__init__(self.socket.makefile("rb"), self.socket.makefile("wb"), timeout)

    def close(self) -> None:
        super().close()
        if self.relay is not None:
            self.relay.kill()
            self.relay.wait()
        if self.socket is not None:
            with suppress(OSError):  # the other side was first
                self.socket.shutdown(socket.SHUT_RDWR)
            self.socket.close()


def attached(configuration: Json, breakpoints: Breakpoints, timeout: float = 60) -> Session:
    session = Connected(configuration, timeout)
    session.begin(configuration, breakpoints)
    return session


def next_process(first: Session, breakpoints: Breakpoints) -> Session:
    """The next Python process that the job has started, attached to."""
    asked = first.processes.get(timeout=first.timeout)
    configuration = {**asked["configuration"], "request": asked["request"]}
    session = Connected(configuration, first.timeout)
    session.processes = first.processes
    session.begin(configuration, breakpoints)
    return session


class Editor:
    """F5 with a rendered configuration that attaches.

    The preLaunchTask is started and its ready line awaited, the session attaches, and each process
    that it reports gets one more.
    """

    def __init__(
        self,
        folder: Path | str,
        configuration: Json,
        task: Json,
        machine: Machine = HERE,
        file: str = "a.py",
    ) -> None:
        self.machine = machine
        self.configuration = resolve(configuration, variables(folder, file))
        self.task = resolve(task, variables(folder, file))
        self.timeout = 30.0
        self.sessions: list[Session] = []
        # Asked for by any of the sessions: a process that forks reports the new one itself.
        self.processes: queue.Queue[Json] = queue.Queue()
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    def start_task(self, env: Mapping[str, str] | None = None) -> bool:
        """Whether the task said that it is ready: False when it ended before."""
        background = self.task["problemMatcher"]["background"]
        assert self.task["isBackground"] and background["activeOnStart"]
        ready = threading.Event()
        self.process = subprocess.Popen(
            **self.machine.started([self.task["command"], *self.task["args"]], None, env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

        def read(pipe: IO[str]) -> None:
            for line in pipe:
                self.lines.append(line)
                if re.search(background["endsPattern"], line.rstrip("\n")):
                    ready.set()

        assert self.process.stdout is not None
        reader = threading.Thread(target=read, args=(self.process.stdout,), daemon=True)
        reader.start()
        while not ready.wait(0.05):
            if self.process.poll() is not None:
                reader.join(5)
                return ready.is_set()
        return True

    def attach(self, breakpoints: Breakpoints, configuration: Json | None = None) -> Session:
        """The session of the run itself; those of its processes come with `next_process`."""
        configuration = configuration or self.configuration
        session = Connected(configuration, self.timeout, self.machine)
        session.processes = self.processes
        self.sessions.append(session)
        session.begin(configuration, breakpoints)
        return session

    def next_process(self, breakpoints: Breakpoints) -> Session:
        """The next Python process that the command started, attached to."""
        try:
            asked = self.processes.get(timeout=self.timeout)
        except queue.Empty:
            raise AssertionError(f"no further process came: {self.text}") from None
        return self.attach(breakpoints, {**asked["configuration"], "request": asked["request"]})

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def exit_code(self, seconds: float = 30) -> int:
        """The task's own, once it has ended."""
        assert self.process is not None
        end = time.monotonic() + patience(seconds)
        while self.process.poll() is None:
            assert time.monotonic() < end, f"still running after {seconds} s: {self.text}"
            time.sleep(0.05)
        return self.process.returncode

    def close(self) -> None:
        for session in self.sessions:
            session.close()
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)
