"""Deploy a model to an Azure ML online endpoint beside the one that serves, and move traffic."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from ..model.experiment import Experiment
from ..model.lint.finding import blocks_submission
from ..remote import suspects
from ..remote.azureml import workspace_ref
from ..remote.azureml.connection import AzureConnection
from ..remote.azureml.deploy import blue_green, execute
from ..remote.azureml.deploy.blue_green import EndpointState, RolloutPlan
from ..remote.azureml.deploy.execute import DeploymentOutcome
from ..remote.azureml.deploy.plan import DeploymentPlan, open_endpoint, plan
from ..remote.azureml.session import AzureSession
from ..remote.azureml.submit.submission import READERS
from ..remote.progress import format_size
from ..util import console
from ..util.console import ask
from ..util.errors import UsageError, UserError
from ..workspace import loader
from .check import of_deploy_folder

EXAMPLES = """steps:
  1. a preview: endpoint, model, environment, server, traffic; --dry-run stops here, without a sign-in
  2. the model and the environment are registered, unless the same ones are registered already
  3. a new deployment beside the one that serves (blue and green in turn); the endpoint if it is missing
  4. deploy/sample-request.* is sent to the new one alone; with any answer but 200 no traffic moves
  5. traffic as asked; the old one stays until --finish, and --rollback goes back to it

Run again after an interruption it continues; nothing is created twice.

examples:
  loop deploy digit_recognition --dry-run
  loop deploy digit_recognition                    the newest run's model, all traffic
  loop deploy digit_recognition --traffic 10       a canary: 10 % to the new one
  loop deploy digit_recognition --traffic 100      then all of it
  loop deploy digit_recognition --finish           deletes the old one (asks)
  loop deploy digit_recognition --rollback         back to the old one, at once
  loop deploy digit_recognition --model azureml:digit_recognition:3
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("experiment", nargs="?", metavar="EXP", help="default: the folder you are in")
    add("--traffic", type=_percent, metavar="N", help="percent for the new one (default: 100)")
    add("--model", metavar="MODEL", help="a path, a run, a job, or azureml:NAME:VERSION")
    add("--name", default="", help="the deployment's name (default: blue or green)")
    add("--finish", action="store_true", help="all traffic to the new one; deletes the old one")
    add("--rollback", action="store_true", help="all traffic back to the old one")
    add("--yes", action="store_true", help="--finish without asking")
    add("--dry-run", action="store_true", help="the preview alone, no sign-in")
    add("--json", action="store_true", help="one JSON object on stdout")
    add("--allow-secrets", action="store_true", help="send files that look like secrets, too")


def _percent(word: str) -> int:
    plain = word.strip().removesuffix("%").strip()
    if not plain.isdecimal() or int(plain) > 100:
        raise argparse.ArgumentTypeError(f"{word} is not a percentage: use a number from 0 to 100")
    return int(plain)


def run(args: argparse.Namespace) -> int:
    _require_one(args)
    if args.finish or args.rollback:
        return _end(args)
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    target, unconnected = workspace_ref.find_for(args.root, dry=args.dry_run)
    with AzureConnection(args.root) as connection:
        if not args.dry_run:
            connection.start_if_installed()  # imports its SDK while we plan
        _check(args, experiment)
        deployment = plan(
            workspace,
            experiment,
            model=args.model,
            share=100 if args.traffic is None else args.traffic,
            name=args.name,
            target=target,
            cwd=args.cwd,
        )
        if args.dry_run and args.json:
            console.print_json(deployment.json())
        elif not args.json:
            _print(preview(deployment))
        suspects.refuse(deployment.suspects, args.allow_secrets, READERS)
        if args.dry_run:
            if unconnected is not None:
                console.say(f"a real deployment needs more: {unconnected.message()}")
            return 0
        assert target is not None
        session = AzureSession(args.root, target, connection)
        outcome = execute.deploy(
            session, deployment, lambda now, move: _print_rollout(args, now, move)
        )
    _print_outcome(args, deployment, outcome)
    return 0


def _require_one(args: argparse.Namespace) -> None:
    ends = [f"--{name}" for name in ("finish", "rollback") if getattr(args, name)]
    others = [f"--{name}" for name in ("traffic", "model") if getattr(args, name) is not None]
    others += ["--name"] * bool(args.name) + ["--dry-run"] * args.dry_run
    if len(ends) > 1 or (ends and others):
        options = " and ".join([*ends, *others])
        raise UsageError(
            f"{options} exclude each other", code="options-exclusive", hint=f"Use {ends[0]} alone"
        )


def _end(args: argparse.Namespace) -> int:
    """--finish or --rollback."""
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    _, name = open_endpoint(workspace, experiment)
    with AzureConnection(args.root) as connection:
        session = AzureSession(args.root, workspace_ref.find(args.root), connection)
        now = execute.settled_state(session, name)
        if not now.state:
            raise UserError(
                f"there is no endpoint {name} in {session.target.workspace}",
                code="endpoint-unknown",
                hint=f"`scripts/loop deploy {experiment.name}` creates it",
            )
        if args.rollback:
            after = execute.rollback(session, now, experiment.name)
        else:
            after = _finish(args, session, now)
    if args.json:
        console.print_json({"endpoint": name, "traffic": after.traffic}, indent=None)
    else:
        _print([("endpoint", name), ("traffic", blue_green.format_traffic(after.traffic))])
    return 0


