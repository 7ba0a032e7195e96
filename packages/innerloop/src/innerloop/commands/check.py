"""All problems of job files, deploy folders, schedules and `[argo]`, before anything runs."""

from __future__ import annotations

import argparse
import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..model.deployment import FOLDER
from ..model.experiment_paths import JOB_FILE, ExperimentPaths, default_paths
from ..model.jobs.job import Job
from ..model.lint.deploy_rules import check_folder
from ..model.lint.finding import Finding, blocks_submission, finding_of
from ..model.lint.job_file import check_text, read_and_check
from ..model.workspace import NONE_YET, Workspace
from ..util import console, files, standard_input
from ..util.errors import UsageError, UserError, join_names
from ..util.position import Position
from ..util.quick_dataclasses import dataclass
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
    targets = [_Target.of(workspace, name, args.file) for name in workspace.experiments]
    if args.experiment is not None:
        experiment, file = loader.choose_job(workspace, args.experiment, args.file, args.cwd)
        path = posixpath.normpath(posixpath.join(experiment.folder, file))
        is_own = experiment.name in workspace.experiments
        targets = [_Target(path, experiment.paths, experiment.name) if is_own else _Target(path)]
    disk = loader.WorkspaceFiles(args.root)
    findings = [finding for target in targets for finding in _of_target(workspace, disk, target)]
    if args.file is None:
        findings += [
            finding
            for target in targets
            for finding in of_deploy_folder(disk, target.path, target.paths)
        ]
    for target in targets:
        findings += _of_settings(workspace, target.own_name)
    return _end([*dict.fromkeys(findings)], disk, [target.title for target in targets], args)


@dataclass(frozen=True, slots=True)
class _Target:
    """A job file to check; `name` and `paths` are the experiment's, "" and None for a file of none."""

    path: str
    paths: ExperimentPaths | None = None
    name: str = ""

    @classmethod
    def of(cls, workspace: Workspace, name: str, file: str | None) -> _Target:
        paths = workspace.paths_of(name)
        path = posixpath.normpath(posixpath.join(paths.folder, file)) if file else paths.job
        return cls(path, paths, name)

    @property
    def own_name(self) -> str:
        """The experiment's name, if this is its own job file; else ""."""
        return self.name if self.paths is not None and self.path == self.paths.job else ""

    @property
    def title(self) -> str:
        """The experiment's name for its own job file, else the path."""
        return self.own_name or self.path


def _of_target(workspace: Workspace, disk: loader.WorkspaceFiles, target: _Target) -> list[Finding]:
    """The findings of a job file, or the one error of a declaration that cannot be used."""
    if target.name in workspace.declared:
        try:
            loader.open_experiment(workspace, target.name)
        except UserError as error:
            return [finding_of(error)]
    return _of_job_file(disk, target.path)


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
        findings = check_folder(at, sorted(names), _context_beside(workspace, at), disk)
    else:
        job, findings = read_and_check(text, path, disk)
        # A component has rules of its own, which the pipeline that names it is checked with.
        findings = [one for one in findings if job or one.code != "component-not-job"]
        if job is not None:
            for name in workspace.experiments:
                if workspace.paths_of(name).job == path:
                    findings += _of_settings(workspace, name, job)
    return _end(findings, disk, [path], args)


def _context_beside(workspace: Workspace, folder: str) -> str:
    """The folder of the environment of the experiment that a deploy folder belongs to."""
    owners = workspace.owners_of(folder)
    if len(owners) == 1:
        return workspace.paths_of(owners[0]).context
    return default_paths("", posixpath.dirname(folder)).context


def _end(
    findings: Sequence[Finding],
    disk: loader.WorkspaceFiles,
    titles: Sequence[str],
    args: argparse.Namespace,
) -> int:
    """Print the findings; the exit code."""
    findings = _with_ends(findings, disk)
    if args.json:
        values = [finding.as_json() for finding in findings]
        console.print_json(values)
    else:
        _show(findings, titles)
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


def _show(findings: Sequence[Finding], titles: Sequence[str]) -> None:
    for finding in findings:
        print(finding)
    if not findings:
        print(f"no problems in {join_names(list(titles))}" if titles else NONE_YET)


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


def of_deploy_folder(
    disk: loader.WorkspaceFiles, path: str, paths: ExperimentPaths | None = None
) -> list[Finding]:
    """The findings of the deploy folder of an experiment, by its job file.

    `paths` are the experiment's; None for those of the folder that the job file is in. The list is
    empty if there is no such folder, or the job file is not an experiment's own.
    """
    own = paths or default_paths("", posixpath.dirname(path))
    folder = posixpath.join(own.folder, FOLDER)
    if path != own.job or not disk.is_dir(folder):
        return []
    return check_folder(folder, names_in(disk.root / folder), own.context, disk)


def _of_settings(workspace: Workspace, name: str, job: Job | None = None) -> list[Finding]:
    """The findings of the `[schedule]` that starts an experiment's job file, of `[argo]` and `[remote]`.

    `name` is "" for a job file of none; `job` is what the file holds, where it has been read. The list
    is empty if the job file itself cannot be read.
    """
    if not name:
        return []
    try:
        experiment = loader.open_experiment(workspace, name)
        settings = experiment.settings
        if settings.schedule is None and not settings.argo and not settings.remote:
            return []
        if job is None and experiment.has_job:
            job = loader.open_job(workspace, experiment)
    except UserError as error:
        is_of_settings = error.where.startswith(workspace.paths_of(name).settings)
        return [finding_of(error)] if is_of_settings else []
    from ..model.lint import argo_rules, remote_rules, schedule_rules

    disk = loader.WorkspaceFiles(Path(workspace.root))
    read, find = disk.read, disk.find_asset
    checked = schedule_rules.check(experiment, job, workspace.settings.orchestrators.names)
    findings = [
        *checked.findings,
        *argo_rules.of_experiment(experiment, job, read, find),
        *argo_rules.of_schedule(experiment, job, checked.schedule, read, find),
        *remote_rules.of_experiment(experiment, job),
    ]
    return list(dict.fromkeys(findings))
