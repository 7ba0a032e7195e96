"""JupyterLab in the experiment's environment, at an address of this machine alone."""

from __future__ import annotations

import argparse
import sys

from ..remote import base
from ..runner import dry_run
from ..runner.interactive import jupyter
from ..util import files, process
from ..util.errors import UsageError
from ..workspace import loader

EXAMPLES = """Nothing is installed: JupyterLab is in the experiment's requirements-dev.txt. It answers on
127.0.0.1 alone; its token is the workspace's own and stays the same. Ctrl-C ends it.

examples:
  loop jupyter digit_recognition
  loop jupyter digit_recognition --open          in your browser, once it answers
  loop jupyter digit_recognition --port 8899     the next free one where this is taken
  loop jupyter digit_recognition --backend venv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument(
        "--port", type=int, default=jupyter.PORT, metavar="N", help="default: %(default)s"
    )
    base.add_run_argument(parser)
    dry_run.add_arguments(parser)
    parser.add_argument("--open", action="store_true", help="opens it in your browser")


def run(args: argparse.Namespace) -> int:
    dry_run.require_dry(args)
    if not 0 < args.port < 65536:
        raise UsageError(f"{args.port} is no port", hint="Name one from 1 to 65535")
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    port = jupyter.free_port(args.port)
    secret = "" if args.dry_run else jupyter.token(args.root)
    started = jupyter.start(workspace, experiment, args.backend, port, secret, dry=args.dry_run)
    wanted = started.request
    if args.dry_run:
        dry_run.show(wanted, {"port": port}, as_json=args.json)
        return 0
    files.make_folder(args.root / "notebooks")
    _say(f"JupyterLab of {experiment.name} starts with backend {wanted.backend} ({wanted.why})")
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
