"""The environment's image, built when something under environment/ changed."""

from __future__ import annotations

import argparse
import sys

from ..docker import engine, image_build, image_registry
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util.errors import UsageError, UserError
from ..workspace import loader

EXAMPLES = """examples:
  loop build digit_recognition             the image that runs use (the Dockerfile's last stage)
  loop build digit_recognition --dev       the one with debugger, notebook and test tools
  loop build digit_recognition --no-cache --pull
  loop build --all                         both images of every experiment
  loop build --all --push                  and pushes them, so that a first build elsewhere is a pull

--push wants [tool.innerloop] registry = "ghcr.io/owner/name" in pyproject.toml and a `docker login`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("--dev", action="store_true", help="the stage that people work in")
    parser.add_argument("--all", action="store_true", help="both images of every experiment")
    parser.add_argument("--push", action="store_true", help="push them to the registry as well")
    parser.add_argument("--no-cache", action="store_true", help="build every layer anew")
    parser.add_argument("--pull", action="store_true", help="look for a newer base image first")


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    if args.push and not workspace.settings.registry:
        raise UserError(
            "there is no registry to push to",
            where="pyproject.toml",
            hint='Set registry = "ghcr.io/owner/name" under [tool.innerloop]',
        )
    for experiment, dev in _wanted(args, workspace):
        image = image_build.image_of(workspace, experiment, dev=dev)
        _build(args, workspace, experiment, image)
        if args.push:
            _push(workspace, image)
        print(image.name, flush=True)
    return 0


def _wanted(args: argparse.Namespace, workspace: Workspace) -> list[tuple[Experiment, bool]]:
    """Which images: (experiment, whether the one that people work in)."""
    if not args.all:
        return [(loader.choose_experiment(workspace, args.experiment, args.cwd), args.dev)]
    if args.experiment:
        raise UsageError("--all is every experiment", hint=f"Leave {args.experiment} or --all away")
    every = [loader.open_experiment(workspace, name) for name in workspace.experiments]
    return [
        (one, dev)
        for one in every
        for dev in (False, True)
        if not dev or one.dev_stage != one.dockerfile.last
    ]


def _build(
    args: argparse.Namespace, workspace: Workspace, experiment: Experiment, image: Image
) -> None:
    facts = engine.ask(image.name)
    engine.require(facts)
    if image_build.is_current(image, facts) and not (args.no_cache or args.pull or args.push):
        _say(f"{image.name} is up to date with environment/")
        return
    image_build.build(
        workspace, experiment, image, no_cache=args.no_cache, pull=args.pull, inline_cache=args.push
    )


def _push(workspace: Workspace, image: Image) -> None:
    shared = image_build.prebuilt_names(workspace, image)
    assert shared is not None
    _say(f"pushing {shared.exact}")
    image_registry.push(shared, image.name, lambda line: print(f"  {line}", file=sys.stderr))


def _say(text: str) -> None:
    print(f"innerloop: {text}", file=sys.stderr, flush=True)
