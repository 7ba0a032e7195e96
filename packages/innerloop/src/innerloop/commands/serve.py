"""Serve a run's model over HTTP on this machine: the deploy folder's image, with the model mounted."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..history import in_flight
from ..runner import dry_run, gpu_option
from ..serving import server_plan, server_run
from ..serving.client import Reply
from ..serving.server_plan import Server
from ..util import argtypes, console
from ..util.errors import UsageError
from ..workspace import loader
from ..workspace.deploy_folder import open_folder

if TYPE_CHECKING:
    from ..runner.debug_session import DebugSession

EXAMPLES = """Serves the model of the last successful run (./outputs/model of its program) with the image of
EXP/deploy, on 127.0.0.1 only. It is ready when the sample request has been answered. Requests are
shown as they come; Ctrl-C ends it.

a deploy folder, EXP/deploy/:
  *deployment.yaml    an Azure ML deployment: environment, routes, ports, the model's mount path
  endpoint.yaml       its endpoint (for `loop deploy`)
  Dockerfile          any server; the files that it copies are next to it
  sample-request.*    a request as a client sends it: .json, .png, ...

examples:
  loop serve digit_recognition
  loop serve digit_recognition --model 20260314-101530-1a2b      that run's model
  loop serve digit_recognition --model ../elsewhere/model        a folder, or a file
  loop serve digit_recognition --port 9000
  loop serve digit_recognition --detach                          in the background; `--stop` ends it
  loop serve digit_recognition --debug                           waits for a debugger (F5 does it)
  loop serve digit_recognition --dry-run --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument(
        "--model", metavar="PATH|RUN", help="default: the last successful run with a model"
    )
    parser.add_argument(
        "--port",
        type=argtypes.port,
        metavar="N",
        help="port of this machine (default: the server's own)",
    )
    parser.add_argument("--detach", action="store_true", help="run in the background")
    parser.add_argument(
        "--stop", action="store_true", help="stop the experiment's servers on this machine"
    )
    parser.add_argument(
        "--debug", action="store_true", help="wait for the editor, debug every Python process"
    )
    parser.add_argument(
        "--debug-port",
        type=argtypes.port,
        metavar="N",
        help="with --debug: the debugger's port",
    )
    gpu_option.add_argument(parser)
    dry_run.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    dry_run.require_dry(args)
    _check_options(args)
    if not args.debug:
        return _run(args)
    from ..runner import debug

    return debug.in_session(partial(_run, args), args.root, args.experiment)


def _run(args: argparse.Namespace, session: DebugSession | None = None) -> int:
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    experiment = gpu_option.applied(experiment, args.gpus)
    if args.stop:
        from ..serving import server_discovery

        return server_discovery.stop_all(workspace, experiment)
    folder = open_folder(workspace, experiment)
    if not args.dry_run:
        from ..serving import server_discovery

        server_discovery.take_over(workspace, experiment)
    server = server_plan.plan(
        workspace,
        experiment,
        folder,
        model=args.model,
        port=args.port,
        cwd=args.cwd,
        dry=args.dry_run,
        detach=args.detach,
    )
    if not args.dry_run:
        server.sample  # noqa: B018 - its errors come before minutes of building
        server = server_plan.build(server)
    if session is not None:
        from ..serving import server_debug

        server = server_debug.debugged(server, args.debug_port, session, dry=args.dry_run)
    if args.dry_run:
        more = {"model": server.model.path, "port": server.port, "url": server.url}
        dry_run.show(server.request, more, as_json=args.json)
        return 0
    with in_flight.marked(args.root, server.id, "server", experiment):
        return _serve(args, server, session)


def _serve(args: argparse.Namespace, server: Server, session: DebugSession | None) -> int:
    console.say(f"serving {server.model.origin} in {server.image.name} ({server.request.why})")
    for note in server.request.notes:
        console.say(note)
    if session is not None:
        from ..serving import server_debug

        with server_debug.answering(server, session):
            return server_run.serve(server, patience=None, on_ready=_ready(server))
    patience = server_run.patience_of(server.deployment)
    if not args.detach:
        return server_run.serve(server, patience=patience, on_ready=_ready(server))
    outcome = server_run.detach(server, patience=patience)
    assert outcome.reply is not None
    _ready(server)(outcome.reply, outcome.reply.seconds)
    return 0


def _ready(server: Server) -> Callable[[Reply, float], None]:
    def ready(reply: Reply, seconds: float) -> None:
        # One line: a VS Code task's problem matcher reads it.
        print(
            f"{server.experiment.name} is served at {server.url} "
            f"(after {seconds:.1f} s; {server_run.sample_name(server)} got {reply.status})",
            flush=True,
        )

    return ready


def _check_options(args: argparse.Namespace) -> None:
    if args.debug_port is not None and not args.debug:
        raise UsageError(
            "--debug-port is the debugger's port", code="option-not-applicable", hint="Add --debug"
        )
    if args.debug and args.detach:
        raise UsageError(
            "a debugged server ends with the editor's session",
            code="options-exclusive",
            hint="Omit --detach",
        )
