"""All that is wrong with a job file and a deploy folder, at once, before anything is run or sent."""

from __future__ import annotations

import argparse
import json
import posixpath
from dataclasses import asdict
from pathlib import Path

from ..model.deployment import FOLDER
from ..model.experiment import JOB_FILE
from ..model.lint.deploy_rules import check_folder
from ..model.lint.finding import finding_of
from ..model.lint.job_file import Finding, check_text
from ..model.workspace import NONE_YET, Workspace
from ..util import files
from ..util.errors import UserError, join_names
from ..workspace import loader
from ..workspace.deploy_folder import names_in

EXAMPLES = """levels:
  error     it runs neither here nor on Azure ML
  warning   Azure ML refuses it, or fails after the upload; it runs here
  info      it runs, but hardly as it was meant

The exit code is 1 when there is an error or a warning.

examples:
  loop check                     every experiment
  loop check digit_recognition
  loop check digit_recognition --file other-job.yaml --json
  loop check jobs/somebodys-job.yml      a job file anywhere in the workspace
"""

WORDS = {"wrong": "error", "azure": "warning", "hint": "info"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="or a job file's path (default: all of them)"
    )
    parser.add_argument("--file", help=f"the job file in EXP's folder (default: {JOB_FILE})")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    paths = [f"src/{name}/{args.file or JOB_FILE}" for name in workspace.experiments]
    if args.experiment is not None:
        experiment, file = loader.choose_job(workspace, args.experiment, args.file, args.cwd)
        paths = [posixpath.normpath(posixpath.join(experiment.folder, file))]
    disk = loader.WorkspaceFiles(args.root)
    found = [finding for path in paths for finding in _findings(disk, path)]
    if args.file is None:
        found += [one for path in paths for one in of_deploy_folder(disk, path)]
    for path in paths:
        found += _of_settings(workspace, path)
    if args.json:
        print(json.dumps([asdict(finding) for finding in found], indent=2, ensure_ascii=False))
    else:
        for finding in found:
            print(line_of(finding))
        if not found:
            print(f"nothing wrong in {join_names([*map(_said, paths)])}" if paths else NONE_YET)
    return 1 if any(finding.level != "hint" for finding in found) else 0


def line_of(finding: Finding) -> str:
    """`file:line:column: error: what. What to do [rule]`: one line, as problem matchers read it."""
    text = UserError(finding.what, hint=finding.hint).message()
    return f"{finding.where}: {WORDS[finding.level]}: {text} [{finding.code}]"


def _said(path: str) -> str:
    """The experiment's name for its own job file."""
    own = path.removeprefix("src/").removesuffix(f"/{JOB_FILE}")
    return own if path == f"src/{own}/{JOB_FILE}" else path


def _of_settings(workspace: Workspace, path: str) -> list[Finding]:
    """What is wrong with the `[schedule]` that starts this job file, and with what `[argo]` says of
    it; nothing where the job file itself cannot be read."""
    name = _said(path)
    if name not in workspace.experiments:
        return []
    try:
        experiment = loader.open_experiment(workspace, name)
        if experiment.settings.schedule is None and not experiment.settings.argo:
            return []
        job = loader.open_job(workspace, experiment) if JOB_FILE in experiment.files else None
    except UserError as mistake:
        is_ours = mistake.where.startswith(f"src/{name}/innerloop.toml")
        return [finding_of(mistake, "settings")] if is_ours else []
    from ..model.lint import argo_rules, schedule_rules

    read = loader.WorkspaceFiles(Path(workspace.root)).read
    found = schedule_rules.check(experiment, job, workspace.settings.orchestrators.names)
    told = [
        *found.findings,
        *argo_rules.of_experiment(experiment, job, read),
        *argo_rules.of_schedule(experiment, job, found.schedule, read),
    ]
    return list(dict.fromkeys(told))


def of_deploy_folder(disk: loader.WorkspaceFiles, path: str) -> list[Finding]:
    """Those of EXP/deploy; none for a job file that belongs to no experiment, or has none."""
    home, name = posixpath.split(path)
    folder = f"{home}/{FOLDER}"
    if name != JOB_FILE or not disk.is_dir(folder):
        return []
    return check_folder(folder, names_in(disk.root / folder), f"{home}/environment", disk)


def _findings(disk: loader.WorkspaceFiles, path: str) -> list[Finding]:
    text = files.read_text(disk.root / path)
    if text is None:
        missing = UserError(
            "there is no such job file",
            where=path,
            hint="It says what to run; `scripts/loop help job` shows the shortest one",
        )
        return [finding_of(missing, "no-job-file")]
    return check_text(text, path, disk)