def _finish(args: argparse.Namespace, session: AzureSession, now: EndpointState) -> EndpointState:
    traffic, gone = blue_green.plan_finish(now)
    if not gone and dict(traffic) == now.traffic:
        shown = blue_green.format_traffic(traffic)
        print(f"innerloop: nothing to finish: {shown}", file=sys.stderr)
        return now
    deleted = " and ".join(gone) or "nothing"
    change = f"{blue_green.format_traffic(traffic)}, and {deleted} is deleted"
    if not args.yes and not ask(f"{now.name}: {change}?"):
        raise UserError(
            f"nothing was changed: {change}", code="not-confirmed", hint="Answer y, or use --yes"
        )
    return execute.finish(session, now, traffic, gone)


def _check(args: argparse.Namespace, experiment: Experiment) -> None:
    """Prints the findings in the deploy folder; raises UserError for an error or a warning."""
    path = experiment.paths.job
    findings = of_deploy_folder(loader.WorkspaceFiles(args.root), path)
    for finding in findings:
        print(finding, file=sys.stderr)
    if blocks_submission(findings):
        raise UserError(
            f"nothing was sent: {experiment.folder}/deploy would fail on Azure ML",
            code="deploy-folder-refused",
            hint="Fix what is listed above",
        )


def preview(deployment: DeploymentPlan) -> Iterator[tuple[str, str]]:
    """Rows of a title and a text."""
    target, file = deployment.target, deployment.file
    yield "workspace", (
        f"{target.workspace} in {target.group} ({target.source})" if target else "not connected"
    )
    yield "endpoint", deployment.endpoint
    model = deployment.model
    size = f": {model.files} files, {format_size(model.size)}, digest {model.digest[:12]}"
    scores = f" ({model.scores})" if model.scores else ""
    name = "" if model.kind == "registered" else f"{deployment.model_name}, from "
    yield "model", f"{name}{model.words}{size if model.kind == 'folder' else ''}{scores}"
    image = deployment.image
    yield "environment", (
        f"{image.name}:{image.version}, {image.words}" if image.name else image.words
    )
    if image.folder:
        yield "", f"  {image.files} files, {format_size(image.size)}"
    route = file.scoring
    served = f", {route.path} on port {route.port}" if route else ""
    yield "server", f"{file.instance_count} x {file.instance_type or 'the default'}{served}"
    yield "test", f"{deployment.sample} ({deployment.content})"
    yield "traffic", (
        f"{deployment.share} % to the new deployment, once its test request is answered"
        if deployment.share
        else "none: the new deployment is only tested"
    )


def _print_rollout(args: argparse.Namespace, now: EndpointState, move: RolloutPlan) -> None:
    if args.json:
        return
    others = [name for name in move.before if name != move.name]
    words = "exists already with the same content" if move.reuse else "new"
    words += f", beside {' and '.join(others)}" if others else ""
    words += f"; {' and '.join(move.gone)} without traffic is deleted first" if move.gone else ""
    rows = [("deployment", f"{move.name} ({words})")]
    if not move.nothing:
        before, after = map(blue_green.format_traffic, (move.before, move.after))
        rows.append(("", f"  now {before}; then {after}"))
    if not move.before and args.traffic and args.traffic < 100:
        rows.append(("", "  an endpoint's first deployment takes all traffic"))
    _print(rows)


def _print_outcome(
    args: argparse.Namespace, deployment: DeploymentPlan, outcome: DeploymentOutcome
) -> None:
    now, move = outcome.now, outcome.move
    state = now.find(move.name)
    if args.json:
        value: dict[str, Any] = {
            "endpoint": deployment.endpoint,
            "url": now.url,
            "deployment": move.name,
            "model": state.model if state else "",
            "environment": state.environment if state else "",
            "changed": not move.nothing,
            "traffic": now.traffic,
            "old": move.old,
        }
        console.print_json(value)
        return
    experiment = deployment.experiment.name
    rows = [("traffic", blue_green.format_traffic(now.traffic)), ("address", now.url)]
    if move.nothing:
        rows.insert(0, ("unchanged", f"{move.name} serves this model already"))
    if now.old is not None:
        old = now.old.name
        rows.append(("next", f"loop deploy {experiment} --finish    deletes {old}"))
        rows.append(("", f"loop deploy {experiment} --rollback  goes back to {old}"))
    rows.append(("invoke", f"loop invoke {experiment} FILE --endpoint"))
    _print(rows)


def _print(rows: Iterable[tuple[str, str]]) -> None:
    for title, text in rows:
        print(f"{title:<13}{text}".rstrip())
    sys.stdout.flush()
