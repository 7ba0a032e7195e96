"""Sends the job to Azure ML, after all that can be known before has been said."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..model.experiment import JOB_FILE, Experiment
from ..model.workspace import Workspace
from ..remote import stream_job, submission_store, summary
from ..remote.azureml import workspace_ref
from ..remote.azureml.connection import Line
from ..remote.azureml.submit import execute, plan
from ..remote.azureml.submit.submission import Part, Submission, inputs_of
from ..remote.azureml.workspace_ref import Target
from ..remote.progress import files_of, megabytes, say_secrets
from ..remote.snapshot import Snapshot, Suspect
from ..remote.submission_store import Entry
from ..util import locked_environments, venvs
from ..util.errors import UserError
from ..workspace import loader

EXAMPLES = """what happens:
  1. loop check: what Azure ML would refuse is said here, with its place
  2. a preview: workspace, compute, environment, every file that would be sent, the command;
     --dry-run stops here, without a sign-in
  3. the job, by Azure's own client (set up at first use); its name and its address in the studio

Repeated after an interruption it goes on: unchanged code is not sent again, no job is made twice.
Orchestrators call it with --scheduled, --inputs, --wait and --summary (docs/orchestrators.md).
With --stream or --wait the exit code is the job's own: 0 completed, 130 cancelled, else its code.

With --backend argo it becomes a Workflow in the Kubernetes cluster of your kubeconfig: --dry-run
prints its manifest and needs no cluster; a real submission first pushes the image that it names
(`loop image push`). `loop help argo` says what innerloop.toml tells a cluster.

examples:
  loop submit digit_recognition --dry-run
  loop submit digit_recognition --set inputs.epochs=2 --stream
  loop submit digit_recognition --set compute=azureml:gpu-cluster --name digits-42
  loop submit digit_recognition --file sweep.yaml --wait
  loop submit jobs/train.yml --dry-run                    a job file anywhere in the workspace
  loop submit digit_recognition --backend argo --dry-run
