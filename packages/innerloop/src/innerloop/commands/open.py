"""Open VS Code in the experiment's dev container."""

from __future__ import annotations

import argparse
import os

from ..devcontainers import cli_argv, editor_extension, up
from ..sync.render.devcontainer_json import path_of
from ..util import console, process
from ..util.errors import UserError
from ..workspace import loader

EXAMPLES = """examples:
  loop open digit_recognition
  loop open digit_recognition --print      only the link, for another editor or machine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("--print", action="store_true", help="print the link and open nothing")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    container = up.up(workspace, experiment, say=console.say, ask=console.ask)
    editor_extension.offer(container, args.root)
    config = os.path.join(workspace.identity, *path_of(experiment).split("/"))
    uri = cli_argv.folder_uri(workspace.identity, config, container.folder)
    code = process.which("code") or process.which("code-insiders")
    if args.print or code is None:
        print(uri)
        if not args.print:
            console.say(
                "VS Code's command `code` is not on PATH. In VS Code, open this folder, then "
                f"Dev Containers: Reopen in Container, and choose {experiment.name}"
            )
        return 0
    started = process.run(cli_argv.open_editor(code, uri), timeout=60)
    if not started.ok:
        raise UserError(
            f"VS Code cannot be started: {(started.err or started.out).strip()}",
            code="editor-failed",
            hint=f"Open this folder in it, then Reopen in Container, and choose {experiment.name}",
        )
    console.say(f"VS Code opens in the dev container of {experiment.name}")
    return 0
