"""The Azure ML online endpoint of an experiment: how it stands, its logs, its address, its
settings, its end."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from ..model.deployment import Endpoint
from ..remote.azureml import workspace_ref
from ..remote.azureml.connection import Line
from ..remote.azureml.deploy import blue_green, endpoint_settings, endpoints, steps, store
from ..remote.azureml.deploy.blue_green import DeploymentState, EndpointState
from ..remote.azureml.deploy.plan import open_endpoint
from ..remote.azureml.session import Talk, pause
from ..remote.azureml.worker.azure_errors import scrub
from ..util.console import ask
from ..util.errors import UsageError, UserError
from ..workspace import loader

EXAMPLES = """examples:
  loop endpoint status digit_recognition           deployments, traffic, model, state
  loop endpoint logs digit_recognition --follow    what the newest deployment prints
  loop endpoint logs digit_recognition --deployment green --lines 500
  loop endpoint url digit_recognition              the address alone
  loop endpoint keys digit_recognition             the keys; nothing else ever prints them
  loop endpoint update digit_recognition           as endpoint.yaml has it: auth_mode and the like (asks)
  loop endpoint delete digit_recognition --deployment green
  loop endpoint delete digit_recognition           the endpoint with all of it (asks)
"""
VERBS = ("status", "logs", "url", "keys", "update", "delete")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("verb", choices=VERBS, metavar="|".join(VERBS))
    add("experiment", nargs="?", metavar="EXP", help="default: the folder you are in")
    add("--deployment", default="", help="logs, delete: which one (default: the newest; all)")
    add("--lines", type=_count, default=100, metavar="N", help="logs: how many (default: 100)")
    add("--follow", action="store_true", help="logs: goes on until Ctrl-C")
    add("--model-log", action="store_true", help="logs: of the container that brings the model")
    add("--yes", action="store_true", help="update, delete: does not ask")
    add("--json", action="store_true", help="one JSON object on stdout")


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word} is no number of lines")
    return int(word)


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    folder, name = open_endpoint(workspace, experiment)
    with Line(args.root) as line:
        talk = Talk(args.root, workspace_ref.find(args.root), line)
        if args.verb == "keys":
            return _keys(args, talk, name)
        told = talk.ask("endpoint_look", f"asking for {name}", name=name)
        if told is None:
            raise UserError(
                f"there is no endpoint {name} in {talk.target.workspace}",
                hint=f"`scripts/loop deploy {experiment.name}` makes it",
            )
        now = blue_green.now_of(told, name)
        if args.verb == "update":
            assert folder.endpoint is not None
            return _update(args, talk, now, folder.endpoint, experiment.name)
        verb = {"status": _status, "logs": _logs, "url": _url, "delete": _delete}[args.verb]
        return verb(args, talk, now)


def _status(args: argparse.Namespace, talk: Talk, now: EndpointState) -> int:
    if args.json:
        print(json.dumps(_value(now), indent=2, ensure_ascii=False))
        return 0
    print(f"{now.name} in {talk.target.workspace}: {now.state.lower() or 'there'}, auth {now.auth}")
    print(now.url)
    heads = ("DEPLOYMENT", "TRAFFIC", "STATE", "MODEL", "INSTANCE", "ROLE")
    rows = [heads, *(_row(now, one) for one in now.deployments)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    for row in rows if now.deployments else ():
        print(
            "  ".join(f"{text:<{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        )
    if not now.deployments:
        print("no deployments")
    return 0


def _row(now: EndpointState, one: DeploymentState) -> tuple[str, ...]:
    instance = f"{one.count} x {one.instance}" if one.instance else ""
    roles = {"old": "old, kept", "spare": "unused"}
    role = now.role(one)
    traffic = f"{one.traffic} %"
    return one.name, traffic, one.state, one.model, instance, roles.get(role, role)


def _value(now: EndpointState) -> dict[str, Any]:
    return {
        "endpoint": now.name,
        "state": now.state,
        "url": now.url,
        "auth": now.auth,
        "traffic": now.traffic,
        "deployments": [
            {
                "name": one.name,
                "traffic": one.traffic,
                "state": one.state,
                "model": one.model,
                "environment": one.environment,
                "instance_type": one.instance,
                "instance_count": one.count,
                "commit": one.tags.get("innerloop.commit", ""),
                "role": now.role(one),
            }
            for one in now.deployments
        ],
    }


def _logs(args: argparse.Namespace, talk: Talk, now: EndpointState) -> int:
    name = args.deployment or _newest(args, now)
    container = "model" if args.model_log else "server"
    shown = ""
    while True:
        talk.ask(
            "endpoint_logs", f"asking for the log of {name}",
            name=now.name, deployment=name, lines=args.lines, container=container,
        )  # fmt: skip
        text = added(shown, talk.logs)
        shown = talk.logs
        sys.stdout.write(scrub(text) + ("\n" if text and not text.endswith("\n") else ""))
        sys.stdout.flush()
        if not args.follow:
            return 0
        time.sleep(pause())


def added(before: str, after: str) -> str:
    """What the second of two looks at the end of a log shows that the first did not. Azure hands out
    the last lines only: the overlap is found by its lines."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for length in range(min(len(old), len(new)), 0, -1):
        if old[-length:] == new[:length]:
            return "".join(new[length:])
    return after


