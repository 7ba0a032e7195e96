"""`.vscode/mcp.json`: the MCP server for agents in VS Code, and a person's edits of it."""

from __future__ import annotations

import json

from tests.support import Workspace


def test_mcp_json_starts_the_launcher_and_keeps_edits(workspace: Workspace) -> None:
    assert workspace.loop("sync").code == 0
    value = json.loads(workspace.read(".vscode/mcp.json"))
    command = "${workspaceFolder}/scripts/loop"
    server = {"type": "stdio", "command": command, "args": ["mcp"]}
    assert value == {"servers": {"innerloop": server}}
    server |= {"command": f"{command}.cmd", "args": ["mcp", "--allow", "run"]}
    value["servers"]["other"] = {"type": "http", "url": "http://127.0.0.1:1"}
    workspace.write(
        ".vscode/mcp.json",
        json.dumps(value | {"servers": value["servers"] | {"innerloop": server}}),
    )
    before = workspace.read(".vscode/mcp.json")
    assert workspace.loop("sync", "--check").code == 0
    assert workspace.loop("sync").code == 0 and workspace.read(".vscode/mcp.json") == before
