"""Speaks the Model Context Protocol on stdin and stdout, in the environment of locks/mcp.txt.

Each call of a tool runs the tool's own command line. A call that the client cancels, and the end of
the client, end that command with all that it has started.

Source: https://modelcontextprotocol.io/specification (tools, cancellation, stdio); the `mcp` package.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from ... import __version__
from ...util import process
from ...util.errors import UserError
from .. import tool_table
from ..tool_table import RUN, Tool, ToolAnswer

INSTRUCTIONS = (
    "A workspace of machine-learning experiments; AGENTS.md at its root explains it. Start with "
    "`list`, and look at `check` after each change of a job file. `run` previews a run."
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """`program` is the argv that `loop` is started with; `allowed` is what goes beyond reading."""

    root: Path
    program: tuple[str, ...]
    allowed: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> ServerSettings:
        value = json.loads(text)
        return cls(Path(value["root"]), tuple(value["program"]), frozenset(value["allowed"]))


class Commands:
    """Runs command lines of the tool, and ends those that nobody waits for any more."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._running: set[process.CollectedProgram] = set()

    async def run(self, words: Sequence[str]) -> process.CompletedCommand:
        env = {**os.environ, "NO_COLOR": "1"}
        program = process.CollectedProgram(
            [*self._settings.program, *words], cwd=self._settings.root, env=env
        )
        self._running.add(program)
        try:
            done: process.CompletedCommand = await anyio.to_thread.run_sync(
                program.result, abandon_on_cancel=True
            )
            return done
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(program.end)
            self._running.discard(program)

    def ask_to_end(self) -> None:
        """Ask all of them to end, without waiting."""
        for program in [*self._running]:
            program.ask_to_end()


def build(settings: ServerSettings, commands: Commands) -> Server[object]:
    server: Server[object] = Server("innerloop", version=__version__, instructions=INSTRUCTIONS)

    @server.list_tools()  # type: ignore[untyped-decorator]
    async def list_tools() -> list[types.Tool]:
        return [described(tool, settings.allowed) for tool in tool_table.TOOLS]

    @server.call_tool()  # type: ignore[untyped-decorator]
    async def call_tool(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        try:
            answer = await _answer(name, arguments, settings, commands)
        except UserError as error:
            answer = ToolAnswer(error.report(), is_error=True)
        content = types.TextContent(type="text", text=answer.text)
        return types.CallToolResult(content=[content], isError=answer.is_error)

    return server


def described(tool: Tool, allowed: frozenset[str]) -> types.Tool:
    """The tool with its hints: all of them only read, but for `run` where the person allows it."""
    reads = tool.name != RUN or RUN not in allowed
    hints = types.ToolAnnotations(
        title=tool.title,
        readOnlyHint=reads,
        destructiveHint=False,
        idempotentHint=reads,
        openWorldHint=not reads or tool.name == "logs",
    )
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        inputSchema=tool.schema,
        annotations=hints,
    )


async def _answer(
    name: str, arguments: dict[str, Any], settings: ServerSettings, commands: Commands
) -> ToolAnswer:
    tool = tool_table.BY_NAME.get(name)
    if tool is None:
        raise UserError(f"there is no tool `{name}`", code="mcp-argument-invalid")
    if name == RUN:
        tool_table.require_allowed(arguments, settings.allowed)
    done = await commands.run(tool.words(arguments))
    answer = tool_table.answer(tool, arguments, done.code, done.out, done.err)
    if name != RUN or not tool_table.is_real(arguments) or answer.is_error:
        return answer
    done = await commands.run(tool_table.real_words(arguments))
    return tool_table.answer_of_run(done.code, done.out, done.err)


async def _end_at_signal(commands: Commands) -> None:
    """A client that does not get an answer in time ends the server by a signal."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            commands.ask_to_end()
            os._exit(128 + number)  # stdin is being read, which nothing can interrupt


async def serve(settings: ServerSettings) -> None:
    commands = Commands(settings)
    server = build(settings, commands)
    async with anyio.create_task_group() as group:
        if os.name != "nt":
            group.start_soon(_end_at_signal, commands)
        async with stdio_server() as (reads, writes):
            await server.run(reads, writes, server.create_initialization_options())
        group.cancel_scope.cancel()


def main() -> None:
    anyio.run(serve, ServerSettings.parse(sys.argv[2]))
