"""Run the job's command in the experiment's environment."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ..model.experiment import Experiment
from ..model.experiment_paths import JOB_FILE
from ..model.jobs.job import Job
from ..model.lint.finding import Finding
from ..model.run import Run
from ..model.workspace import Workspace
from ..remote import base
from ..runner import device_claims, dry_run, gpu_option
from ..util import argtypes, console, selection
from ..util.errors import UsageError
from ..workspace import loader

if TYPE_CHECKING:
    from ..runner import execute
    from ..runner.debug_session import DebugSession
    from ..runner.detached_task import DetachedTask

EXAMPLES = """backends:
  docker         a container with this experiment's code, the shared code it uses and the data
  in-container   right here, in the experiment's dev container
  apptainer      the same as a container of Apptainer or Singularity, for HPC machines
  venv           a cached environment from environment/requirements.txt
  auto           the first available of in-container, docker, apptainer, venv (the default)
  ssh:NAME       a machine of [remote.NAME], or a host of ~/.ssh/config; outputs come back
  slurm          the cluster whose login node this is; slurm:NAME one that ssh reaches

examples:
  loop run digit_recognition
  loop run digit_recognition --set inputs.epochs=2
  loop run digit_recognition --ask                        asks for the inputs' values
  loop run digit_recognition -- --learning_rate 0.01      arguments after -- go to the command
  loop run digit_recognition --script evaluate.py -- --verbose
  loop run digit_recognition --dry-run --json             what would happen, as JSON
  loop run digit_recognition --gpus none                  the CPU; or all, 2, 0,2, device=0
  loop run digit_recognition --detach                     later, when its GPU or a core is free
  loop run digit_recognition --backend ssh:gpubox --detach   leaves it running there
  loop run digit_recognition --debug                      waits for a debugger (F5 does it for you)
  loop run jobs/train.yml                     a job file anywhere in the workspace
  loop run EXP --file other.yml               another job file of an experiment
  loop run EXP --processes 2                  a distributed job with two processes
  (`loop help job` explains inputs, outputs, environments and distribution)

a sweep job:
  loop run EXP                                the first value of each choice, the middle of a range
  loop run EXP --set search_space.lr=0.01     one trial with this value
  loop run EXP --trials 8 --seed 1            eight trials by its sampling rule, then their table
  loop run EXP --trials 8 --parallel 2        two at once, each on a GPU of its own if there are some
  (limits.max_total_trials, max_concurrent_trials, trial_timeout and timeout apply; the metric is
  read from the trial's outputs/metrics.json, or from what it logs with MLflow)

a pipeline job:
  loop run EXP --file pipeline.yml            every step, each in its own environment
  loop run EXP --file pipeline.yml --set jobs.train.inputs.epochs=2
  loop run EXP --file pipeline.yml --step train       this step alone, on the last run's outputs
  loop run EXP --file pipeline.yml --from-run RUN     keeps what succeeded in RUN, runs the rest
  (a step's outputs are in outputs/EXP/RUN/STEP/, the pipeline's own in outputs/EXP/RUN/NAME)
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment",
        nargs="?",
        metavar="EXP",
        help="an experiment, or the path of a job file (default: the folder you are in)",
    )
    base.add_run_argument(parser, machines=True)
    gpu_option.add_argument(parser)
    parser.add_argument("--file", help=f"the job file in EXP's folder (default: {JOB_FILE})")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="inputs.x=v",
        help="change one value of the job",
    )
    parser.add_argument(
        "--processes",
        type=partial(argtypes.count, of="processes"),
        metavar="N",
        help="number of processes of a distributed job, instead of the job file's",
    )
    parser.add_argument("--ask", action="store_true", help="ask for the values of the job's inputs")
    parser.add_argument("--script", metavar="F", help="run this file instead of the job's command")
    parser.add_argument(
        "--debug", action="store_true", help="wait for the editor, debug every Python process"
    )
    parser.add_argument(
        "--port",
        type=argtypes.port,
        metavar="N",
        help="with --debug: the port; an error if it is in use",
    )
    parser.add_argument(
        "--detach",
        action="store_true",
        help="leave it in the queue, or running on ssh:NAME or slurm",
    )
    dry_run.add_arguments(parser)
    parser.add_argument(
        "--docker-option", action="append", default=[], metavar="OPT", help="passed to `docker run`"
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="let the job have what it asks for beyond the workspace, and remember it",
    )
    parser.add_argument(
        "--trials",
        type=partial(argtypes.count, of="trials"),
        metavar="N",
        help="a sweep: run N trials",
    )
    parser.add_argument(
        "--parallel",
        type=partial(argtypes.count, of="parts at once"),
        metavar="P",
        help="trials or steps at once (default: as the job and this machine's GPUs allow)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="S", help="with --trials: the same seed draws the same trials"
    )
    parser.add_argument("--step", metavar="NAME", help="a pipeline: run this step alone")
    parser.add_argument(
        "--from-run", metavar="RUN", help="a pipeline: keep the outputs of this run"
    )


