"""A client of `loop mcp` by the official SDK: python client.py LAUNCHER PLAN [ARGS...].

PLAN is a JSON array: {"call": TOOL, "arguments": {...}}, or the same with "until": a file whose
appearance lets the client cancel the call. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import McpError


async def main(launcher: str, plan: list[dict[str, Any]], words: list[str]) -> dict[str, Any]:
    parameters = StdioServerParameters(command=launcher, args=["mcp", *words], env=dict(os.environ))
    async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
        hello = await session.initialize()
        tools = (await session.list_tools()).tools
        answers = [await answer(session, number, step) for number, step in enumerate(plan)]
    hints = {tool.name: tool.annotations.model_dump() for tool in tools if tool.annotations}
    return {"server": hello.serverInfo.name, "hints": hints, "answers": answers}


async def answer(session: ClientSession, number: int, step: dict[str, Any]) -> dict[str, Any]:
    if "until" not in step:
        done = await session.call_tool(step["call"], step["arguments"])
        return {"error": bool(done.isError), "text": done.content[0].text}
    answers: list[dict[str, Any]] = []

    async def call() -> None:
        try:
            await session.call_tool(step["call"], step["arguments"])
        except McpError as error:
            answers.append({"error": True, "text": str(error)})

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        while not Path(step["until"]).exists():
            await anyio.sleep(0.05)
        # The number of the request: those of the SDK's client count from 0.
        identity = session._request_id - 1
        note = types.CancelledNotification(
            method="notifications/cancelled",
            params=types.CancelledNotificationParams(requestId=identity),
        )
        await session.send_notification(types.ClientNotification(note))
    return answers[0]


if __name__ == "__main__":
    print(json.dumps(anyio.run(main, sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:])))
