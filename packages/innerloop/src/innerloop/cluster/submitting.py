"""`loop submit --place argo`: said first, then pushed, sent and followed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from ..cloud import summary
from ..errors import Mistake
from ..render import yaml_file
from ..spec.check_base import Finding
from ..spec.experiment import Experiment
from ..spec.workspace import Workspace
from . import images, planning, sending
from .planning import Submission


def run(
    args: argparse.Namespace,
    workspace: Workspace,
    experiment: Experiment,
    sets: Sequence[str],
    line_of: Callable[[Finding], str],
) -> int:
    """`sets` are all that changes the job, --set among them; `line_of` a finding for a person."""
    report = args.cwd / args.summary if args.summary and not args.dry_run else None
    with summary.of_start(report, experiment.name):
        submission, findings = planning.plan(
            workspace, experiment, file=args.file, sets=sets, name=args.name
        )
        for finding in findings:
            print(line_of(finding), file=sys.stderr)
        if submission is None:
            raise Mistake(
                f"nothing was sent: {experiment.folder}/{args.file} cannot run in the cluster",
                mend="Mend what is said above",
            )
    if args.dry_run:
        _show(workspace, submission, as_json=args.json)
        return 0
    return sending.run(args, workspace, submission, report)


def _show(workspace: Workspace, submission: Submission, *, as_json: bool) -> None:
    wanted = submission.wanted
    if as_json:
        text = {**wanted.json(), **planning.told(submission)}
        print(json.dumps(text, indent=2, ensure_ascii=False))
    else:
        print(yaml_file.document(dict(wanted.manifest)), end="", flush=True)
    for note in [*wanted.request.notes, *_lacking(workspace, submission)]:
        print(f"innerloop: {note}", file=sys.stderr)


def _lacking(workspace: Workspace, submission: Submission) -> list[str]:
    mistakes = list(submission.lacking)
    if submission.images:
        try:
            images.require_registry(workspace)
        except Mistake as mistake:
            mistakes.append(mistake)
    return [f"a real submission needs more: {one.sentence()}" for one in mistakes]
