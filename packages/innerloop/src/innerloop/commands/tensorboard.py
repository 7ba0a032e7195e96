"""Start the real TensorBoard over the outputs of runs, on 127.0.0.1."""

from __future__ import annotations

import argparse

from ..runner.interactive import viewers

EXAMPLES = """TensorBoard is in an environment of its own, made when it is first needed. It reads event files
below outputs/, also those that runs go on to write. It answers at an address that nobody can guess.

examples:
  loop tensorboard                      the runs of all experiments
  loop tensorboard digit_recognition    those of one
  loop tensorboard --open               in your browser, when it is ready
"""


add_arguments = viewers.add_arguments


def run(args: argparse.Namespace) -> int:
    return viewers.run(args, "TensorBoard", viewers.tensorboard)
