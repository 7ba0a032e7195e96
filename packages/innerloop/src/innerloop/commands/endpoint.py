"""Show, change or delete the Azure ML online endpoint of an experiment."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from ..model.deployment import Endpoint
from ..remote.azureml import workspace_ref
from ..remote.azureml.connection import AzureConnection
from ..remote.azureml.deploy import blue_green, endpoint_settings, endpoints, steps, store
from ..remote.azureml.deploy.blue_green import DeploymentState, EndpointState
from ..remote.azureml.deploy.plan import open_endpoint
from ..remote.azureml.session import AzureSession, poll_interval
from ..remote.azureml.worker.azure_errors import scrub
from ..util import console
from ..util.console import ask
from ..util.errors import UsageError, UserError
from ..util.printable import raw
from ..workspace import loader

EXAMPLES = """examples:
  loop endpoint status digit_recognition           deployments, traffic, model, state
  loop endpoint logs digit_recognition --follow    logs of the newest deployment
  loop endpoint logs digit_recognition --deployment green --lines 500
  loop endpoint url digit_recognition              the address alone
  loop endpoint keys digit_recognition             the keys, which no other command prints
  loop endpoint update digit_recognition           apply endpoint.yaml: auth_mode etc. (asks)
  loop endpoint delete digit_recognition --deployment green
  loop endpoint delete digit_recognition           the endpoint with its deployments (asks)
"""
VERBS = ("status", "logs", "url", "keys", "update", "delete")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("verb", choices=VERBS, metavar="|".join(VERBS))
    add("experiment", nargs="?", metavar="EXP", help="default: the folder you are in")
    add("--deployment", default="", help="logs, delete: which one (default: the newest; all)")
    add("--lines", type=_count, default=100, metavar="N", help="logs: how many (default: 100)")
    add("--follow", action="store_true", help="logs: until Ctrl-C")
    add("--model-log", action="store_true", help="logs: of the container that loads the model")
    add("--yes", action="store_true", help="update, delete: without asking")
    add("--json", action="store_true", help="one JSON object on stdout")


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is not a number of lines: use 1 or more")
    return int(word)


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    folder, name = open_endpoint(workspace, experiment)
    with AzureConnection(args.root) as connection:
        session = AzureSession(args.root, workspace_ref.find(args.root), connection)
        if args.verb == "keys":
            return _keys(args, session, name)
        answer = session.ask("endpoint_get", f"asking for {name}", name=name)
        if answer is None:
            raise UserError(
                f"there is no endpoint {name} in {session.target.workspace}",
                code="endpoint-unknown",
                hint=f"`scripts/loop deploy {experiment.name}` creates it",
            )
        now = blue_green.endpoint_state(answer, name)
        if args.verb == "update":
            assert folder.endpoint is not None
            return _update(args, session, now, folder.endpoint, experiment.name)
        verb = {"status": _status, "logs": _logs, "url": _url, "delete": _delete}[args.verb]
        return verb(args, session, now)


def _status(args: argparse.Namespace, session: AzureSession, now: EndpointState) -> int:
    if args.json:
        console.print_json(_value(now))
        return 0
    print(
        f"{now.name} in {session.target.workspace}: {now.state.lower() or 'ready'}, auth {now.auth}"
    )
    print(now.url)
    heads = ("DEPLOYMENT", "TRAFFIC", "STATE", "MODEL", "INSTANCE", "ROLE")
    rows = [heads, *(_row(now, deployment) for deployment in now.deployments)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    for row in rows if now.deployments else ():
        print(
            "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        )
    if not now.deployments:
        print("no deployments")
    return 0


def _row(now: EndpointState, deployment: DeploymentState) -> tuple[str, ...]:
    instance = f"{deployment.count} x {deployment.instance}" if deployment.instance else ""
    roles = {"old": "old, kept", "spare": "unused"}
    role = now.role(deployment)
    traffic = f"{deployment.traffic} %"
    return (
        deployment.name,
        traffic,
        deployment.state,
        deployment.model,
        instance,
        roles.get(role, role),
    )


def _value(now: EndpointState) -> dict[str, Any]:
    return {
        "endpoint": now.name,
        "state": now.state,
        "url": now.url,
        "auth": now.auth,
        "traffic": now.traffic,
        "deployments": [
            {
                "name": deployment.name,
                "traffic": deployment.traffic,
                "state": deployment.state,
                "model": deployment.model,
                "environment": deployment.environment,
                "instance_type": deployment.instance,
                "instance_count": deployment.count,
                "commit": deployment.tags.get("innerloop.commit", ""),
                "role": now.role(deployment),
            }
            for deployment in now.deployments
        ],
    }


def _logs(args: argparse.Namespace, session: AzureSession, now: EndpointState) -> int:
    name = args.deployment or _newest(args, now)
    container = "model" if args.model_log else "server"
    shown = ""
    while True:
        session.ask(
            "endpoint_logs", f"asking for the log of {name}",
            name=now.name, deployment=name, lines=args.lines, container=container,
        )  # fmt: skip
        text = added(shown, session.logs)
        shown = session.logs
        raw(sys.stdout).write(scrub(text) + ("\n" if text and not text.endswith("\n") else ""))
        sys.stdout.flush()
        if not args.follow:
            return 0
        time.sleep(poll_interval())


def added(before: str, after: str) -> str:
    """The lines of `after` that `before` does not have.

    Both are the last lines of a growing log, which is all that Azure returns; they overlap.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for length in range(min(len(old), len(new)), 0, -1):
        if old[-length:] == new[:length]:
            return "".join(new[length:])
    return after


