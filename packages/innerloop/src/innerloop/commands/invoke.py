"""Send one request to a model that is served on this machine, or to the deployed one."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..serving import client, server_discovery
from ..serving.client import Address, Reply
from ..util import argtypes, console
from ..util.errors import UsageError, UserError
from ..workspace import loader
from ..workspace.deploy_folder import open_folder

EXAMPLES = """FILE is sent unchanged, with the content type of its extension; the default is the sample request of
the deploy folder. The answer goes to stdout. The exit code is 1 unless the answer is a success.

examples:
  loop invoke digit_recognition
  loop invoke digit_recognition photo-of-a-seven.jpg
  loop invoke digit_recognition --endpoint          the deployed model, with its key
  loop invoke digit_recognition --json              status, milliseconds and answer as one JSON object
"""

SECONDS = partial(argtypes.span, of="seconds", such_as=60, fits=lambda number: 0 < number <= 86400)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        nargs="?",
        metavar="EXP",
        help="whose model (default: the folder you are in)",
    )
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="the request (default: the sample request)"
    )
    parser.add_argument(
        "--port", type=argtypes.port, metavar="N", help="the server's port, if there are several"
    )
    parser.add_argument("--endpoint", action="store_true", help="send it to the deployed model")
    parser.add_argument(
        "--timeout", type=SECONDS, default=60, metavar="S", help="seconds (default: %(default)g)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    if args.endpoint and args.port:
        raise UsageError(
            "--port is for a model that is served on this machine",
            code="options-exclusive",
            hint="Omit --endpoint",
        )
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    file = _file(args, workspace, experiment)
    data = client.read(file, args.file or file.name)
    address = _address(args, workspace, experiment)
    kind = client.content_type_of(file)
    try:
        reply = client.send(address, data, kind, timeout=args.timeout)
    except TimeoutError:
        raise UserError(
            f"no answer within {args.timeout:g} s from {address.url}",
            code="server-timeout",
            hint="`scripts/loop serve` shows what the server prints; --timeout waits longer",
        ) from None
    except OSError as error:
        raise UserError(
            f"{address.url} does not answer: {error}",
            code="server-unreachable",
            hint="`scripts/loop serve` starts it",
        ) from error
    return _show(args, address, reply)


def _file(args: argparse.Namespace, workspace: Workspace, experiment: Experiment) -> Path:
    if args.file is not None:
        return Path(args.cwd, args.file)
    folder = open_folder(workspace, experiment)
    if folder.sample is None:
        raise UserError(
            "there is no sample request",
            code="sample-request-missing",
            where=folder.folder,
            hint="Name a file to send",
        )
    return Path(workspace.root, folder.sample)


def _address(args: argparse.Namespace, workspace: Workspace, experiment: Experiment) -> Address:
    if not args.endpoint:
        if args.port is None:
            return Address(server_discovery.newest(workspace, experiment).url)
        scoring = open_folder(workspace, experiment).deployment.scoring
        return Address(f"http://127.0.0.1:{args.port}{scoring.path if scoring else '/'}")
    from ..remote.azureml.deploy import endpoints
    from ..remote.azureml.deploy.plan import open_endpoint

    endpoint = endpoints.address_of(workspace, open_endpoint(workspace, experiment)[1])
    return Address(endpoint.url, endpoint.headers)


def _show(args: argparse.Namespace, address: Address, reply: Reply) -> int:
    milliseconds = round(reply.seconds * 1000, 1)
    if args.json:
        value = {
            "url": address.url,
            "status": reply.status,
            "milliseconds": milliseconds,
            "answer": reply.value,
        }
        console.print_json(value)
        return 0 if reply.ok else 1
    body = reply.value
    print(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False), flush=True)
    note = f"innerloop: {reply.status} from {address.url} after {milliseconds:g} ms"
    print(note, file=sys.stderr, flush=True)
    return 0 if reply.ok else 1