def run(args: argparse.Namespace) -> int:
    with base.runnable(args.backend, args.root, dry=args.dry_run) as args.backend:
        if not args.debug:
            return _run(args)
        from ..runner import debug

        return debug.in_session(partial(_run, args), args.root, args.experiment, args.file)


def _run(args: argparse.Namespace, session: DebugSession | None = None) -> int:
    # Here, so that a connection begins before they are imported.
    from ..runner import execute, preflight

    dry_run.require_dry(args)
    workspace = loader.open_workspace(args.root)
    experiment, file = loader.choose_job(workspace, args.experiment, args.file, args.cwd)
    experiment = gpu_option.applied(experiment, args.gpus)
    job = loader.open_job(workspace, experiment, file, args.set)
    if args.ask:
        from ..runner.prompt_inputs import ask

        job = ask(job)
    if args.debug and job.kind == "pipeline" and not args.step:
        args.step = chosen_step(job)
    _check_options(args, job)
    is_here = isinstance(args.backend, str)
    if is_here and not args.dry_run and not args.detach and _is_one(args, job):
        experiment = device_claims.for_run(experiment, console.say)
    findings = [] if args.script else preflight.findings(args.root, job)
    if job.kind == "pipeline":
        preflight.require(findings, dry=args.dry_run or bool(args.step))
        return _pipeline(args, workspace, experiment, job, session)
    values: Mapping[str, str] = {}
    if job.kind == "sweep":
        from ..runner import pipeline_plan, sweep_executor

        job = pipeline_plan.swept_job(workspace, job)
        if args.trials is not None:
            return _sweep(args, workspace, experiment, job, findings)
        job, values = sweep_executor.one_trial(job)
    plan = _plan(args, workspace, experiment, job, findings)
    if args.detach and is_here and not args.dry_run:
        from ..runner import detached_run

        return _left(detached_run.of_run(plan, _backend(args), trusted=args.trust))
    started = execute.prepare(plan, args.backend, dry=args.dry_run, trusted=args.trust)
    started = _debugged(args, started, session)
    if args.dry_run:
        dry_run.show(
            started.request, {"search_space": dict(values)} if values else {}, as_json=args.json
        )
        return 0
    if values:
        console.say(f"one trial: {dry_run.assignments(values)}")
    if args.detach:
        return _detached(args, started)
    code = _carry_out(args, started)
    if args.lookup is not None and not args.debug and not values:
        from ..runner import run_cache

        run_cache.keep(args.lookup, started)
    return code


def _detached(args: argparse.Namespace, started: execute.Started) -> int:
    """Leave the run on the machine where it goes; the job's name is all of stdout."""
    from ..runner import execute

    machine: base.MachineRun = args.backend
    execute.announce(started)
    job = machine.left_running(started.run, started.request)
    print(job.name, flush=True)
    console.say(
        f"it runs on {job.compute}: `scripts/loop logs {job.name} --follow` shows its output, "
        f"`scripts/loop download {job.name}` brings its outputs, `scripts/loop cancel {job.name}` "
        "stops it"
    )
    return 0


def chosen_step(job: Job) -> str | None:
    """The step of a pipeline that the person wants to debug; None if nobody can be asked."""
    steps = job.document.get("jobs")
    if not isinstance(steps, dict) or not console.can_ask():
        return None
    options = [selection.Option(str(step)) for step in steps]
    option = selection.choose(options, "Which step?", default=True) if options else None
    return None if option is None else option.label


