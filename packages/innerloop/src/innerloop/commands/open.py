"""Open VS Code in the experiment's dev container."""

from __future__ import annotations

import argparse
import os
from urllib.parse import quote

from ..devcontainers import cli_argv, editor_extension, up
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..remote import base
from ..sync.render.devcontainer_json import path_of
from ..util import console, process
from ..util.errors import UserError
from ..workspace import loader

EXAMPLES = """examples:
  loop open digit_recognition
  loop open digit_recognition --print      only the link, for another editor or machine
  loop open digit_recognition --backend ssh:gpubox    a copy of the code on that machine (Remote-SSH)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    base.add_backend_argument(parser, "open a copy of the code on this machine (ssh:NAME)")
    parser.add_argument("--print", action="store_true", help="print the link and open nothing")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    if args.backend:
        return _elsewhere(args, workspace, experiment)
    container = up.up(workspace, experiment, say=console.say, ask=console.ask)
    editor_extension.offer(container, args.root)
    config = os.path.join(workspace.identity, *path_of(experiment).split("/"))
    uri = cli_argv.folder_uri(workspace.identity, config, container.folder)
    by_hand = (
        "In VS Code, open this folder, then Dev Containers: Reopen in Container, and choose "
        f"{experiment.name}"
    )
    place = f"in the dev container of {experiment.name}"
    return _opened(args, uri, place, by_hand)


def _elsewhere(args: argparse.Namespace, workspace: Workspace, experiment: Experiment) -> int:
    """A copy of the code on a machine elsewhere, by VS Code's Remote-SSH."""
    with base.machine(args.backend, args.root) as machine:
        host, folder = machine.run.checkout(workspace, experiment)
    uri = f"vscode-remote://ssh-remote+{quote(host, safe='')}{quote(folder)}"
    by_hand = (
        f"In VS Code, Remote-SSH: Connect to Host, choose {host}, then File: Open Folder, {folder}"
    )
    console.say(f"what you edit there stays there: {host}:{folder}")
    return _opened(args, uri, f"on {host}", by_hand)


def _opened(args: argparse.Namespace, uri: str, place: str, by_hand: str) -> int:
    code = process.which("code") or process.which("code-insiders")
    if args.print or code is None:
        print(uri)
        if not args.print:
            console.say(f"VS Code's command `code` is not on PATH. {by_hand}")
        return 0
    started = process.run(cli_argv.open_editor(code, uri), timeout=60)
    if not started.ok:
        raise UserError(
            f"VS Code cannot be started: {(started.err or started.out).strip()}",
            code="editor-failed",
            hint=by_hand,
        )
    console.say(f"VS Code opens {place}")
    return 0
