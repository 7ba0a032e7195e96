"""Start the real MLflow over the outputs of runs, on 127.0.0.1."""

from __future__ import annotations

import argparse

from ..runner.interactive import jupyter, viewers
from ..util import argtypes, console
from ..workspace import loader

EXAMPLES = """MLflow is in an environment of its own, made when it is first needed. It shows every run, whatever
wrote its metrics: inputs are parameters, and the artifacts are the run's folder. What you change on
its pages is in a copy, .innerloop/mlflow/, and goes with the next change of the run. It answers at
an address that nobody can guess.

examples:
  loop mlflow                      the runs of all experiments
  loop mlflow digit_recognition    those of one
  loop mlflow --open               in your browser, when it is ready
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="default: all of them")
    parser.add_argument("--port", type=argtypes.port, metavar="N", help="default: a free one")
    parser.add_argument("--open", action="store_true", help="open it in your browser")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    slug = None
    if args.experiment is not None:
        slug = loader.choose_experiment(workspace, args.experiment, args.cwd).slug
    title = args.experiment or args.root.name

    def ready(address: str) -> None:
        print(f"MLflow of {title} is ready: {address} (Ctrl-C ends it)", flush=True)
        if args.open and not jupyter.open_in_browser(address):
            console.say("no browser can be started: open the address yourself")

    return viewers.mlflow(args.root, slug, title, args.port, ready)