def _newest(args: argparse.Namespace, now: EndpointState) -> str:
    """The one that was made last from here, else that with the most traffic."""
    if not now.deployments:
        raise UserError(f"{now.name} has no deployments")
    there = {one.name for one in now.deployments}
    made = [one.deployment for one in store.entries(args.root, now.name)]
    known = [one for one in reversed(made) if one in there]
    return known[0] if known else max(now.deployments, key=lambda one: one.traffic).name


def _url(args: argparse.Namespace, talk: Talk, now: EndpointState) -> int:
    print(json.dumps({"url": now.url}) if args.json else now.url)
    return 0


def _keys(args: argparse.Namespace, talk: Talk, name: str) -> int:
    """The only place that prints them: they were asked for by name."""
    found = endpoints.keys(name, talk.target, talk.line)
    if args.json:
        print(json.dumps(found))
    else:
        for key, value in found.items():
            print(f"{key:<14}{value}")
    return 0


def _update(
    args: argparse.Namespace, talk: Talk, now: EndpointState, endpoint: Endpoint, how: str
) -> int:
    """All that can be changed of what differs; what cannot be makes the exit code 1."""
    found = endpoint_settings.differences(endpoint, now)
    for one in found:
        way = f". {steps.way_of(one, how)}" if one.is_fixed else ""
        print(f"{one.where}: {one.words}{way}", file=sys.stderr)
    free = tuple(one for one in found if not one.is_fixed)
    if free:
        what = f"{', '.join(one.key for one in free)} of {now.name}"
        if not args.yes and not ask(f"Change {what}?"):
            raise UserError(f"nothing was changed: {what}", hint="Say yes, or give --yes")
        steps.change(talk, now.name, endpoint.text.name, free)
    if args.json:
        print(json.dumps({"endpoint": now.name, "changed": [one.key for one in free]}))
    elif not found:
        print(f"{now.name} is as {endpoint.text.name} has it")
    return 1 if len(free) < len(found) else 0


def _delete(args: argparse.Namespace, talk: Talk, now: EndpointState) -> int:
    if args.deployment:
        return _delete_one(args, talk, now)
    parts = [f"{one.name} ({one.traffic} %)" for one in now.deployments]
    what = f"the endpoint {now.name}" + (f" with {' and '.join(parts)}" if parts else "")
    _agree(args, what)
    talk.ask("endpoint_remove", f"deleting {now.name}", name=now.name)
    for one in now.deployments:
        store.note(args.root, now.name, one.name, state=store.FINISHED, traffic={})
    print(f"{now.name} is deleted; its models and environments stay registered")
    return 0


def _delete_one(args: argparse.Namespace, talk: Talk, now: EndpointState) -> int:
    found = now.find(args.deployment)
    if found is None:
        names = ", ".join(one.name for one in now.deployments) or "none"
        raise UsageError(
            f'{now.name} has no deployment "{args.deployment}"', hint=f"It has {names}"
        )
    if found.traffic:
        raise UserError(
            f"{found.name} has {found.traffic} % of the traffic",
            hint="Move it first: `scripts/loop deploy EXP --rollback`, or `--finish`",
        )
    _agree(args, f"the deployment {found.name} of {now.name}")
    steps.remove(talk, now.name, found.name)
    store.note(args.root, now.name, found.name, state=store.FINISHED, traffic={})
    return 0


def _agree(args: argparse.Namespace, what: str) -> None:
    if not args.yes and not ask(f"Delete {what}?"):
        raise UserError(f"nothing was deleted: {what}", hint="Say yes, or give --yes")
