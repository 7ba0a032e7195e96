"""Puts a model on an Azure ML online endpoint, beside the one that serves, and moves traffic."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from ..model.experiment import JOB_FILE, Experiment
from ..model.lint.finding import blocks_submission
from ..remote.azureml import workspace_ref
from ..remote.azureml.connection import Line
from ..remote.azureml.deploy import blue_green, execute
from ..remote.azureml.deploy.blue_green import EndpointState, RolloutPlan
from ..remote.azureml.deploy.execute import Outcome
from ..remote.azureml.deploy.plan import Plan, open_endpoint, plan
from ..remote.azureml.session import Talk
from ..remote.progress import megabytes
from ..util import locked_environments, venvs
from ..util.console import ask
from ..util.errors import UsageError, UserError
from ..workspace import loader
from .check import of_deploy_folder
from .submit import refuse_secrets

EXAMPLES = """what happens:
  1. a preview: endpoint, model, environment, server, traffic; --dry-run stops here, without a sign-in
  2. the model and the environment are registered, unless the same ones are
  3. a new deployment beside the one that serves (blue and green in turn); the endpoint if it is missing
  4. deploy/sample-request.* goes to the new one alone; any answer but 200 ends it, and no traffic moves
  5. traffic as asked; the old one stays until --finish, and --rollback goes back to it

Repeated after an interruption it goes on; nothing is made twice.

examples:
  loop deploy digit_recognition --dry-run
  loop deploy digit_recognition                    the newest run's model, all traffic
  loop deploy digit_recognition --traffic 10       a canary: 10 % to the new one
  loop deploy digit_recognition --traffic 100      then all of it
  loop deploy digit_recognition --finish           takes the old one away (asks)
  loop deploy digit_recognition --rollback         back to the old one, at once
  loop deploy digit_recognition --model azureml:digit_recognition:3
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("experiment", nargs="?", metavar="EXP", help="default: the folder you are in")
    add("--traffic", type=_percent, metavar="N", help="percent for the new one (default: 100)")
    add("--model", metavar="MODEL", help="a path, a run, a job, or azureml:NAME:VERSION")
    add("--name", default="", help="the deployment's name (default: blue or green)")
    add("--finish", action="store_true", help="all traffic to the new one, the old one goes")
    add("--rollback", action="store_true", help="all traffic back to the old one")
    add("--yes", action="store_true", help="--finish does not ask")
    add("--dry-run", action="store_true", help="the preview alone, no sign-in")
    add("--json", action="store_true", help="one JSON object on stdout")
    add("--allow-secrets", action="store_true", help="sends files that look like secrets, too")


def _percent(word: str) -> int:
    plain = word.strip().removesuffix("%").strip()
    if not plain.isdecimal() or int(plain) > 100:
        raise argparse.ArgumentTypeError(f"{word} is no percentage: write a number from 0 to 100")
    return int(plain)


def run(args: argparse.Namespace) -> int:
    _require_one(args)
    if args.finish or args.rollback:
        return _end(args)
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    target, unconnected = workspace_ref.find_for(args.root, dry=args.dry_run)
    with Line(args.root) as line:
        if not args.dry_run and venvs.is_ready(locked_environments.environment_of("azure")):
            line.start()  # its client is imported while we read on
        _check(args, experiment)
        made = plan(
            workspace,
            experiment,
            model=args.model,
            share=100 if args.traffic is None else args.traffic,
            name=args.name,
            target=target,
            cwd=args.cwd,
        )
        if args.dry_run and args.json:
            print(json.dumps(made.json(), indent=2, ensure_ascii=False))
        elif not args.json:
            _print(preview(made))
        refuse_secrets(made.suspects, args.allow_secrets)
        if args.dry_run:
            if unconnected is not None:
                raise unconnected
            return 0
        assert target is not None
        talk = Talk(args.root, target, line)
        told = execute.deploy(talk, made, lambda now, move: _say_move(args, now, move))
    _show(args, made, told)
    return 0


def _require_one(args: argparse.Namespace) -> None:
    ends = [f"--{name}" for name in ("finish", "rollback") if getattr(args, name)]
    given = [f"--{name}" for name in ("traffic", "model") if getattr(args, name) is not None]
    given += ["--name"] * bool(args.name) + ["--dry-run"] * args.dry_run
    if len(ends) > 1 or (ends and given):
        together = " and ".join([*ends, *given])
        raise UsageError(f"{together} do not go together", hint=f"Give {ends[0]} alone")


