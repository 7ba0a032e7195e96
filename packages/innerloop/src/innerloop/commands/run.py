"""Runs the job's command: in a clean container, in the container we are in, or in a cached
environment."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from .. import amounts, loading
from ..errors import Mistake, WrongUse
from ..places import PLACES, Run
from ..runs import checking, running, showing
from ..spec.check_base import Finding
from ..spec.experiment import JOB_FILE, Experiment
from ..spec.job import Job
from ..spec.workspace import Workspace

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
  loop run digit_recognition --debug                      waits for the debugger (F5 does it for you)
  loop run jobs/train.yml                     a job file anywhere in the workspace
  loop run EXP --file other.yml               another job file of an experiment
  loop run EXP --processes 2                  two processes of a distributed job, whatever it says
  (`loop help job` says how inputs, outputs, environments and distribution are understood)

a sweep job:
  loop run EXP                                the first value of each choice, the middle of a range
  loop run EXP --set search_space.lr=0.01     one trial with this value
  loop run EXP --trials 8 --seed 1            eight trials by its sampling rule, then their table
  (one after another; limits.max_total_trials, trial_timeout and timeout count; the metric is read
  from the trial's outputs/metrics.json, or from what it logs with MLflow)

a pipeline job:
  loop run EXP --file pipeline.yml            every step, each in its own environment
  loop run EXP --file pipeline.yml --set jobs.train.inputs.epochs=2
  loop run EXP --file pipeline.yml --step train       this step alone, on the last run's outputs
  loop run EXP --file pipeline.yml --from-run RUN     keeps what was done there, runs the rest
  (a step's outputs are in outputs/EXP/RUN/STEP/, the pipeline's own in outputs/EXP/RUN/NAME)
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
        type=partial(amounts.count, of="processes"),
        metavar="N",
        help="as many processes of a distributed job, whatever the job file says",
    )
    parser.add_argument(
        "--ask", action="store_true", help="shows the job's inputs, to change before it runs"
    )
    parser.add_argument("--script", metavar="F", help="runs this file instead of the job's command")
    parser.add_argument(
        "--debug", action="store_true", help="waits for the editor, debugs every Python process"
    )
    parser.add_argument(
        "--port",
        type=amounts.port,
        metavar="N",
        help="with --debug: where it listens, or nothing runs",
    )
    showing.add_arguments(parser)
    parser.add_argument(
        "--docker-option", action="append", default=[], metavar="OPT", help="passed to `docker run`"
    )
    parser.add_argument(
        "--trials",
        type=partial(amounts.count, of="trials"),
        metavar="N",
        help="a sweep: draws N trials, one after another",
    )
    parser.add_argument(
        "--seed", type=int, metavar="S", help="with --trials: the same seed draws the same ones"
    )
    parser.add_argument("--step", metavar="NAME", help="a pipeline: runs this step alone")
    parser.add_argument(
        "--from-run", metavar="RUN", help="a pipeline: keeps the outputs of this run of it"
    )


def run(args: argparse.Namespace) -> int:
    if not args.debug:
        return _run(args)
    from ..runs import (  # the parts that a plain run needs not are imported where they are used
        debugging,
    )

    try:
        return _run(args)
    except Mistake as mistake:
        raise debugging.with_place(mistake, args.experiment, args.file) from mistake


def _run(args: argparse.Namespace) -> int:
    showing.require_dry(args)
    workspace = loading.open_workspace(args.root)
    experiment, file = loading.choose_job(workspace, args.experiment, args.file, args.cwd)
    job = loading.open_job(workspace, experiment, file, args.set)
    if args.ask:
        from ..runs.asking import ask

        job = ask(job)
    _require_fitting(args, job)
    found = [] if args.script else checking.findings(args.root, job)
    if job.kind == "pipeline":
        checking.require(found, dry=args.dry_run or bool(args.step))
        return _pipeline(args, workspace, experiment, job)
    values: Mapping[str, str] = {}
    if job.kind == "sweep":
        from ..runs import pipelines, sweeping

        job = pipelines.swept_job(workspace, job)
        if args.trials is not None:
            return _sweep(args, workspace, experiment, job, found)
        job, values = sweeping.one_trial(job)
    plan = _plan(args, workspace, experiment, job, found)
    started = running.prepare(plan, args.place, dry=args.dry_run)
    started = _debugged(args, started)
    if args.dry_run:
        showing.show(
            started.request, {"search_space": dict(values)} if values else {}, as_json=args.json
        )
        return 0
    if values:
        print(f"innerloop: one trial: {showing.listed(values)}", file=sys.stderr, flush=True)
    return _carry_out(args, started)


def _debugged(args: argparse.Namespace, started: running.Started) -> running.Started:
    if not args.debug:
        return started
    from ..runs import debugging

    return debugging.prepare(started, args.port, args.dry_run)


def _carry_out(args: argparse.Namespace, started: running.Started) -> int:
    if not args.debug:
        return running.carry_out(started)
    from ..runs import debugging

    return debugging.carry_out(started)


def _plan(
    args: argparse.Namespace,
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    found: Sequence[Finding],
) -> Run:
    warning = checking.warning(found, job)
    return running.plan(
        workspace,
        experiment,
        job,
        script=args.script,
        arguments=tuple(args.rest),
        options=tuple(args.docker_option),
        processes=args.processes,
        also=checking.errors(found),
        notes=[warning] if warning else [],
        dry=args.dry_run,
    )


def _sweep(
    args: argparse.Namespace,
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    found: Sequence[Finding],
) -> int:
    from ..runs import sweeping

    drawn = sweeping.draw(job, args.trials, args.seed)
    first = _plan(args, workspace, experiment, sweeping.job_of(job, drawn.values[0]), found)
    made = sweeping.plan(job, first, drawn)
    prepare = partial(running.prepare, place=args.place)
    if not args.dry_run:
        return sweeping.carry_out(made, prepare)
    trials = sweeping.requests(made, prepare)
    showing.show_parts(showing.whole(first, trials), "trials", trials, as_json=args.json)
    for note in drawn.notes:
        print(f"innerloop: {note}", file=sys.stderr)
    return 0


def _pipeline(
    args: argparse.Namespace, workspace: Workspace, experiment: Experiment, job: Job
) -> int:
    from ..runs import pipelines, stepping

    planned = pipelines.plan(
        workspace,
        experiment,
        job,
        step=args.step,
        from_run=args.from_run,
        options=tuple(args.docker_option),
        processes=args.processes,
        trials=args.trials,
        seed=args.seed,
        dry=args.dry_run,
    )
    prepare = partial(running.prepare, place=args.place)
    if args.step and not args.trials:
        planned = planned if args.dry_run else pipelines.fetched(planned)
        plan = pipelines.run_of(planned, planned.steps[0], args.dry_run)
        plan = replace(plan, arguments=tuple(args.rest), attended=True)
        started = _debugged(args, prepare(plan, dry=args.dry_run))
        if args.dry_run:
            showing.show(started.request, {"step": args.step}, as_json=args.json)
            return 0
        started = stepping.recorded(planned, started)
        return _carry_out(args, started)
    stuck = pipelines.without_form(planned)
    if not args.dry_run:
        if stuck is not None:
            raise stuck
        return stepping.carry_out(planned, prepare)
    steps, mistakes = pipelines.requests(planned, prepare)
    lacking = [f"a real run needs more: {one.sentence()}" for one in planned.run.missing]
    told = showing.whole(planned.run, steps, lacking)
    showing.show_parts(told, "steps", steps, as_json=args.json)
    if stuck is not None or mistakes:
        raise stuck or mistakes[0]
    return 0


def _require_fitting(args: argparse.Namespace, job: Job) -> None:
    """Options that mean nothing for this kind of job are a wrong command line."""
    for option, given, kinds in (
        ("--trials", args.trials, ("sweep", "pipeline")),
        ("--step", args.step, ("pipeline",)),
        ("--from-run", args.from_run, ("pipeline",)),
    ):
        if given is not None and job.kind not in kinds:
            what = f"{option} is for a {kinds[0]} job, and {job.name} is a {job.kind} job"
            raise WrongUse(what, mend=f"Name a {kinds[0]} job with --file, or leave {option} away")
    if args.port is not None and not args.debug:
        raise WrongUse("--port is where the debugger listens", mend="Add --debug")
    if args.debug and args.trials is not None:
        raise WrongUse("one trial is debugged at a time", mend="Leave --trials or --debug away")
    if args.debug and job.kind == "pipeline" and not args.step:
        raise WrongUse("one step is debugged at a time", mend="Name it with --step")
    if args.seed is not None and args.trials is None:
        raise WrongUse("--seed says how trials are drawn", mend="Add --trials N")
    if job.kind == "pipeline" and args.script:
        raise WrongUse("a pipeline has steps and no script", mend="Leave --script away")
    if job.kind == "pipeline" and args.rest and not args.step:
        raise WrongUse("what stands after -- goes to one command", mend="Name its step with --step")
