"""Run a command in the running dev container; its exit code passes through."""

from __future__ import annotations

import argparse

from ..devcontainers import exec
from ..util.errors import UsageError
from ..workspace import loader

EXAMPLES = """examples:
  loop exec digit_recognition -- python train.py --epochs 1
  loop exec digit_recognition -- bash
  loop exec digit_recognition --user root -- apt-get install -y vim
  echo 'print(1)' | loop exec digit_recognition -- python -

It runs as the container's user, with the variables of its shell and remoteEnv, in the experiment's
folder, or in your current folder if that is below it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("--user", default="", help="another user of the container")
    parser.add_argument("--workdir", default="", metavar="DIR", help="another folder in it")


def run(args: argparse.Namespace) -> int:
    if not args.rest:
        raise UsageError(
            "no command is given",
            code="argument-missing",
            hint="Write it after --: loop exec EXP -- python train.py",
        )
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    folder = args.root / experiment.folder
    cwd = args.cwd if args.cwd.resolve().is_relative_to(folder.resolve()) else folder
    return exec.execute(
        workspace, experiment, args.rest, cwd=cwd, user=args.user, workdir=args.workdir
    )
