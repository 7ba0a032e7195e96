"""`.vscode/mcp.json`: the tool's MCP server for the agents in VS Code.

It has no entry per system, so on Windows a person writes `loop.cmd`; such an edit stays.

Source: VS Code's MCP configuration reference (servers: type, command, args).
"""

from __future__ import annotations

from .generated_files import Json, Specification
from .tasks_json import LOOP

PATH = ".vscode/mcp.json"


def render(specification: Specification) -> Json:
    return {"servers": {"innerloop": {"type": "stdio", "command": LOOP, "args": ["mcp"]}}}
