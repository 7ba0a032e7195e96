"""Runs the job's command: in a clean container, in the container we are in, or in a cached
environment."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from ..model.experiment import JOB_FILE, Experiment
from ..model.jobs.job import Job
from ..model.lint.finding import Finding
from ..model.run import BACKENDS, Run
from ..model.workspace import Workspace
from ..runner import dry_run, execute, preflight
from ..util import argtypes
from ..util.errors import UsageError, UserError
from ..workspace import loader

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
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="where (default: auto)")
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
        type=partial(argtypes.count, of="processes"),
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
        type=argtypes.port,
        metavar="N",
        help="with --debug: where it listens, or nothing runs",
    )
    dry_run.add_arguments(parser)
    parser.add_argument(
        "--docker-option", action="append", default=[], metavar="OPT", help="passed to `docker run`"
    )
    parser.add_argument(
        "--trials",
        type=partial(argtypes.count, of="trials"),
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
    from ..runner import debug

    try:
        return _run(args)
    except UserError as mistake:
        raise debug.with_position(mistake, args.experiment, args.file) from mistake


def _run(args: argparse.Namespace) -> int:
    dry_run.require_dry(args)
    workspace = loader.open_workspace(args.root)
    experiment, file = loader.choose_job(workspace, args.experiment, args.file, args.cwd)
    job = loader.open_job(workspace, experiment, file, args.set)
    if args.ask:
        from ..runner.prompt_inputs import ask

        job = ask(job)
    _require_fitting(args, job)
    found = [] if args.script else preflight.findings(args.root, job)
    if job.kind == "pipeline":
        preflight.require(found, dry=args.dry_run or bool(args.step))
        return _pipeline(args, workspace, experiment, job)
    values: Mapping[str, str] = {}
    if job.kind == "sweep":
        from ..runner import pipeline_plan, sweep_executor

        job = pipeline_plan.swept_job(workspace, job)
        if args.trials is not None:
            return _sweep(args, workspace, experiment, job, found)
        job, values = sweep_executor.one_trial(job)
    plan = _plan(args, workspace, experiment, job, found)
    started = execute.prepare(plan, args.backend, dry=args.dry_run)
    started = _debugged(args, started)
    if args.dry_run:
        dry_run.show(
            started.request, {"search_space": dict(values)} if values else {}, as_json=args.json
        )
        return 0
    if values:
        print(f"innerloop: one trial: {dry_run.assignments(values)}", file=sys.stderr, flush=True)
    return _carry_out(args, started)


def _debugged(args: argparse.Namespace, started: execute.Started) -> execute.Started:
    if not args.debug:
        return started
    from ..runner import debug

    return debug.prepare(started, args.port, args.dry_run)


def _carry_out(args: argparse.Namespace, started: execute.Started) -> int:
    if not args.debug:
        return execute.carry_out(started)
    from ..runner import debug

    return debug.carry_out(started)


def _plan(
    args: argparse.Namespace,
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    found: Sequence[Finding],
) -> Run:
    warning = preflight.warning(found, job)
    return execute.plan(
        workspace,
        experiment,
        job,
        script=args.script,
        arguments=tuple(args.rest),
        options=tuple(args.docker_option),
        processes=args.processes,
        errors=preflight.errors(found),
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
    from ..runner import sweep_executor

    drawn = sweep_executor.draw(job, args.trials, args.seed)
    first = _plan(args, workspace, experiment, sweep_executor.job_of(job, drawn.values[0]), found)
    made = sweep_executor.plan(job, first, drawn)
    prepare = partial(execute.prepare, backend=args.backend)
    if not args.dry_run:
        return sweep_executor.carry_out(made, prepare)
    trials = sweep_executor.requests(made, prepare)
    dry_run.show_several(dry_run.summary(first, trials), "trials", trials, as_json=args.json)
    for note in drawn.notes:
        print(f"innerloop: {note}", file=sys.stderr)
    return 0


def _pipeline(
    args: argparse.Namespace, workspace: Workspace, experiment: Experiment, job: Job
) -> int:
    from ..runner import pipeline_executor, pipeline_plan

    planned = pipeline_plan.plan(
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
    prepare = partial(execute.prepare, backend=args.backend)
    if args.step and not args.trials:
        planned = planned if args.dry_run else pipeline_plan.fetched(planned)
        plan = pipeline_plan.run_of(planned, planned.steps[0], args.dry_run)
        plan = replace(plan, arguments=tuple(args.rest), attended=True)
        started = _debugged(args, prepare(plan, dry=args.dry_run))
        if args.dry_run:
            dry_run.show(started.request, {"step": args.step}, as_json=args.json)
            return 0
        started = pipeline_executor.recorded(planned, started)
        return _carry_out(args, started)
    stuck = pipeline_plan.no_local_equivalent(planned)
    if not args.dry_run:
        if stuck is not None:
            raise stuck
        return pipeline_executor.carry_out(planned, prepare)
    steps, mistakes = pipeline_plan.requests(planned, prepare)
    lacking = [f"a real run needs more: {one.message()}" for one in planned.run.missing]
    told = dry_run.summary(planned.run, steps, lacking)
    dry_run.show_several(told, "steps", steps, as_json=args.json)
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
            raise UsageError(
                what, hint=f"Name a {kinds[0]} job with --file, or leave {option} away"
            )
    if args.port is not None and not args.debug:
        raise UsageError("--port is where the debugger listens", hint="Add --debug")
    if args.debug and args.trials is not None:
        raise UsageError("one trial is debugged at a time", hint="Leave --trials or --debug away")
    if args.debug and job.kind == "pipeline" and not args.step:
        raise UsageError("one step is debugged at a time", hint="Name it with --step")
    if args.seed is not None and args.trials is None:
        raise UsageError("--seed says how trials are drawn", hint="Add --trials N")
    if job.kind == "pipeline" and args.script:
        raise UsageError("a pipeline has steps and no script", hint="Leave --script away")
    if job.kind == "pipeline" and args.rest and not args.step:
        raise UsageError(
            "what stands after -- goes to one command", hint="Name its step with --step"
        )
