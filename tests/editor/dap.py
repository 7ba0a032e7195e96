"""A small client of the Debug Adapter Protocol: what VS Code does between F5 and the last line.

Source: the Debug Adapter Protocol specification (base protocol, initialization, runInTerminal).
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def resolve(value: Any, variables: dict[str, str]) -> Any:
    """Fills in `${workspaceFolder}` and the like, in every string, as VS Code does."""
    if isinstance(value, str):
        for name, text in variables.items():
            value = value.replace("${" + name + "}", text)
        return value
    if isinstance(value, list):
        return [resolve(one, variables) for one in value]
    if isinstance(value, dict):
        return {key: resolve(one, variables) for key, one in value.items()}
    return value


class Client:
    """One debug session over the real adapter (`python -m debugpy.adapter`)."""

    def __init__(self, timeout: float = 30) -> None:
        self.timeout = timeout
        self.adapter = subprocess.Popen(
            [sys.executable, "-m", "debugpy.adapter"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.sequence = 0
        self.messages: queue.Queue[Json] = queue.Queue()
        self.put_aside: list[Json] = []
        self.terminals: list[subprocess.Popen[bytes]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, command: str, **arguments: Any) -> int:
        self._write({"type": "request", "command": command, "arguments": arguments})
        return self.sequence

    def ask(self, command: str, **arguments: Any) -> Json:
        """Sends a request and returns the body of its answer."""
        return self.answer(self.send(command, **arguments))

    def answer(self, sequence: int) -> Json:
        message = self._wait(
            lambda m: m["type"] == "response" and m["request_seq"] == sequence, "an answer"
        )
        assert message["success"], message
        return dict(message.get("body") or {})

    def event(self, name: str) -> Json:
        message = self._wait(lambda m: m["type"] == "event" and m["event"] == name, f"event {name}")
        return dict(message.get("body") or {})

    def launch(self, configuration: Json, breakpoints: dict[Path, list[int]]) -> None:
        """From F5 to the running program, with breakpoints set."""
        self.ask(
            "initialize",
            adapterID="debugpy",
            linesStartAt1=True,
            columnsStartAt1=True,
            pathFormat="path",
            supportsRunInTerminalRequest=True,
        )
        launched = self.send("launch", **configuration)
        self.event("initialized")
        for path, lines in breakpoints.items():
            self.ask(
                "setBreakpoints",
                source={"path": str(path)},
                breakpoints=[{"line": line} for line in lines],
            )
        self.ask("configurationDone")
        self.answer(launched)

    def evaluate(self, expression: str, thread: int) -> str:
        frame = self.ask("stackTrace", threadId=thread)["stackFrames"][0]["id"]
        return str(self.ask("evaluate", expression=expression, frameId=frame)["result"])

    def close(self) -> None:
        for process in [*self.terminals, self.adapter]:
            process.kill()
            process.wait()

    def _wait(self, wanted: Any, what: str) -> Json:
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
            if message["type"] == "request":
                self._serve(message)
            elif wanted(message):
                return message
            else:
                self.put_aside.append(message)

    def _serve(self, request: Json) -> None:
        """runInTerminal: the editor starts the program, as its integrated terminal would."""
        assert request["command"] == "runInTerminal", request
        given = request["arguments"]
        env = {**os.environ, **{k: v for k, v in (given.get("env") or {}).items() if v is not None}}
        process = subprocess.Popen(given["args"], cwd=given["cwd"], env=env)
        self.terminals.append(process)
        self._write(
            {
                "type": "response",
                "request_seq": request["seq"],
                "command": "runInTerminal",
                "success": True,
                "body": {"processId": process.pid},
            }
        )

    def _write(self, message: Json) -> None:
        self.sequence += 1
        data = json.dumps({"seq": self.sequence, **message}).encode()
        assert self.adapter.stdin is not None
        self.adapter.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
        self.adapter.stdin.flush()

    def _read(self) -> None:
        stream = self.adapter.stdout
        assert stream is not None
        while header := stream.readline():
            length = int(header.split(b":")[1])
            while stream.readline().strip():
                pass
            self.messages.put(json.loads(stream.read(length)))
