"""Opens VS Code in an experiment's dev container."""

from __future__ import annotations

import argparse
import os

from .. import console, loading, process
from ..containers import developing
from ..errors import Mistake
from ..render.devcontainer import path_of
from ..tools import devcontainer

SUMMARY = "Opens VS Code in the experiment's dev container, or says what to click."
EXAMPLES = """examples:
  loop open digit_recognition
  loop open digit_recognition --print      only the link, for another editor or machine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("--print", action="store_true", help="prints the link and starts nothing")


def run(args: argparse.Namespace) -> int:
    workspace = loading.open_workspace(args.root)
    experiment = loading.choose_experiment(workspace, args.experiment, args.cwd)
    done = developing.up(workspace, experiment, say=console.say, ask=console.ask)
    config = os.path.join(workspace.identity, *path_of(experiment).split("/"))
    uri = devcontainer.folder_uri(workspace.identity, config, done.folder)
    code = process.found("code") or process.found("code-insiders")
    if args.print or code is None:
        print(uri)
        if not args.print:
            console.say(
                "VS Code's command `code` is not on PATH. In VS Code, open this folder, then "
                f"Dev Containers: Reopen in Container, and choose {experiment.name}"
            )
        return 0
    started = process.run(devcontainer.open_editor(code, uri), timeout=60)
    if not started.ok:
        raise Mistake(
            f"VS Code did not start: {(started.err or started.out).strip()}",
            mend=f"Open this folder in it, then Reopen in Container, and choose {experiment.name}",
        )
    console.say(f"VS Code opens in the dev container of {experiment.name}")
    return 0
