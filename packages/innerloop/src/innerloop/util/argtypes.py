"""Numbers among the words of a command line, each for an argument's `type`: what is none is one sentence."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def count(text: str, of: str) -> int:
    """1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of {of}: write 1 or more")
    return int(text)


def port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text} is no port: write a number from 1 to 65535")
    return int(text)


def span(text: str, of: str, such_as: int, fits: Callable[[float], bool]) -> float:
    """Seconds, days: a number that may have a fraction, and fits; nan fits no comparison."""
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not fits(number):
        raise argparse.ArgumentTypeError(f"{text} is no number of {of}: write {such_as}")
    return number
