"""`loop submit --backend argo`: said first, then pushed, sent and followed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from ...model.experiment import Experiment
from ...model.workspace import Workspace
from ...util import yaml_writer
from ...util.errors import UserError
from .. import summary
from . import execute, images, plan
from .plan import Submission


def run(
    args: argparse.Namespace,
    workspace: Workspace,
    experiment: Experiment,
    sets: Sequence[str],
) -> int:
    """`sets` are all overrides of the job, --set among them."""
    report = args.cwd / args.summary if args.summary and not args.dry_run else None
    with summary.of_start(report, experiment.name):
        submission, findings = plan.plan(
            workspace, experiment, file=args.file, sets=sets, name=args.name
        )
        for finding in findings:
            print(finding, file=sys.stderr)
        if submission is None:
            raise UserError(
                f"nothing was sent: {experiment.folder}/{args.file} cannot run in the cluster",
                hint="Mend what is said above",
            )
    if args.dry_run:
        _show(workspace, submission, as_json=args.json)
        return 0
    return execute.run(args, workspace, submission, report)


def _show(workspace: Workspace, submission: Submission, *, as_json: bool) -> None:
    wanted = submission.wanted
    if as_json:
        text = {**wanted.json(), **plan.told(submission)}
        print(json.dumps(text, indent=2, ensure_ascii=False))
    else:
        print(yaml_writer.document(dict(wanted.manifest)), end="", flush=True)
    for note in [*wanted.request.notes, *_lacking(workspace, submission)]:
        print(f"innerloop: {note}", file=sys.stderr)


def _lacking(workspace: Workspace, submission: Submission) -> list[str]:
    mistakes = list(submission.lacking)
    if submission.images:
        try:
            images.require_registry(workspace)
        except UserError as mistake:
            mistakes.append(mistake)
    return [f"a real submission needs more: {one.message()}" for one in mistakes]
