"""Start the real TensorBoard over the outputs of runs, on 127.0.0.1."""

from __future__ import annotations

import argparse

from ..runner.interactive import jupyter, viewers
from ..util import argtypes, console
from ..workspace import loader

EXAMPLES = """TensorBoard is in an environment of its own, made when it is first needed. It reads event files
below outputs/, also those that runs go on to write. It answers at an address that nobody can guess.

examples:
  loop tensorboard                      the runs of all experiments
  loop tensorboard digit_recognition    those of one
  loop tensorboard --open               in your browser, when it is ready
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
        print(f"TensorBoard of {title} is ready: {address} (Ctrl-C ends it)", flush=True)
        if args.open and not jupyter.open_in_browser(address):
            console.say("no browser can be started: open the address yourself")

    folder = args.root / "outputs" / slug if slug else args.root / "outputs"
    return viewers.tensorboard(folder, title, args.port, ready)
