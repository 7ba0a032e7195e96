"""The environment's image, built when something under environment/ changed."""

from __future__ import annotations

import argparse
import sys

from .. import building, engine, loading

SUMMARY = "Builds the experiment's image; skipped when nothing under environment/ changed."
EXAMPLES = """examples:
  loop build digit_recognition             the image that runs use (the Dockerfile's last stage)
  loop build digit_recognition --dev       the one with debugger, notebook and test tools
  loop build digit_recognition --no-cache --pull
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    parser.add_argument("--dev", action="store_true", help="the stage that people work in")
    parser.add_argument("--no-cache", action="store_true", help="build every layer anew")
    parser.add_argument("--pull", action="store_true", help="look for a newer base image first")


def run(args: argparse.Namespace) -> int:
    workspace = loading.open_workspace(args.root)
    experiment = loading.choose_experiment(workspace, args.experiment, args.cwd)
    image = building.image_of(workspace, experiment, dev=args.dev)
    facts = engine.ask(image.name)
    engine.require(facts)
    if building.is_current(image, facts) and not (args.no_cache or args.pull):
        print(f"innerloop: {image.name} is up to date with environment/", file=sys.stderr)
    else:
        building.build(workspace, experiment, image, no_cache=args.no_cache, pull=args.pull)
    print(image.name)
    return 0
