"""Start the experiment's dev container, or keep the running one if it is current."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ..devcontainers import up
from ..runner import gpu_option
from ..util import console
from ..util.errors import UserError
from ..workspace import loader

EXAMPLES = """examples:
  loop up digit_recognition
  loop up digit_recognition --rebuild      a new image and a new container
  loop up digit_recognition --log          the whole output
  loop up digit_recognition --json         one JSON object on stdout

Then: loop exec digit_recognition -- python train.py, or loop open digit_recognition.
VS Code's Reopen in Container uses the same container. Caches (pip, torch, huggingface) are in a
volume and survive a new container. Files made in the container belong to you.

gpu = "auto" checks for a GPU and for an engine that can use it; --gpus all, none, 2 or 0,2 overrides
devcontainer.json. VS Code by itself checks the engine alone; if it is wrong, set
dev.containers.gpuAvailability ("all" or "none") in VS Code.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument(
        "--rebuild", action="store_true", help="recreate the container, with a new image if needed"
    )
    parser.add_argument(
        "--no-cache", action="store_true", help="the same, and rebuild every layer of the image"
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="let the container have what devcontainer.json asks for, and remember it",
    )
    gpu_option.add_argument(parser)
    parser.add_argument("--log", action="store_true", help="show the whole output")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    try:
        workspace = loader.open_workspace(args.root)
        experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
        container = up.up(
            workspace,
            experiment,
            say=console.say,
            ask=console.ask,
            rebuild=args.rebuild or args.no_cache,
            no_cache=args.no_cache,
            log=args.log,
            trusted=args.trust,
            gpus=args.gpus,
        )
    except UserError as error:
        if args.json:
            value = {"outcome": "error", "message": error.message(), "code": error.code}
            console.print_json(value)
        raise
    if args.json:
        console.print_json({"outcome": "success", **asdict(container)})
    else:
        how = {"running": "is already running", "started": "runs again", "created": "runs"}
        console.say(
            f"the dev container of {container.experiment} {how[container.how]}, as {container.user}"
        )
    return 0
