"""The environment's image, built when something under environment/ changed."""

from __future__ import annotations

import argparse
import sys

from .. import engine, loading
from ..errors import Mistake, WrongUse
from ..images import building, prebuilt
from ..spec.experiment import Experiment
from ..spec.workspace import Workspace

SUMMARY = "Builds the experiment's image; skipped when nothing under environment/ changed."
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
    workspace = loading.open_workspace(args.root)
    if args.push and not workspace.settings.registry:
        raise Mistake(
            "there is no registry to push to",
            where="pyproject.toml",
            mend='Set registry = "ghcr.io/owner/name" under [tool.innerloop]',
        )
    for experiment, dev in _wanted(args, workspace):
        image = building.image_of(workspace, experiment, dev=dev)
        _build(args, workspace, experiment, image)
        if args.push:
            _push(workspace, image)
        print(image.name, flush=True)
    return 0


def _wanted(args: argparse.Namespace, workspace: Workspace) -> list[tuple[Experiment, bool]]:
    """Which images: (experiment, whether the one that people work in)."""
    if not args.all:
        return [(loading.choose_experiment(workspace, args.experiment, args.cwd), args.dev)]
    if args.experiment:
        raise WrongUse("--all is every experiment", mend=f"Leave {args.experiment} or --all away")
    every = [loading.open_experiment(workspace, name) for name in workspace.experiments]
    return [
        (one, dev)
        for one in every
        for dev in (False, True)
        if not dev or one.dev_stage != one.dockerfile.last
    ]


def _build(
    args: argparse.Namespace, workspace: Workspace, experiment: Experiment, image: building.Image
) -> None:
    facts = engine.ask(image.name)
    engine.require(facts)
    if building.is_current(image, facts) and not (args.no_cache or args.pull or args.push):
        _say(f"{image.name} is up to date with environment/")
        return
    building.build(
        workspace, experiment, image, no_cache=args.no_cache, pull=args.pull, lend=args.push
    )


def _push(workspace: Workspace, image: building.Image) -> None:
    shared = building.prebuilt_names(workspace, image)
    assert shared is not None
    _say(f"pushing {shared.exact}")
    prebuilt.push(shared, image.name, lambda line: print(f"  {line}", file=sys.stderr))


def _say(text: str) -> None:
    print(f"innerloop: {text}", file=sys.stderr, flush=True)