def _debugged(
    args: argparse.Namespace, started: execute.Started, session: DebugSession | None
) -> execute.Started:
    if session is None:
        return started
    from ..runner import debug

    machine = None if isinstance(args.backend, str) else args.backend
    return debug.prepare(started, args.port, args.dry_run, session, machine)


def _carry_out(args: argparse.Namespace, started: execute.Started) -> int:
    from ..runner import execute

    if not args.debug:
        return execute.carry_out(started)
    from ..runner import debug

    return debug.carry_out(started)


def _plan(
    args: argparse.Namespace,
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    findings: Sequence[Finding],
) -> Run:
    from ..runner import execute, preflight

    notes = (preflight.warning(findings, job), preflight.outdated_lock(findings))
    return execute.plan(
        workspace,
        experiment,
        job,
        script=args.script,
        arguments=tuple(args.rest),
        options=tuple(args.docker_option),
        processes=args.processes,
        errors=preflight.errors(findings),
        notes=[note for note in notes if note],
        elsewhere=_elsewhere(args, experiment),
        dry=args.dry_run,
    )


def _elsewhere(args: argparse.Namespace, experiment: Experiment) -> Mapping[str, str] | None:
    """What another machine has already; None if the run is on this one."""
    return None if isinstance(args.backend, str) else args.backend.elsewhere(experiment)


def _sweep(
    args: argparse.Namespace,
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    findings: Sequence[Finding],
) -> int:
    from ..runner import execute, sweep_executor

    drawn = sweep_executor.draw(job, args.trials, args.seed, dry=args.dry_run)
    claims = not args.dry_run and not args.detach and isinstance(args.backend, str)
    if claims and sweep_executor.is_serial(job, experiment.settings.gpu, args.parallel):
        experiment = device_claims.for_run(experiment, console.say)
    first = _plan(
        args, workspace, experiment, sweep_executor.job_of(job, drawn.values[0]), findings
    )
    if args.detach and not args.dry_run and isinstance(args.backend, str):
        from ..runner import detached_run

        return _left(
            detached_run.of_sweep(
                first, job, drawn, _backend(args), parallel=args.parallel, trusted=args.trust
            )
        )
    sweep = sweep_executor.plan(job, first, drawn)
    prepare = partial(execute.prepare, backend=args.backend, trusted=args.trust)
    if not args.dry_run:
        groups = _groups(args) if sweep.study_seed is None else None
        if sweep.study_seed is not None and args.detach:
            what = "bayesian sampling chooses a trial's values by results that come back here"
            raise _not_applicable(what, "Omit --detach")
        if groups is not None:
            return groups.sweep(sweep, prepare, args.parallel, detach=args.detach)
        return sweep_executor.carry_out(sweep, prepare, args.parallel)
    groups = _groups(args) if sweep.study_seed is None else None
    script = groups.script_of_sweep(sweep, prepare, args.parallel) if groups is not None else ""
    trials = sweep_executor.requests(sweep, prepare)
    if script:
        trials = [{key: trial[key] for key in trial if key != "script"} for trial in trials]
    summary = dry_run.summary(first, trials, script=script)
    dry_run.show_several(summary, "trials", trials, as_json=args.json)
    for note in drawn.notes:
        console.say(note)
    return 0


def _groups(args: argparse.Namespace) -> base.MachineGroups | None:
    return None if isinstance(args.backend, str) else args.backend.groups


