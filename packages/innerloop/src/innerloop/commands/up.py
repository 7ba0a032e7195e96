"""Opens an experiment's dev container from a terminal, as VS Code would."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from ..devcontainers import up
from ..util import console
from ..util.errors import UserError
from ..workspace import loader

EXAMPLES = """examples:
  loop up digit_recognition
  loop up digit_recognition --rebuild      a new image and a new container
  loop up digit_recognition --log          everything that is done, as it is done
  loop up digit_recognition --json         one JSON object on stdout

Then: loop exec digit_recognition -- python train.py, or loop open digit_recognition.
VS Code's Reopen in Container takes the same container. Caches (pip, torch, huggingface) are kept
in a volume when it is made anew. Files made in it are yours, whatever your user's number is.

gpu = "auto" looks for a GPU and for an engine that can hand it over. VS Code by itself looks at the
engine alone; where that is wrong, its setting dev.containers.gpuAvailability ("all", "none") helps.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument(
        "--rebuild", action="store_true", help="make image and container anew where they are old"
    )
    parser.add_argument("--no-cache", action="store_true", help="with every layer of the image")
    parser.add_argument("--log", action="store_true", help="show everything that is done")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    try:
        workspace = loader.open_workspace(args.root)
        experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
        done = up.up(
            workspace,
            experiment,
            say=console.say,
            ask=console.ask,
            rebuild=args.rebuild or args.no_cache,
            no_cache=args.no_cache,
            log=args.log,
        )
    except UserError as mistake:
        if args.json:
            print(json.dumps({"outcome": "error", "message": mistake.message()}, indent=2))
        raise
    if args.json:
        print(json.dumps({"outcome": "success", **asdict(done)}, indent=2, ensure_ascii=False))
    else:
        how = {"running": "is open already", "started": "is open again", "created": "is open"}
        console.say(f"the dev container of {done.experiment} {how[done.how]}, as {done.user}")
    return 0
