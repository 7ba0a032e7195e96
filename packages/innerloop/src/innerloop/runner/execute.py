"""A run from its plan to its exit code: choose the place, make the request, submit it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..docker import buildkit, container_context, engine, image_build
from ..history import recorder
from ..local import docker, in_container, venv
from ..model.experiment import Link
from ..model.run import Request, Run
from ..util import files
from ..util.errors import UserError, combine
from ..util.process import OutOfTime
from . import environment_resolver, failure_report, venv_requirements
from .plan import new_id, plan, plan_command

__all__ = ["Started", "carry_out", "new_id", "plan", "plan_command", "prepare", "where_and_why"]


@dataclass(frozen=True, slots=True)
class Started:
    """A request together with the function that carries it out."""

    run: Run
    request: Request
    submit: Callable[[Run, Request], int]


def prepare(run: Run, backend: str, *, dry: bool, dev: bool = False) -> Started:
    """The request, in the place asked for or the first that can be had. What it needs (an image,
    an environment) is made on the way, unless `dry`: then the request's notes say what is missing.
    `dev` asks for the environment with the tools that people work with (pytest, notebook,
    debugger)."""
    if backend == "in-container" or (
        backend == "auto" and in_container.experiment() == run.experiment.name
    ):
        return _inside(run, backend)
    if in_container.experiment() is not None and backend != "venv":
        return _elsewhere(run)
    if backend == "venv":
        return _venv(run, "asked for", dry, dev)
    wanted = environment_resolver.image_for(run, dev=dev)
    facts = engine.ask(wanted.image.name if wanted.image else "")
    if not facts.answers and backend == "auto":
        return _venv(run, facts.why, dry, dev)
    why = "asked for" if backend == "docker" else "an engine answers"
    return _docker(run, wanted, facts, why, dry)


def carry_out(started: Started) -> int:
    """Says where it runs and why, runs it, and names the folder with what it wrote; of a part of
    a larger run its table says that."""
    wanted = started.request
    tell = _say if started.run.attended else _say_nothing
    tell(where_and_why(wanted))
    for note in wanted.notes:
        tell(f"innerloop: {note}")
    if started.run.in_place:
        return started.submit(started.run, wanted)
    outputs = files.make_folder(Path(started.run.workspace.root, wanted.outputs))
    made = _output_folders(started.run, outputs)
    try:
        with recorder.recorded(started.run, wanted) as ending:
            code = ending.code = _submitted(started)
    finally:
        for folder in made:
            files.remove_if_empty(folder)
        if any(entry.name != recorder.FOLDER for entry in outputs.iterdir()):
            tell(f"innerloop: outputs are in {wanted.outputs}/")
    if code != 0:
        tell(f"innerloop: the command ended with exit code {code}{_meaning(code, started)}")
        if started.run.attended:
            failure_report.show(started.run, wanted, outputs / recorder.LOG)
    return code


def where_and_why(wanted: Request) -> str:
    return f"innerloop: backend {wanted.backend} ({wanted.why})"


def _output_folders(run: Run, outputs: Path) -> list[Path]:
    """The folders of declared outputs are there before the program starts, as on Azure ML."""
    wanted = [outputs / name for name, one in run.job.outputs.items() if not one.is_file]
    return [files.make_folder(folder) for folder in wanted if not folder.exists()]


def _submitted(started: Started) -> int:
    try:
        return started.submit(started.run, started.request)
    except OutOfTime as late:
        limit = started.run.job.timeout
        _say(f"innerloop: ended after {limit} s: the job's limits allow no more")
        return late.exit_code


def _docker(
    run: Run, wanted: environment_resolver.ResolvedImage, facts: engine.Engine, why: str, dry: bool
) -> Started:
    missing = [*([] if wanted.missing is None else [wanted.missing]), *_leading_out(run.links)]
    if not facts.answers:
        missing.append(UserError(facts.why, hint=facts.hint))
    try:
        gpu = engine.decide_gpu(
            run.experiment.settings.gpu, device=engine.has_gpu(), runtime=facts.has_nvidia
        )
    except UserError as mistake:
        missing.append(mistake)
        gpu = engine.Gpu(False, "no GPU can be had")
    image = wanted.image
    # The request first: what is wrong with the command is said before minutes of building.
    request = docker.request(
        _with_notes(run, wanted.notes, missing, dry),
        image=image.name if image else None,
        engine=facts,
        gpu=gpu,
        owner=docker.owner(),
        why=why,
        context=container_context.of_run(run.workspace),
    )
    if not dry and image is not None and not image_build.is_current(image, facts):
        environment_resolver.write_context(run, image)
        image_build.build(run.workspace, run.experiment, image)
    return Started(run, request, docker.submit)


def _venv(run: Run, why: str, dry: bool, dev: bool) -> Started:
    wanted = venv_requirements.packages_for(run, dev=dev)
    missing = [] if wanted.missing is None else [wanted.missing]
    program, version, note = venv.interpreter(wanted.python)
    environment = venv.environment_of(run.experiment, wanted.files, version, wanted.text)
    reach = buildkit.network_of(run.workspace)
    request = venv.request(
        _with_notes(run, (*wanted.notes, *([note] if note else [])), missing, dry),
        environment=None if missing else environment,
        why=why,
        trust=container_context.trust_here(reach),
    )
    if not dry:
        venv_requirements.install(run, wanted, environment, program, _say, reach)
    return Started(run, request, venv.submit)


def _with_notes(run: Run, notes: Sequence[str], missing: Sequence[UserError], dry: bool) -> Run:
    """The run with what is to be said of this place. What is missing ends a real run here, all of
    it at once."""
    everything = [*run.missing, *missing]
    if everything and not dry:
        raise combine(everything)
    lacking = [f"a real run needs more: {mistake.message()}" for mistake in everything]
    return replace(run, notes=(*run.notes, *notes, *lacking))


def _inside(run: Run, backend: str) -> Started:
    if in_container.experiment() != run.experiment.name:
        raise UserError(
            f"this is not the dev container of {run.experiment.name}",
            hint="Reopen in that container, or leave --backend away",
        )
    why = "asked for" if backend == "in-container" else "we are in the experiment's container"
    from ..devcontainers import staleness  # here, since runs elsewhere do not need it

    other = [] if environment_resolver.is_own(run) else [_OTHER_ENVIRONMENT]
    other += [one.message() for one in staleness.outdated(run.workspace, run.experiment.name)]
    run = _with_notes(run, other, (), dry=True)
    return Started(run, in_container.request(run, why=why), in_container.submit)


_OTHER_ENVIRONMENT = "the job names another environment than this container's"


def _elsewhere(run: Run) -> Started:
    raise UserError(
        f"this is the dev container of {in_container.experiment()}, not of {run.experiment.name}",
        hint=f"Run it from a terminal on the host, or reopen in {run.experiment.name}'s container",
    )


def _leading_out(links: Sequence[Link]) -> list[UserError]:
    """Links to what no other machine has; only the place docker cannot follow them."""
    return [
        UserError(
            f"the link leads out of the workspace, to {link.target}",
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
        return " (killed: out of memory, most often)"
    if code == 127 and started.request.backend == "docker":
        return " (a program that the command names is not in the image)"
    return ""


def _say_nothing(text: str) -> None:
    """A part's place and end stand in the table of the whole."""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