def _pipeline(
    args: argparse.Namespace,
    workspace: Workspace,
    experiment: Experiment,
    job: Job,
    session: DebugSession | None,
) -> int:
    from ..runner import execute, pipeline_executor, pipeline_plan

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
        elsewhere=_elsewhere(args, experiment),
        dry=args.dry_run,
    )
    prepare = partial(execute.prepare, backend=args.backend, trusted=args.trust)
    if args.detach and not args.dry_run and isinstance(args.backend, str):
        from ..runner import detached_run

        obstacle = pipeline_plan.no_local_equivalent(planned)
        if obstacle is not None:
            raise obstacle
        return _left(
            detached_run.of_pipeline(
                planned, prepare, _backend(args), parallel=args.parallel,
                step=args.step if not args.trials else None, arguments=tuple(args.rest),
            )
        )  # fmt: skip
    if args.step and not args.trials:
        planned = planned if args.dry_run else pipeline_plan.fetched(planned)
        plan = pipeline_plan.run_of(planned, planned.steps[0], args.dry_run)
        plan = replace(plan, arguments=tuple(args.rest), attended=True)
        started = _debugged(args, prepare(plan, dry=args.dry_run), session)
        if args.dry_run:
            dry_run.show(started.request, {"step": args.step}, as_json=args.json)
            return 0
        started = pipeline_executor.recorded(planned, started)
        return _carry_out(args, started)
    obstacle = pipeline_plan.no_local_equivalent(planned)
    if not args.dry_run:
        if obstacle is not None:
            raise obstacle
        if (groups := _groups(args)) is not None:
            return groups.pipeline(planned, prepare, args.parallel, detach=args.detach)
        if isinstance(args.backend, str):
            planned = pipeline_executor.with_gpus(planned, args.parallel, console.say)
        return pipeline_executor.carry_out(planned, prepare, args.parallel)
    groups = _groups(args)
    script = groups.script_of_pipeline(planned) if groups is not None else ""
    steps, errors = pipeline_plan.requests(planned, prepare)
    notes = [f"a real run needs more: {error.message()}" for error in planned.run.missing]
    request = dry_run.summary(planned.run, steps, notes, script)
    dry_run.show_several(request, "steps", steps, as_json=args.json)
    if obstacle is not None or errors:
        raise obstacle or errors[0]
    return 0


def _check_options(args: argparse.Namespace, job: Job) -> None:
    """UsageError for options that do not apply to this kind of job."""
    for option, value, kinds in (
        ("--trials", args.trials, ("sweep", "pipeline")),
        ("--step", args.step, ("pipeline",)),
        ("--from-run", args.from_run, ("pipeline",)),
    ):
        if value is not None and job.kind not in kinds:
            raise UsageError(
                f"{option} is for a {kinds[0]} job, and {job.name} is a {job.kind} job",
                code="option-not-applicable",
                hint=f"Name a {kinds[0]} job with --file, or omit {option}",
            )
    is_pipeline = job.kind == "pipeline"
    if args.detach:
        _require_detachable(args, is_pipeline)
    if args.port is not None and not args.debug:
        raise _not_applicable("--port is the debugger's port", "Add --debug")
    if args.debug and args.trials is not None:
        raise _not_applicable("only one trial can be debugged", "Omit --trials or --debug")
    if args.debug and is_pipeline and not args.step:
        raise _not_applicable("only one step can be debugged", "Name it with --step")
    if args.parallel is not None and (args.step or (args.trials is None and not is_pipeline)):
        what = "--parallel is for the trials of a sweep and the steps of a pipeline"
        raise _not_applicable(what, "Add --trials N, or omit --parallel")
    if args.seed is not None and args.trials is None:
        raise _not_applicable("--seed is for drawing trials", "Add --trials N")
    if is_pipeline and args.script:
        raise _not_applicable("a pipeline has steps and no script", "Omit --script")
    if is_pipeline and args.rest and not args.step:
        raise _not_applicable("arguments after -- go to one command", "Name its step with --step")


def _is_one(args: argparse.Namespace, job: Job) -> bool:
    """Whether one program runs at a time, which has the GPUs from the start on."""
    return args.trials is None and (job.kind != "pipeline" or bool(args.step))


def _require_detachable(args: argparse.Namespace, is_pipeline: bool) -> None:
    if args.debug:
        raise _not_applicable("--detach leaves a run alone, and --debug waits", "Omit one of them")
    if isinstance(args.backend, str):
        return
    has_parts = args.trials is not None or is_pipeline
    if has_parts and (args.backend.groups is None or args.step):
        raise _not_applicable(
            "--detach is for one run of a command job there", "Omit it, or --trials and --step"
        )


def _backend(args: argparse.Namespace) -> str:
    """The backend of this machine that was asked for."""
    assert isinstance(args.backend, str)
    return args.backend


def _left(task: DetachedTask) -> int:
    """Say what was left to itself: its ID is all of stdout."""
    print(task.id, flush=True)
    console.say(
        f"it runs when it is its turn: `scripts/loop logs {task.id} --follow` shows its output, "
        f"`scripts/loop status` who waits, `scripts/loop cancel {task.id}` stops it"
    )
    return 0


def _not_applicable(what: str, hint: str) -> UsageError:
    return UsageError(what, code="option-not-applicable", hint=hint)
