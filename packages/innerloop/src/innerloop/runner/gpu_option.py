"""`--gpus` of commands that start a program: the setting `gpu` for this call."""

from __future__ import annotations

import argparse
from dataclasses import replace

from ..model.experiment import Experiment
from ..model.gpu import OPTION_WORDS, GpuSetting, parse_option
from ..util.errors import UsageError


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--gpus",
        type=_parsed,
        metavar="WHICH",
        help="auto, all, none, a number, or devices: 0,2 (default: the setting gpu)",
    )


def applied(experiment: Experiment, gpus: GpuSetting | None) -> Experiment:
    """The experiment with the GPUs that the command line asks for, if it does."""
    if gpus is None:
        return experiment
    return replace(experiment, settings=replace(experiment.settings, gpu=gpus))


def _parsed(text: str) -> GpuSetting:
    try:
        return parse_option(text)
    except ValueError as error:
        what = str(error)
        raise UsageError(what, code="gpus-invalid", hint=OPTION_WORDS) from error
