"""Submit a job, after everything that can be checked before has been checked."""

from __future__ import annotations

import argparse
import posixpath
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..model.experiment import Experiment
from ..model.experiment_paths import JOB_FILE
from ..model.workspace import Workspace
from ..remote import base, stream_job, submission_store, summary, suspects
from ..remote.base import JobStatus, RemoteBackend, Submission, SubmissionOrder
from ..remote.submission_store import SubmittedJob
from ..util import console
from ..util.errors import UserError
from ..workspace import loader

EXAMPLES = """steps:
  1. loop check: what Azure ML would refuse is reported with its position
  2. a preview: workspace, compute, environment, every file that would be sent, the command;
     --dry-run stops here and needs no sign-in
  3. the job, sent by Azure's own client (installed at first use); its name and its studio address

Run again after an interruption it continues: unchanged code is not sent again, and no job is created
twice. Orchestrators call it with --scheduled, --inputs, --wait and --summary (docs/orchestrators.md).
With --stream or --wait the exit code is the job's own: 0 completed, 130 cancelled, else its code.

With --backend argo the job becomes a Workflow in the Kubernetes cluster of your kubeconfig: --dry-run
prints its manifest and needs no cluster; a submission first pushes the image that the manifest names
(`loop image push`). `loop help argo` explains the settings in innerloop.toml.

examples:
  loop submit digit_recognition --dry-run
  loop submit digit_recognition --set inputs.epochs=2 --stream
  loop submit digit_recognition --set compute=azureml:gpu-cluster --name digits-42
  loop submit digit_recognition --file sweep.yaml --wait
  loop submit jobs/train.yml --dry-run                    a job file anywhere in the workspace
  loop submit digit_recognition --backend argo --dry-run
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        nargs="?",
        metavar="EXP",
        help="an experiment, or the path of a job file (default: the folder you are in)",
    )
    base.add_submit_argument(parser)
    parser.add_argument("--file", help=f"the job file in EXP's folder (default: {JOB_FILE})")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="inputs.x=v",
        help="override one value of the job",
    )
    parser.add_argument(
        "--scheduled",
        action="store_true",
        help="with the overrides of [schedule] in innerloop.toml",
    )
    parser.add_argument(
        "--inputs", metavar="JSON", help='values of inputs as one JSON object ({"epochs": 16})'
    )
    parser.add_argument("--name", help="the job's name (default: experiment and time)")
    parser.add_argument("--stream", action="store_true", help="show its logs until it ends")
    parser.add_argument("--wait", action="store_true", help="wait for its end, without its logs")
    parser.add_argument(
        "--summary", metavar="FILE", type=Path, help="append a Markdown summary to FILE"
    )
    parser.add_argument("--dry-run", action="store_true", help="the preview alone, no sign-in")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--allow-secrets", action="store_true", help="send files that look like secrets, too"
    )


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment, file = loader.choose_job(workspace, args.experiment, args.file, args.cwd)
    report = args.cwd / args.summary if args.summary and not args.dry_run else None
    with base.open_backend(args.backend, args.root) as backend:
        with summary.reporting_failure(report, experiment.name):
            if args.dry_run:
                return _show(args, _plan(args, backend, workspace, experiment, file))
            with submission_store.exclusive(args.root) as before:
                submission = _plan(args, backend, workspace, experiment, file)
                job = _joined(args.root, submission, before) or backend.submit(
                    submission, lambda ready: _review(args, ready)
                )
        _print_job(job, as_json=args.json)
        started = summary.start(report, job) if report else None

        def on_end(end: JobStatus) -> None:
            if started is not None:
                summary.finish(started, end, backend)

        if not (args.stream or args.wait):
            return 0
        return stream_job.follow(args.root, job.name, backend, with_logs=args.stream, on_end=on_end)


def _plan(
    args: argparse.Namespace,
    backend: RemoteBackend,
    workspace: Workspace,
    experiment: Experiment,
    file: str,
) -> Submission:
    """The submission; prints the findings, and raises UserError if they prevent it."""
    sets = sets_of(args, workspace, experiment, file)
    order = SubmissionOrder(workspace, experiment, file, sets, args.name, args.dry_run)
    submission, findings = backend.plan_submission(order)
    for finding in findings:
        print(finding, file=sys.stderr)
    if submission is None:
        path = posixpath.normpath(posixpath.join(experiment.folder, file))
        raise UserError(
            f"nothing was sent: {path} cannot run on {backend.name}",
            code="job-refused",
            hint="Fix what is listed above",
        )
    return submission


def _joined(root: Path, submission: Submission, before: frozenset[str]) -> SubmittedJob | None:
    """The job of the same submission by another process at the same moment; None without one.

    A backend whose submissions have no `fingerprint` cannot tell.
    """
    fingerprint = getattr(submission, "fingerprint", "")
    job = submission_store.find_simultaneous(root, fingerprint, before) if fingerprint else None
    if job is None or (getattr(submission, "is_named", False) and submission.name != job.name):
        return None
    same = "the same job was submitted from here at the same moment"
    print(f"innerloop: {same}, as {job.name}; no second one was created", file=sys.stderr)
    return job


def sets_of(
    args: argparse.Namespace, workspace: Workspace, experiment: Experiment, file: str
) -> tuple[str, ...]:
    """All overrides, the strongest last: the schedule's, then --inputs, then --set."""
    sets: tuple[str, ...] = ()
    allowed: Mapping[str, tuple[Any, ...]] = {}
    if args.scheduled:
        schedule = loader.open_schedule(workspace, experiment)
        sets, allowed = schedule.sets, schedule.allowed
    if args.inputs:
        from ..model.settings.dispatch_inputs import sets_of

        job = loader.open_job(workspace, experiment, file, sets)
        sets += tuple(sets_of(args.inputs, job, allowed))
    return (*sets, *args.set)


def _show(args: argparse.Namespace, submission: Submission) -> int:
    """The preview of a dry run, what a submission also needs, and the errors of what is sent."""
    if args.json:
        console.print_json(submission.json())
    else:
        print(submission.text(), end="", flush=True)
    for note in submission.notes:
        print(f"innerloop: {note}", file=sys.stderr)
    suspects.refuse(submission.suspects, args.allow_secrets, submission.readers)
    submission_store.require_new(args.root, submission.name, submission.file_of_name)
    return 0


def _review(args: argparse.Namespace, submission: Submission) -> None:
    """The preview of a submission; raises UserError if it must not be sent."""
    if not args.json:
        for title, text in submission.preview():
            print(f"{title:<13}{text}".rstrip())
        sys.stdout.flush()
    suspects.refuse(submission.suspects, args.allow_secrets, submission.readers)
    submission_store.require_new(args.root, submission.name, submission.file_of_name)


def _print_job(job: SubmittedJob, *, as_json: bool) -> None:
    if as_json:
        console.print_json({"name": job.name, "url": job.url, "status": job.status}, indent=None)
    else:
        rows = [("job", job.name), ("studio", job.url)]
        print("\n".join(f"{title:<13}{text}" for title, text in rows if text))
    sys.stdout.flush()
