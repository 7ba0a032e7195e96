"""A submitted job's outputs, beside those of local runs."""

from __future__ import annotations

import argparse
import json

from ..remote import jobs, stream_job
from ..remote.argo.cluster_ref import Cluster
from ..remote.azureml import outputs
from ..remote.azureml.connection import Line
from ..util.errors import UserError

EXAMPLES = """What the job wrote to ./outputs is in outputs/<experiment>/<job>/ then, a named output in a folder
of its name in it, and the logs in user_logs/. Of a sweep the best trial's come.

examples:
  loop download
  loop download digit_recognition-20261124-101500-1a2b --output model
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", nargs="?", metavar="JOB", help="default: the last one submitted")
    parser.add_argument("--output", default="", metavar="NAME", help="this named output alone")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    name, target, entry = jobs.choose(args.root, args.job)
    if isinstance(target, Cluster):
        raise UserError(
            f"the outputs of {name} are in the cluster: {entry.kept if entry else 'see its manifest'}",
            hint=f"`argo cp -n {target.namespace} {name} FOLDER` brings what Argo keeps, `kubectl cp` "
            "what is on a volume",
        )
    into = entry.outputs if entry else f"outputs/azureml/{name}"
    with Line(args.root) as line:
        told = outputs.download(args.root, name, into, target, line, args.output)
    stream_job.note_status(args.root, name, told)
    if args.json:
        told = {key: told[key] for key in ("status", "files", "size")}
        print(json.dumps({"job": name, "folder": into, **told}))
    elif told["files"]:
        print(f"{into}/ has the outputs of {name}: {outputs.words(told)}")
    else:
        print(f"{name} has left no outputs ({told['status']})")
    return 0
