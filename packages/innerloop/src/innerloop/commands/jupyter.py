"""JupyterLab in the experiment's environment, at an address of this machine alone."""

from __future__ import annotations

import argparse
import sys

from .. import files, loading, process
from ..errors import WrongUse
from ..places import PLACES
from ..runs import showing
from ..working import jupyter

SUMMARY = "Starts JupyterLab in the experiment's environment, with notebooks/ open."
EXAMPLES = """Nothing is installed: JupyterLab is in the experiment's requirements-dev.txt. It answers on
127.0.0.1 alone; its token is the workspace's own and stays the same. Ctrl-C ends it.

examples:
  loop jupyter digit_recognition
  loop jupyter digit_recognition --open          in your browser, once it answers
  loop jupyter digit_recognition --port 8899     the next free one where this is taken
  loop jupyter digit_recognition --place venv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument(
        "--port", type=int, default=jupyter.PORT, metavar="N", help="default: %(default)s"
    )
    parser.add_argument("--place", choices=PLACES, default="auto", help="where (default: auto)")
    showing.add_arguments(parser)
    parser.add_argument("--open", action="store_true", help="opens it in your browser")


def run(args: argparse.Namespace) -> int:
    showing.require_dry(args)
    if not 0 < args.port < 65536:
        raise WrongUse(f"{args.port} is no port", mend="Name one from 1 to 65535")
    workspace = loading.open_workspace(args.root)
    experiment = loading.choose_experiment(workspace, args.experiment, args.cwd)
    port = jupyter.free_port(args.port)
    secret = "" if args.dry_run else jupyter.token(args.root)
    started = jupyter.start(workspace, experiment, args.place, port, secret, dry=args.dry_run)
    wanted = started.request
    if args.dry_run:
        showing.show(wanted, {"port": port}, as_json=args.json)
        return 0
    files.make_folder(args.root / "notebooks")
    _say(f"JupyterLab of {experiment.name} starts in place {wanted.place} ({wanted.why})")
    for note in wanted.notes:
        _say(note)
    if port != args.port:
        _say(f"port {args.port} is taken, so it gets {port}")

    def ready() -> None:
        address = jupyter.url(port, secret)
        # One line, for a person and for a task's matcher.
        print(f"JupyterLab of {experiment.name} is ready: {address}", flush=True)
        if args.open and not process.browse(address):
            _say("no browser could be opened: open the address yourself")

    return jupyter.serve(started, port, secret, ready)


def _say(text: str) -> None:
    print(f"innerloop: {text}", file=sys.stderr, flush=True)
