"""Runs the job's command: in a clean container, in the container we are in, or in a cached
environment."""

from __future__ import annotations

import argparse
import json
import shlex
import sys

from .. import loading, running
from ..errors import WrongUse
from ..places import PLACES
from ..spec.experiment import JOB_FILE

SUMMARY = "Runs the job's command, with the job file's inputs, in the experiment's environment."
EXAMPLES = """places:
  docker    a clean container with this experiment's code, its common code and the data
  inside    the experiment's dev container, when you are in it
  venv      a cached environment from environment/requirements.txt, where there is no engine
  auto      inside, docker, venv: the first that can be had (the default)

examples:
  loop run digit_recognition
  loop run digit_recognition --set inputs.epochs=2
  loop run digit_recognition --ask                        shows the inputs, to change some
  loop run digit_recognition -- --learning_rate 0.01      the rest goes to the command
  loop run digit_recognition --script evaluate.py -- --verbose
  loop run digit_recognition --dry-run --json             what would happen, as JSON
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        nargs="?",
        metavar="EXP",
        help="an experiment, or the path of a job file (default: the folder you are in)",
    )
    parser.add_argument("--place", choices=PLACES, default="auto", help="where (default: auto)")
    parser.add_argument("--file", help=f"the job file in EXP's folder (default: {JOB_FILE})")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="inputs.x=v",
        help="changes one value of the job",
    )
    parser.add_argument(
        "--processes",
        type=_count,
        metavar="N",
        help="as many processes of a distributed job, whatever the job file says",
    )
    parser.add_argument(
        "--ask", action="store_true", help="shows the job's inputs, to change before it runs"
    )
    parser.add_argument("--script", metavar="F", help="runs this file instead of the job's command")
    parser.add_argument(
        "--dry-run", action="store_true", help="says what would happen, does nothing"
    )
    parser.add_argument("--json", action="store_true", help="with --dry-run: one JSON object")
    parser.add_argument(
        "--docker-option", action="append", default=[], metavar="OPT", help="passed to `docker run`"
    )


def run(args: argparse.Namespace) -> int:
    if args.json and not args.dry_run:
        raise WrongUse("--json says what would happen", mend="Add --dry-run")
    workspace = loading.open_workspace(args.root)
    experiment, file = loading.choose_job(workspace, args.experiment, args.file, args.cwd)
    job = loading.open_job(workspace, experiment, file, args.set)
    if args.ask:
        from ..asking import ask

        job = ask(job)
    plan = running.plan(
        workspace,
        experiment,
        job,
        script=args.script,
        arguments=tuple(args.rest),
        options=tuple(args.docker_option),
        processes=args.processes,
        dry=args.dry_run,
    )
    started = running.prepare(plan, args.place, dry=args.dry_run)
    if args.dry_run:
        _show(started, args.json)
        return 0
    return running.carry_out(started)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def _show(started: running.Started, as_json: bool) -> None:
    wanted = started.request
    if as_json:
        print(json.dumps(wanted.json(), indent=2, ensure_ascii=False))
        return
    print(f"place    {wanted.place} ({wanted.why})")
    if wanted.image:
        print(f"image    {wanted.image}")
    print(f"cwd      {wanted.cwd}")
    print(f"command  {wanted.command}")
    for key, value in wanted.env.items():
        print(f"env      {key}={value}")
    for mount in wanted.mounts:
        print(f"mount    {mount.source} -> {mount.target}{' (read-only)' * mount.read_only}")
    print(f"outputs  {wanted.outputs}")
    for rank, variables in enumerate(wanted.processes):
        shown = " ".join(f"{key}={value}" for key, value in variables.items())
        print(f"process  {rank}: {shown}")
    for note in wanted.notes:
        print(f"note     {note}")
    if wanted.argv:
        print(f"argv     {shlex.join(wanted.argv)}")
    sys.stdout.flush()
