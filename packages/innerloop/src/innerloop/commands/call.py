"""One request to a served model: the one that is served here, or the deployed one."""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from .. import amounts, loading
from ..errors import Mistake, WrongUse
from ..serving import calling, finding
from ..serving.calling import Address, Reply
from ..serving.folder import open_folder
from ..spec.experiment import Experiment
from ..spec.workspace import Workspace

SUMMARY = (
    "Sends a request to the model that is served here, or with --endpoint to the deployed one."
)
EXAMPLES = """FILE is sent as it is, with the content type of its ending; without one, the sample request of the
deploy folder. The answer is on stdout. An answer that is no success has exit code 1.

examples:
  loop call digit_recognition
  loop call digit_recognition photo-of-a-seven.jpg
  loop call digit_recognition --endpoint          the deployed model, with its key
  loop call digit_recognition --json              status, milliseconds and answer as one JSON object
"""

SECONDS = partial(amounts.span, of="seconds", such_as=60, fits=lambda number: 0 < number <= 86400)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        nargs="?",
        metavar="EXP",
        help="whose model is asked (default: the folder you are in)",
    )
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help="what is sent (default: the sample request)"
    )
    parser.add_argument(
        "--port", type=amounts.port, metavar="N", help="of this machine, for several servers"
    )
    parser.add_argument("--endpoint", action="store_true", help="asks the deployed model")
    parser.add_argument(
        "--timeout", type=SECONDS, default=60, metavar="S", help="seconds (default: %(default)g)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    if args.endpoint and args.port:
        raise WrongUse("--port is for a model that is served here", mend="Leave --endpoint away")
    workspace = loading.open_workspace(args.root)
    experiment = loading.choose_experiment(workspace, args.experiment, args.cwd)
    file = _file(args, workspace, experiment)
    data = calling.read(file, args.file or file.name)
    address = _address(args, workspace, experiment)
    kind = calling.content_type_of(file)
    try:
        reply = calling.send(address, data, kind, timeout=args.timeout)
    except TimeoutError:
        raise Mistake(
            f"no answer within {args.timeout:g} s from {address.url}",
            mend="`scripts/loop serve` shows what the server prints; --timeout waits longer",
        ) from None
    except OSError as error:
        raise Mistake(f"{address.url} does not answer: {error}", mend="Is it up?") from error
    return _show(args, address, reply)


def _file(args: argparse.Namespace, workspace: Workspace, experiment: Experiment) -> Path:
    if args.file is not None:
        return Path(args.cwd, args.file)
    folder = open_folder(workspace, experiment)
    if folder.sample is None:
        raise Mistake("there is no sample request", where=folder.folder, mend="Name a file to send")
    return Path(workspace.root, folder.sample)


def _address(args: argparse.Namespace, workspace: Workspace, experiment: Experiment) -> Address:
    if not args.endpoint:
        if args.port is None:
            return Address(finding.newest(workspace, experiment).url)
        scoring = open_folder(workspace, experiment).deployment.scoring
        return Address(f"http://127.0.0.1:{args.port}{scoring.path if scoring else '/'}")
    from ..cloud import endpoints  # Azure's client is not for those who ask a server of their own
    from ..cloud.deployment import open_endpoint

    told = endpoints.address_of(workspace, open_endpoint(workspace, experiment)[1])
    return Address(told.url, told.headers)


def _show(args: argparse.Namespace, address: Address, reply: Reply) -> int:
    milliseconds = round(reply.seconds * 1000, 1)
    if args.json:
        told = {
            "url": address.url,
            "status": reply.status,
            "milliseconds": milliseconds,
            "answer": reply.value,
        }
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return 0 if reply.ok else 1
    value = reply.value
    print(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), flush=True)
    said = f"innerloop: {reply.status} from {address.url} after {milliseconds:g} ms"
    print(said, file=sys.stderr, flush=True)
    return 0 if reply.ok else 1
