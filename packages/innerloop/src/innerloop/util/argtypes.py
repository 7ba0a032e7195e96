"""Values of argparse's `type` for numbers. Invalid text raises ArgumentTypeError."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def count(text: str, of: str) -> int:
    """A number of things (`of`): 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of {of}: write 1 or more")
    return int(text)


def port(text: str) -> int:
    """A TCP port."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text} is not a port: write a number from 1 to 65535")
    return int(text)


def span(text: str, of: str, such_as: int, fits: Callable[[float], bool]) -> float:
    """A length of time in seconds or days, possibly a fraction, for which `fits` is true.

    `such_as` is an example for the message.
    """
    try:
        number = float(text)
    except ValueError:
        number = float("nan")  # fits no comparison
    if not fits(number):
        raise argparse.ArgumentTypeError(f"{text} is not a number of {of}: write {such_as}")
    return number
