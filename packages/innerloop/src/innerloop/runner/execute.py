"""A run from its plan to its exit code: choose the backend, make the request, submit it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..docker import buildkit, container_context, engine, image_build
from ..history import recorder
from ..local import docker, in_container, venv
from ..model.experiment import Link
from ..model.run import Request, Run
from ..util import console, files
from ..util.errors import UserError, combine
from ..util.process import OutOfTime
from . import environment_resolver, failure_report, venv_requirements
from .plan import new_id, plan, plan_command

__all__ = ["Started", "backend_line", "carry_out", "new_id", "plan", "plan_command", "prepare"]


@dataclass(frozen=True, slots=True)
class Started:
    """A run with its request, and the function that carries the request out."""

    run: Run
    request: Request
    submit: Callable[[Run, Request], int]


def prepare(run: Run, backend: str, *, dry: bool) -> Started:
    """The run's request to the backend that was asked for, or to the first that is available. What
    it needs (an image, an environment) is built on the way, unless `dry`: then the request's notes
    name what is missing."""
    if backend == "in-container" or (
        backend == "auto" and in_container.experiment() == run.experiment.name
    ):
        return _in_container(run, backend)
    if in_container.experiment() is not None and backend != "venv":
        raise _other_container(run)
    if backend == "venv":
        return _venv(run, "asked for", dry)
    image = run.environment.image
    facts = engine.ask(image.name if image else "")
    if not facts.answers and backend == "auto":
        return _venv(run, facts.why, dry)
    why = "asked for" if backend == "docker" else "an engine answers"
    return _docker(run, facts, why, dry)


def carry_out(started: Started) -> int:
    """Print the backend and why it was chosen, run, and print the folder of the outputs. For a part
    of a larger run, the progress table shows that instead."""
    request = started.request
    say = console.print_line if started.run.attended else _say_nothing
    say(backend_line(request))
    for note in request.notes:
        say(f"innerloop: {note}")
    if started.run.in_place:
        return started.submit(started.run, request)
    outputs = files.make_folder(Path(started.run.workspace.root, request.outputs))
    folders = _make_output_folders(started.run, outputs)
    try:
        with recorder.recorded(started.run, request) as ending:
            code = ending.code = _submit(started)
    finally:
        for folder in folders:
            files.remove_if_empty(folder)
        if any(entry.name != recorder.FOLDER for entry in outputs.iterdir()):
            say(f"innerloop: outputs are in {request.outputs}/")
    if code != 0:
        say(f"innerloop: the command ended with exit code {code}{_meaning(code, started)}")
        if started.run.attended:
            failure_report.show(started.run, request, outputs / recorder.LOG)
    return code


def backend_line(request: Request) -> str:
    return f"innerloop: backend {request.backend} ({request.why})"


def _make_output_folders(run: Run, outputs: Path) -> list[Path]:
    """The folders of declared outputs that were created: as on Azure ML, all of them exist before
    the program starts."""
    folders = [outputs / name for name, output in run.job.outputs.items() if not output.is_file]
    return [files.make_folder(folder) for folder in folders if not folder.exists()]


def _submit(started: Started) -> int:
    try:
        return started.submit(started.run, started.request)
    except OutOfTime as timeout:
        limit = started.run.job.timeout
        console.say(f"stopped after {limit} s, the job's time limit")
        return timeout.exit_code


def _docker(run: Run, facts: engine.Engine, why: str, dry: bool) -> Started:
    environment = run.environment
    missing = [environment.missing] if environment.missing else []
    missing += _links_outside(run.links)
    if not facts.answers:
        missing.append(UserError(facts.why, code="engine-unavailable", hint=facts.hint))
    try:
        gpu = engine.decide_gpu(
            run.experiment.settings.gpu, device=engine.has_gpu(), runtime=facts.has_nvidia
        )
    except UserError as error:
        missing.append(error)
        gpu = engine.Gpu(False, "no GPU is available")
    image = environment.image
    # The request first: an error in the command is reported before minutes of building.
    request = docker.request(
        _with_notes(run, environment.notes, missing, dry),
        image=image.name if image else None,
        engine=facts,
        gpu=gpu,
        owner=docker.owner(),
        why=why,
        context=container_context.of_run(run.workspace),
    )
    if not dry and image is not None and not image_build.is_current(image, facts):
        environment_resolver.write_context(environment)
        image_build.build(run.workspace, run.experiment, image)
    return Started(run, request, docker.submit)


def _venv(run: Run, why: str, dry: bool) -> Started:
    packages = venv_requirements.packages_for(run.workspace, run.environment)
    missing = [packages.missing] if packages.missing else []
    program, version, note = venv.interpreter(packages.python)
    environment = venv.environment_of(run.experiment, packages.files, version, packages.text)
    network = buildkit.network_of(run.workspace)
    request = venv.request(
        _with_notes(run, (*packages.notes, *([note] if note else [])), missing, dry),
        environment=None if missing else environment,
        why=why,
        trust=container_context.trust_here(network),
    )
    if not dry:
        venv_requirements.install(run, packages, environment, program, console.print_line, network)
    return Started(run, request, venv.submit)


def _with_notes(run: Run, notes: Sequence[str], missing: Sequence[UserError], dry: bool) -> Run:
    """The run with the notes of its backend. Everything that is missing for a real run is one
    UserError; a dry run gets a note for each."""
    errors = [*run.missing, *missing]
    if errors and not dry:
        raise combine(errors)
    lacking = [f"a real run needs more: {error.message()}" for error in errors]
    return replace(run, notes=(*run.notes, *notes, *lacking))


def _in_container(run: Run, backend: str) -> Started:
    if in_container.experiment() != run.experiment.name:
        raise UserError(
            f"this is not the dev container of {run.experiment.name}",
            code="wrong-container",
            hint="Reopen in that container, or omit --backend",
        )
    why = "asked for" if backend == "in-container" else "we are in the experiment's container"
    from ..devcontainers import staleness  # imported here: other backends do not need it

    notes = [] if run.environment.is_own else [_OTHER_ENVIRONMENT]
    outdated = staleness.outdated(run.workspace, run.experiment.name)
    run = _with_notes(run, [*notes, *(one.message() for one in outdated)], (), dry=True)
    return Started(run, in_container.request(run, why=why), in_container.submit)


_OTHER_ENVIRONMENT = "the job names another environment than this container's"


def _other_container(run: Run) -> UserError:
    return UserError(
        f"this is the dev container of {in_container.experiment()}, not of {run.experiment.name}",
        code="wrong-container",
        hint=f"Run it from a terminal on the host, or reopen in {run.experiment.name}'s container",
    )


def _links_outside(links: Sequence[Link]) -> list[UserError]:
    """An error for each link that leads out of the workspace: no container can follow it."""
    return [
        UserError(
            f"the link leads out of the workspace, to {link.target}",
            code="link-leads-out",
            where=link.path,
            hint="Share code from src/common by a relative link (`scripts/loop share`)",
        )
        for link in links
        if not link.is_inside
    ]


def _meaning(code: int, started: Started) -> str:
    if code == 130:
        return " (stopped by Ctrl-C)"
    if code == 137:
        return " (killed, most often because it ran out of memory)"
    if code == 127 and started.request.container is not None:
        return " (a program that the command names is not in the image)"
    return ""


def _say_nothing(text: str) -> None:
    """For a part of a larger run, whose progress table shows its backend and its end."""
