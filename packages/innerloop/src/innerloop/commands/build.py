"""Build the experiment's image, if environment/ has changed."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..apptainer import program, sif_build, sif_files
from ..docker import engine, image_build, image_registry
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import console
from ..util.errors import UsageError, UserError
from ..util.progress import Progress
from ..workspace import loader

EXAMPLES = """examples:
  loop build digit_recognition             the image for runs: the Dockerfile's last stage
  loop build digit_recognition --dev       the stage with debugger, notebook and test tools
  loop build digit_recognition --no-cache --pull
  loop build digit_recognition --backend apptainer     the image file, on a login node for instance
  loop build --all                         both images of every experiment
  loop build --all --push                  also push them: a first build elsewhere is then a pull

--push needs [tool.innerloop] registry = "ghcr.io/owner/name" in pyproject.toml and `docker login`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument(
        "--backend",
        choices=("docker", sif_build.BACKEND),
        default="docker",
        help="what makes it: an engine's image (default), or an image file of Apptainer",
    )
    parser.add_argument("--dev", action="store_true", help="the stage for development")
    parser.add_argument("--all", action="store_true", help="both images of every experiment")
    parser.add_argument("--push", action="store_true", help="push them to the registry as well")
    parser.add_argument("--no-cache", action="store_true", help="rebuild every layer")
    parser.add_argument("--pull", action="store_true", help="pull a newer base image first")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    if args.push and not workspace.settings.registry:
        raise UserError(
            "no registry is set",
            code="registry-missing",
            where="pyproject.toml",
            hint='Set registry = "ghcr.io/owner/name" under [tool.innerloop]',
        )
    for experiment, dev in _images(args, workspace):
        # Other machines get a pushed image: it has the full lock.
        image = image_build.image_of(workspace, experiment, dev=dev, full=args.push)
        if args.backend == sif_build.BACKEND:
            print(_image_file(args, workspace, experiment, image), flush=True)
            continue
        _build(args, workspace, experiment, image)
        if args.push and image.dockerfile is not None:
            _push(workspace, image)
        print(image.name, flush=True)
    return 0


def _images(args: argparse.Namespace, workspace: Workspace) -> list[tuple[Experiment, bool]]:
    """The images to build: (experiment, whether its development stage)."""
    if not args.all:
        experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
        loader.require_environment(workspace, experiment)
        return [(experiment, args.dev)]
    if args.experiment:
        raise UsageError(
            "--all builds every experiment",
            code="options-exclusive",
            hint=f"Omit {args.experiment} or --all",
        )
    experiments = [loader.open_experiment(workspace, name) for name in workspace.experiments]
    return [
        (experiment, dev)
        for experiment in experiments
        if experiment.is_own and experiment.paths.source != "image"
        for dev in (False, True)
        if not dev or experiment.dev_stage != experiment.dockerfile.last
    ]


def _build(
    args: argparse.Namespace, workspace: Workspace, experiment: Experiment, image: Image
) -> None:
    facts = engine.ask(image.name)
    engine.require(facts)
    if image_build.is_current(image, facts) and not (args.no_cache or args.pull or args.push):
        console.say(f"{image.name} is up to date with environment/")
        return
    image_build.build(
        workspace, experiment, image, no_cache=args.no_cache, pull=args.pull, inline_cache=args.push
    )


def _image_file(
    args: argparse.Namespace, workspace: Workspace, experiment: Experiment, image: Image
) -> Path:
    if args.push or args.no_cache or args.pull:
        raise UsageError(
            "--push, --no-cache and --pull are for the image of an engine",
            code="option-not-applicable",
            hint="Omit them, or --backend apptainer",
        )
    facts = program.ask()
    if facts.program is None:
        raise program.unavailable(facts)
    if sif_files.path_of(experiment, image).is_file():
        console.say(f"the image file of {image.name} is up to date with environment/")
    return sif_build.ensure(workspace, experiment, image, facts.program)


def _push(workspace: Workspace, image: Image) -> None:
    names = image_build.prebuilt_names(workspace, image)
    assert names is not None
    console.say(f"pushing {names.exact}")
    with Progress() as progress:
        image_registry.push(names, image.name, progress.log)
