"""Serve the tool's commands to a coding agent, by the Model Context Protocol on stdin and stdout."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ..util import locked_environments, process
from ..util.errors import UsageError

EXAMPLES = """An agent starts it: VS Code by .vscode/mcp.json, others by a configuration like

  {"mcpServers": {"innerloop": {"command": "/path/to/workspace/scripts/loop", "args": ["mcp"]}}}

(On Windows: scripts\\\\loop.cmd.) Its tools only read: list, check, run (a preview), runs, logs, diff,
parity. With --allow run, the agent may also run experiments on this machine. It never submits,
deploys, removes, or lets a job have more than you have granted.

examples:
  loop mcp
  loop mcp --allow run
"""
ALLOWED = ("run",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        choices=ALLOWED,
        help="what the agent may do beyond reading: run, real runs of experiments",
    )


def run(args: argparse.Namespace) -> int:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "an agent starts this command and speaks to it on stdin, which is a terminal here",
            code="mcp-terminal",
            hint="`loop help mcp` shows how an agent is configured",
        )
    root = Path(args.root).absolute()
    settings = {
        "root": str(root),
        "program": [sys.executable, "-I", str(root / "scripts" / "loop")],
        "allowed": args.allow,
    }
    module = "innerloop.mcp_server.worker.main"
    return process.exec_replace(
        locked_environments.worker_argv("mcp", module, json.dumps(settings))
    )