def _newest(args: argparse.Namespace, now: EndpointState) -> str:
    """The deployment that was created last from here, else the one with the most traffic."""
    if not now.deployments:
        raise UserError(f"{now.name} has no deployments", code="deployment-unknown")
    existing = {deployment.name for deployment in now.deployments}
    for record in reversed(store.records(args.root, now.name)):
        if record.deployment in existing:
            return record.deployment
    return max(now.deployments, key=lambda deployment: deployment.traffic).name


def _url(args: argparse.Namespace, session: AzureSession, now: EndpointState) -> int:
    if args.json:
        console.print_json({"url": now.url}, indent=None)
    else:
        print(now.url)
    return 0


def _keys(args: argparse.Namespace, session: AzureSession, name: str) -> int:
    """Prints the keys. Nothing else does: here the user asked for them."""
    keys = endpoints.keys(name, session.target, session.connection)
    if args.json:
        console.print_json(keys, indent=None)
    else:
        for key, value in keys.items():
            print(f"{key:<14}{value}")
    return 0


def _update(
    args: argparse.Namespace,
    session: AzureSession,
    now: EndpointState,
    endpoint: Endpoint,
    experiment: str,
) -> int:
    """Applies every difference that Azure can change. The exit code is 1 if one remains."""
    differences = endpoint_settings.differences(endpoint, now)
    for difference in differences:
        how = f". {steps.how_to_apply(difference, experiment)}" if difference.is_fixed else ""
        print(f"{difference.where}: {difference.words}{how}", file=sys.stderr)
    free = tuple(difference for difference in differences if not difference.is_fixed)
    keys = [difference.key for difference in free]
    if free:
        what = f"{', '.join(keys)} of {now.name}"
        if not args.yes and not ask(f"Change {what}?"):
            raise UserError(
                f"nothing was changed: {what}", code="not-confirmed", hint="Answer y, or use --yes"
            )
        steps.change_endpoint(session, now.name, endpoint.text.name, free)
    if args.json:
        console.print_json({"endpoint": now.name, "changed": keys}, indent=None)
    elif not differences:
        print(f"{now.name} matches {endpoint.text.name}")
    return 1 if len(free) < len(differences) else 0


def _delete(args: argparse.Namespace, session: AzureSession, now: EndpointState) -> int:
    if args.deployment:
        return _delete_deployment(args, session, now)
    parts = [f"{deployment.name} ({deployment.traffic} %)" for deployment in now.deployments]
    what = f"the endpoint {now.name}" + (f" with {' and '.join(parts)}" if parts else "")
    _confirm(args, what)
    session.ask("endpoint_delete", f"deleting {now.name}", name=now.name)
    for deployment in now.deployments:
        store.update(args.root, now.name, deployment.name, state=store.FINISHED, traffic={})
    print(f"{now.name} is deleted; its models and environments stay registered")
    return 0


def _delete_deployment(args: argparse.Namespace, session: AzureSession, now: EndpointState) -> int:
    deployment = now.find(args.deployment)
    if deployment is None:
        names = ", ".join(deployment.name for deployment in now.deployments) or "none"
        raise UsageError(
            f'{now.name} has no deployment "{args.deployment}"',
            code="deployment-unknown",
            hint=f"It has {names}",
        )
    if deployment.traffic:
        raise UserError(
            f"{deployment.name} has {deployment.traffic} % of the traffic",
            code="deployment-has-traffic",
            hint="Move it first: `scripts/loop deploy EXP --rollback`, or `--finish`",
        )
    _confirm(args, f"the deployment {deployment.name} of {now.name}")
    steps.delete_deployment(session, now.name, deployment.name)
    store.update(args.root, now.name, deployment.name, state=store.FINISHED, traffic={})
    return 0


def _confirm(args: argparse.Namespace, what: str) -> None:
    if not args.yes and not ask(f"Delete {what}?"):
        raise UserError(
            f"nothing was deleted: {what}", code="not-confirmed", hint="Answer y, or use --yes"
        )
