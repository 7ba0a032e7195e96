"""All problems of job files, deploy folders, schedules and `[argo]`, before anything runs."""

from __future__ import annotations

import argparse
import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..model.deployment import FOLDER
from ..model.experiment import JOB_FILE
from ..model.jobs.job import Job
from ..model.lint.deploy_rules import check_folder
from ..model.lint.finding import Finding, blocks_submission, finding_of
from ..model.lint.job_file import check_text, read_and_check
from ..model.workspace import NONE_YET, Workspace
from ..util import console, files, standard_input
from ..util.errors import UsageError, UserError, join_names
from ..util.position import Position
from ..workspace import loader
from ..workspace.deploy_folder import names_in

EXAMPLES = """severities:
  error     the job runs neither here nor on Azure ML
  warning   Azure ML refuses the job, or it fails there after the upload; it runs here
  info      the job runs, but probably not as intended

The exit code is 1 if `loop submit` refuses the job: an error, or a warning that is more than advice.

examples:
  loop check                     every experiment
  loop check digit_recognition
  loop check digit_recognition --file other-job.yaml --json
  loop check jobs/somebodys-job.yml      a job file anywhere in the workspace
  loop check --stdin src/digits/azure-ml-job.yaml --json < text      while it is being edited
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="or a job file's path (default: all of them)"
    )
    parser.add_argument("--file", help=f"the job file in EXP's folder (default: {JOB_FILE})")
    parser.add_argument(
        "--stdin",
        action="store_true",
        help="EXP is a file, and its text is read from stdin; the files beside it from disk",
    )
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    if args.stdin:
        return _check_stdin(workspace, args)
    paths = [f"src/{name}/{args.file or JOB_FILE}" for name in workspace.experiments]
    if args.experiment is not None:
        experiment, file = loader.choose_job(workspace, args.experiment, args.file, args.cwd)
        paths = [posixpath.normpath(posixpath.join(experiment.folder, file))]
    disk = loader.WorkspaceFiles(args.root)
    findings = [finding for path in paths for finding in _of_job_file(disk, path)]
    if args.file is None:
        findings += [finding for path in paths for finding in of_deploy_folder(disk, path)]
    for path in paths:
        findings += _of_settings(workspace, path)
    return _end(findings, disk, paths, args)


def _check_stdin(workspace: Workspace, args: argparse.Namespace) -> int:
    """Findings of the text on stdin, as if it were the file's."""
    if args.experiment is None or args.file is not None:
        what = "--stdin needs the path of the file whose text it is"
        raise UsageError(what, code="invalid-arguments", hint="Write it before or after --stdin")
    path = loader.path_in(workspace, args.experiment, args.cwd)
    text = standard_input.read_text("--stdin")
    disk = loader.EditedFiles(args.root, path, text)
    home, folder = posixpath.split(posixpath.dirname(path))
    if folder == FOLDER:
        names = {*names_in(disk.root / home / folder), posixpath.basename(path)}
        at = posixpath.join(home, folder)
        findings = check_folder(at, sorted(names), posixpath.join(home, "environment"), disk)
    else:
        job, findings = read_and_check(text, path, disk)
        # A component has rules of its own, which the pipeline that names it is checked with.
        findings = [one for one in findings if job or one.code != "component-not-job"]
        if job is not None:
            findings += _of_settings(workspace, path, job)
    return _end(findings, disk, [path], args)


def _end(
    findings: Sequence[Finding],
    disk: loader.WorkspaceFiles,
    paths: Sequence[str],
    args: argparse.Namespace,
) -> int:
    """Print the findings; the exit code."""
    findings = _with_ends(findings, disk)
    if args.json:
        values = [finding.as_json() for finding in findings]
        console.print_json(values)
    else:
        _show(findings, paths)
    return 1 if blocks_submission(findings) else 0


def _with_ends(findings: Sequence[Finding], disk: loader.WorkspaceFiles) -> list[Finding]:
    """Each finding with the end of its token, also in files whose parser knows only lines."""
    texts: dict[str, str] = {}
    for finding in findings:
        file = finding.position.file
        if not finding.position.end_column and file not in texts:
            try:
                texts[file] = disk.read(file) or ""
            except UserError:  # the finding says so
                texts[file] = ""
    return [
        replace(finding, position=finding.position.in_text(texts.get(finding.position.file, "")))
        for finding in findings
    ]


def _show(findings: Sequence[Finding], paths: Sequence[str]) -> None:
    for finding in findings:
        print(finding)
    if not findings:
        names = [_title(path) for path in paths]
        print(f"no problems in {join_names(names)}" if names else NONE_YET)


def _title(path: str) -> str:
    """The experiment's name for its own job file, else the path."""
    own = path.removeprefix("src/").removesuffix(f"/{JOB_FILE}")
    return own if path == f"src/{own}/{JOB_FILE}" else path


def _of_job_file(disk: loader.WorkspaceFiles, path: str) -> list[Finding]:
    text = files.read_text(disk.root / path)
    if text is None:
        missing = UserError(
            "the job file does not exist",
            code="job-file-missing",
            where=Position(path, 1, 1),
            hint="`scripts/loop help job` shows the shortest one",
        )
        return [finding_of(missing)]
    return check_text(text, path, disk)


def of_deploy_folder(disk: loader.WorkspaceFiles, path: str) -> list[Finding]:
    """The findings of the deploy folder beside a job file.

    The list is empty if there is no such folder, or the job file is not an experiment's own.
    """
    home, name = posixpath.split(path)
    folder = f"{home}/{FOLDER}"
    if name != JOB_FILE or not disk.is_dir(folder):
        return []
    return check_folder(folder, names_in(disk.root / folder), f"{home}/environment", disk)


def _of_settings(workspace: Workspace, path: str, job: Job | None = None) -> list[Finding]:
    """The findings of the `[schedule]` that starts a job file, and of `[argo]`.

    `job` is what the file holds, where it has been read. The list is empty if the job file itself cannot be read.
    """
    name = _title(path)
    if name not in workspace.experiments:
        return []
    try:
        experiment = loader.open_experiment(workspace, name)
        if experiment.settings.schedule is None and not experiment.settings.argo:
            return []
        if job is None and JOB_FILE in experiment.files:
            job = loader.open_job(workspace, experiment)
    except UserError as error:
        is_of_settings = error.where.startswith(f"src/{name}/innerloop.toml")
        return [finding_of(error)] if is_of_settings else []
    from ..model.lint import argo_rules, schedule_rules

    disk = loader.WorkspaceFiles(Path(workspace.root))
    read, find = disk.read, disk.find_asset
    checked = schedule_rules.check(experiment, job, workspace.settings.orchestrators.names)
    findings = [
        *checked.findings,
        *argo_rules.of_experiment(experiment, job, read, find),
        *argo_rules.of_schedule(experiment, job, checked.schedule, read, find),
    ]
    return list(dict.fromkeys(findings))
