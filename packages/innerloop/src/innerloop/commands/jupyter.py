"""Start JupyterLab in the experiment's environment, on 127.0.0.1."""

from __future__ import annotations

import argparse

from ..remote import base
from ..runner import dry_run, gpu_option
from ..runner.interactive import jupyter
from ..util import console, files
from ..util.errors import UsageError
from ..workspace import loader

EXAMPLES = """Installs nothing: JupyterLab is in the experiment's requirements-dev.txt. It listens on 127.0.0.1
only; its token stays the same in a workspace. Ctrl-C ends it.

examples:
  loop jupyter digit_recognition
  loop jupyter digit_recognition --open          in your browser, when it is ready
  loop jupyter digit_recognition --port 8899     or the next free port
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
    gpu_option.add_argument(parser)
    dry_run.add_arguments(parser)
    parser.add_argument("--open", action="store_true", help="open it in your browser")


def run(args: argparse.Namespace) -> int:
    dry_run.require_dry(args)
    if not 0 < args.port < 65536:
        raise UsageError(
            f"{args.port} is not a port",
            code="not-a-number",
            hint="Write a number from 1 to 65535",
        )
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    experiment = gpu_option.applied(experiment, args.gpus)
    port = jupyter.free_port(args.port)
    secret = "" if args.dry_run else jupyter.token(args.root)
    started = jupyter.start(workspace, experiment, args.backend, port, secret, dry=args.dry_run)
    request = started.request
    if args.dry_run:
        dry_run.show(request, {"port": port}, as_json=args.json)
        return 0
    files.make_folder(args.root / "notebooks")
    files.make_folder(args.root / jupyter.SETTINGS)
    files.remove_links(args.root / jupyter.SETTINGS)  # JupyterLab would follow them
    console.say(f"starting JupyterLab of {experiment.name} with {request.backend} ({request.why})")
    for note in request.notes:
        console.say(note)
    if port != args.port:
        console.say(f"port {args.port} is in use; using {port}")

    def ready() -> None:
        address = jupyter.url(port, secret)
        # One line: a VS Code task's problem matcher reads it.
        print(f"JupyterLab of {experiment.name} is ready: {address}", flush=True)
        if args.open and not jupyter.open_in_browser(address):
            console.say("no browser can be started: open the address yourself")

    return jupyter.serve(started, port, secret, ready)
