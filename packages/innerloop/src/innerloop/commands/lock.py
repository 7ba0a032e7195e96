"""Compiles the locks of an experiment's environment."""

from __future__ import annotations

import argparse

from ..scaffold import packages
from ..util import console
from ..util.console import say
from ..util.user_shell import localized
from ..workspace import loader
from . import add

EXAMPLES = """Compiles src/EXP/environment/requirements.txt, which pins every package with hashes, and the locks that
build on it. The packages come from requirements.in; where there is none, from uv.lock or pyproject.toml
in the same folder or beside the code. What a lock pins stays if it still fits.

--torch cpu also writes requirements.cpu.txt: the same versions with PyTorch's builds for the CPU, without
CUDA's libraries, which are gigabytes. Machines without a GPU install it, for `venv`, in images and in
dev containers. Azure ML and clusters always get requirements.txt. From then on `lock` and `add` compile both.

examples:
  loop lock churn                  after an edit of requirements.in
  loop lock churn --torch cpu      a second lock, for machines without a GPU
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument(
        "--torch", choices=("cpu",), help="write a lock for machines without a GPU as well"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    outcome = packages.lock(workspace, experiment, cpu=args.torch == "cpu")
    if args.json:
        console.print_json(add.as_json(experiment, outcome))
    else:
        for line in add.report(outcome):
            print(localized(line))
    if note := packages.lock_note(workspace, experiment, outcome):
        say(localized(note))
    if outcome.written:
        say(localized(add.next_step(experiment)))
    return 0