"""
SHOWN = 40
# Bytes above which a file is hardly code.
LARGE = 100_000_000
HARDLY_CODE = {
    ".git", ".innerloop", ".venv", "venv", "node_modules", "__pycache__", "outputs", "mlruns",
    "wandb", ".pytest_cache", ".mypy_cache", ".ipynb_checkpoints", ".azureml", ".dvc",
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        nargs="?",
        metavar="EXP",
        help="an experiment, or the path of a job file (default: the folder you are in)",
    )
    parser.add_argument(
        "--backend", choices=["azureml", "argo"], default="azureml", help="where (default: azureml)"
    )
    parser.add_argument("--file", help=f"the job file in EXP's folder (default: {JOB_FILE})")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="inputs.x=v",
        help="changes one value of the job",
    )
    parser.add_argument(
        "--scheduled", action="store_true", help="with what [schedule] of innerloop.toml changes"
    )
    parser.add_argument(
        "--inputs", metavar="JSON", help='values of inputs as one JSON object ({"epochs": 16})'
    )
    parser.add_argument("--name", help="the job's name (default: made from experiment and time)")
    parser.add_argument("--stream", action="store_true", help="shows its logs to the end")
    parser.add_argument("--wait", action="store_true", help="waits for its end, without its logs")
    parser.add_argument(
        "--summary", metavar="FILE", type=Path, help="how it went, as Markdown, added to FILE"
    )
    parser.add_argument("--dry-run", action="store_true", help="the preview alone, no sign-in")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument(
        "--allow-secrets", action="store_true", help="sends files that look like secrets, too"
    )


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment, args.file = loader.choose_job(workspace, args.experiment, args.file, args.cwd)
    if args.backend == "argo":
        from ..remote.argo import submit

        sets = sets_of(args, workspace, experiment)
        return submit.run(args, workspace, experiment, sets)
    report = args.summary and not args.dry_run and args.cwd / args.summary
    with Line(args.root) as line:
        try:
            target, unconnected = workspace_ref.find_for(args.root, dry=args.dry_run)
            submission = _planned(args, workspace, experiment, target, line)
            if args.dry_run:
                if unconnected is not None:
                    raise unconnected
                return 0
            entry = _send(args, submission, line)
        except UserError as mistake:
            if report:
                summary.failed(report, experiment.name, mistake)
            raise
        assert target is not None
        told = summary.begin(report, entry) if report else None

        def on_end(end: Mapping[str, Any]) -> None:
            if told is not None:
                summary.finish(told, end, target, line)

        if not (args.stream or args.wait):
            return 0
        return stream_job.follow(
            args.root, entry.name, target, line, logs=args.stream, on_end=on_end
        )


def _planned(
    args: argparse.Namespace,
    workspace: Workspace,
    experiment: Experiment,
    target: Target | None,
    line: Line,
) -> Submission:
    """What would be sent, shown; a `Mistake` when that should not be."""
    if not args.dry_run and venvs.is_ready(locked_environments.environment_of("azure")):
        line.start()  # its client is imported while we read on
    submission, findings = plan.plan(
        workspace,
        experiment,
        file=args.file,
        sets=sets_of(args, workspace, experiment),
        name=args.name,
        target=target,
    )
    for finding in findings:
        print(finding, file=sys.stderr)
    if submission is None:
        raise UserError(
            f"nothing was sent: Azure ML would refuse {experiment.folder}/{args.file}",
            hint="Mend what is said above",
        )
    if args.dry_run or not args.json:
        _show(submission, args)
    refuse_secrets(submission.suspects, args.allow_secrets)
    submission_store.require_new(args.root, submission.name, submission.file_of_name)
    return submission


def sets_of(
    args: argparse.Namespace, workspace: Workspace, experiment: Experiment
) -> tuple[str, ...]:
    """All that changes the job, the nearest word last: the schedule, then what a person filled in,
    then --set."""
    sets: tuple[str, ...] = ()
    allowed: Mapping[str, tuple[Any, ...]] = {}
    if args.scheduled:
        schedule = loader.open_schedule(workspace, experiment)
        sets, allowed = schedule.sets, schedule.allowed
    if args.inputs:
        from ..model.settings.dispatch_inputs import sets_of

        job = loader.open_job(workspace, experiment, args.file, sets)
        sets += tuple(sets_of(args.inputs, job, allowed))
    return (*sets, *args.set)


def _send(args: argparse.Namespace, submission: Submission, line: Line) -> Entry:
    entry = execute.send(args.root, submission, line)
    if args.json:
        print(json.dumps({"name": entry.name, "url": entry.url, "status": entry.status}))
    else:
        print(f"job          {entry.name}\nstudio       {entry.url}")
    sys.stdout.flush()
    return entry


def refuse_secrets(suspects: Sequence[tuple[str, Suspect]], allowed: bool) -> None:
    """A `Mistake` for likely secrets among what would be sent (each with its folder)."""
    say_secrets(suspects)
    if suspects and not allowed:
        raise UserError(
            "nothing was sent: the files above look like secrets, and everybody in the Azure ML "
            "workspace could read them",
            hint="Leave them out in .amlignore, or send them with --allow-secrets",
        )


def _show(submission: Submission, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps(submission.json(), indent=2, ensure_ascii=False))
        return
    for title, text in preview(submission, files=args.dry_run):
        print(f"{title:<13}{text}".rstrip())
    sys.stdout.flush()


def preview(submission: Submission, *, files: bool) -> Iterator[tuple[str, str]]:
    """Lines of two columns; with `files` each file that would be sent."""
    target = submission.target
    yield "workspace", (
        f"{target.workspace} in {target.group} ({target.source})" if target else "not connected"
    )
    again = ", goes on after an interruption" if submission.resumes else ""
    yield "job", f"{submission.name} ({submission.job.kind}{again})"
    for part in submission.parts:
        yield from _part(part, submission)
    inputs = inputs_of(submission.job)
    for index, (name, value) in enumerate(inputs.items()):
        yield "" if index else "inputs", f"{name} = {value}"
    for sent in submission.snapshots.values():
        yield from _snapshot(sent, submission, files)
    for name, sent in submission.data.items():
        yield "data", f"{name}: {sent.folder}, {_count(sent)}, {megabytes(sent.size)}"


def _part(part: Part, submission: Submission) -> Iterator[tuple[str, str]]:
    if part.step:
        yield "step", part.step
    yield "compute", part.compute or "none named (serverless)"
    if part.unread:
        yield "command", f"not known here: {part.unread}"
        return
    digest = part.environment.digest
    more = f", digest {digest[:12]} ({_known(digest, submission)})" if digest else ""
    yield "environment", part.environment.words + more
    yield "command", part.command


def _count(sent: Snapshot) -> str:
    return files_of(len(sent.files))


def _snapshot(sent: Snapshot, submission: Submission, files: bool) -> Iterator[tuple[str, str]]:
    known = _known(sent.digest, submission)
    yield "code", f"{sent.folder}: {_count(sent)}, {megabytes(sent.size)} ({known})"
    if files:
        rows = _files(sent) if len(sent.files) <= SHOWN else _folders(sent)
        width = max(len(name) for name, _, _ in rows)
        for name, size, note in rows[:SHOWN]:
            yield "", f"  {name:<{width}}  {megabytes(size):>9}{note}"
        if len(sent.files) > SHOWN:
            yield "", "  (--json lists every file)"
    yield from _hardly_code(sent)
    for one in sent.files:
        if one.size > LARGE:
            rules = sent.ignore_file or ".amlignore"
            hint = f"leave it out in {rules}, or make data of it: `scripts/loop data register`"
            yield "", f"  {one.name} is {megabytes(one.size)}, sent with each change of the code: {hint}"
    linked = sum(one.linked for one in sent.files)
    if linked and not files:
        yield "", f"  {linked} of them by links, as what they lead to"
    yield from _left_out(sent)


def _files(sent: Snapshot) -> list[tuple[str, int, str]]:
    return [(one.name, one.size, "  by a link" if one.linked else "") for one in sent.files]


def _folders(sent: Snapshot) -> list[tuple[str, int, str]]:
    """What stands at the top of the snapshot, the largest first."""
    sizes: dict[str, list[int]] = {}
    for one in sent.files:
        top, slash, _ = one.name.partition("/")
        sizes.setdefault(top + slash, []).append(one.size)
    rows = [(name, sum(each), _in(name, len(each))) for name, each in sizes.items()]
    return sorted(rows, key=lambda row: -row[1])


def _in(name: str, count: int) -> str:
    return f"  {files_of(count)}" if name.endswith("/") else ""


def _hardly_code(sent: Snapshot) -> Iterator[tuple[str, str]]:
    """Folders that others than the program need, and that Azure ML's client takes for code."""
    sizes: dict[str, list[int]] = {}
    for one in sent.files:
        found = next((part for part in one.name.split("/")[:-1] if part in HARDLY_CODE), None)
        if found:
            sizes.setdefault(f"{found}/", []).append(one.size)
    if sizes:
        told = ", ".join(
            f"{name} ({files_of(len(each))}, {megabytes(sum(each))})"
            for name, each in sizes.items()
        )
        rules = sent.ignore_file or ".amlignore"
        yield "", f"  {told}: hardly code, and sent with it. Leave it out in {rules}"


def _left_out(sent: Snapshot) -> Iterator[tuple[str, str]]:
    if not sent.ignore_file:
        yield "", "  no .amlignore: everything in the folder is sent"
    rules: Sequence[str] = [
        f"{one.rule} ({files_of(one.files)}, {megabytes(one.size)})" for one in sent.left_out
    ]
    if rules:
        yield "", f"  left out by {sent.ignore_file}: {', '.join(rules)}"


def _known(digest: str, submission: Submission) -> str:
    earlier = submission.known.get(digest)
    return f"sent before, with {earlier}" if earlier else "not sent from here yet"