def _end(args: argparse.Namespace) -> int:
    """--finish or --rollback."""
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    _, name = open_endpoint(workspace, experiment)
    with Line(args.root) as line:
        talk = Talk(args.root, workspace_ref.find(args.root), line)
        now = execute.look(talk, name)
        if not now.state:
            raise UserError(
                f"there is no endpoint {name} in {talk.target.workspace}",
                hint=f"`scripts/loop deploy {experiment.name}` makes it",
            )
        if args.rollback:
            after = execute.roll_back(talk, now, experiment.name)
        else:
            after = _finish(args, talk, now)
    if args.json:
        print(json.dumps({"endpoint": name, "traffic": after.traffic}))
    else:
        _print([("endpoint", name), ("traffic", blue_green.words(after.traffic))])
    return 0


def _finish(args: argparse.Namespace, talk: Talk, now: EndpointState) -> EndpointState:
    traffic, gone = blue_green.finish(now)
    if not gone and dict(traffic) == now.traffic:
        print(f"innerloop: nothing to finish: {blue_green.words(traffic)}", file=sys.stderr)
        return now
    plan_words = f"{blue_green.words(traffic)}, and {' and '.join(gone) or 'nothing'} is deleted"
    if not args.yes and not ask(f"{now.name}: {plan_words}?"):
        raise UserError(f"nothing was changed: {plan_words}", hint="Say yes, or give --yes")
    return execute.finish(talk, now, traffic, gone)


def _check(args: argparse.Namespace, experiment: Experiment) -> None:
    """What `loop check` finds in the deploy folder; a `Mistake` for all but hints."""
    path = f"{experiment.folder}/{JOB_FILE}"
    found = of_deploy_folder(loader.WorkspaceFiles(args.root), path)
    for finding in found:
        print(finding, file=sys.stderr)
    if blocks_submission(found):
        raise UserError(
            f"nothing was sent: {experiment.folder}/deploy would not work on Azure ML",
            hint="Mend what is said above",
        )


def preview(made: Plan) -> Iterator[tuple[str, str]]:
    """Lines of two columns."""
    target, file = made.target, made.file
    yield "workspace", (
        f"{target.workspace} in {target.group} ({target.source})" if target else "not connected"
    )
    yield "endpoint", made.endpoint
    model = made.model
    size = f": {model.files} files, {megabytes(model.size)}, digest {model.digest[:12]}"
    more = f" ({model.scores})" if model.scores else ""
    of = "" if model.kind == "registered" else f"{made.model_name}, from "
    yield "model", f"{of}{model.words}{size if model.kind == 'folder' else ''}{more}"
    yield "environment", (
        f"{made.image.name}:{made.image.version}, {made.image.words}"
        if made.image.name
        else made.image.words
    )
    if made.image.folder:
        yield "", f"  {made.image.files} files, {megabytes(made.image.size)}"
    route = file.scoring
    served = f", {route.path} on port {route.port}" if route else ""
    yield "server", f"{file.instance_count} x {file.instance_type or 'the default'}{served}"
    yield "test", f"{made.sample} ({made.content})"
    yield "traffic", (
        f"{made.share} % to the new deployment, once its test request is answered"
        if made.share
        else "none: the new deployment is tested, and that is all"
    )


def _say_move(args: argparse.Namespace, now: EndpointState, move: RolloutPlan) -> None:
    if args.json:
        return
    beside = [name for name in move.before if name != move.name]
    words = "is there already, made of the same" if move.reuse else "new"
    words += f", beside {' and '.join(beside)}" if beside else ""
    words += f"; {' and '.join(move.gone)} without traffic goes first" if move.gone else ""
    rows = [("deployment", f"{move.name} ({words})")]
    if not move.nothing:
        rows.append(
            ("", f"  now {blue_green.words(move.before)}; then {blue_green.words(move.after)}")
        )
    if not move.before and args.traffic and args.traffic < 100:
        rows.append(("", "  the first deployment takes all of it: there is nobody to share with"))
    _print(rows)


def _show(args: argparse.Namespace, made: Plan, told: Outcome) -> None:
    found = told.now.find(told.move.name)
    if args.json:
        value: dict[str, Any] = {
            "endpoint": made.endpoint,
            "url": told.now.url,
            "deployment": told.move.name,
            "model": found.model if found else "",
            "environment": found.environment if found else "",
            "changed": not told.move.nothing,
            "traffic": told.now.traffic,
            "old": told.move.old,
        }
        print(json.dumps(value, indent=2, ensure_ascii=False))
        return
    how = made.experiment.name
    rows = [("traffic", blue_green.words(told.now.traffic)), ("address", told.now.url)]
    if told.move.nothing:
        rows.insert(0, ("unchanged", f"{told.move.name} serves this model already"))
    if told.now.old is not None:
        old = told.now.old.name
        rows.append(("next", f"loop deploy {how} --finish    takes {old} away"))
        rows.append(("", f"loop deploy {how} --rollback  goes back to {old}"))
    rows.append(("invoke", f"loop invoke {how} FILE --endpoint"))
    _print(rows)


def _print(rows: Any) -> None:
    for title, text in rows:
        print(f"{title:<13}{text}".rstrip())
    sys.stdout.flush()
