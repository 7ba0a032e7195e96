"""Start the real MLflow over the outputs of runs, on 127.0.0.1."""

from __future__ import annotations

import argparse

from ..runner.interactive import viewers

EXAMPLES = """MLflow is in an environment of its own, made when it is first needed. It shows every run, whatever
wrote its metrics: inputs are parameters, and the artifacts are the run's folder. What you change on
its pages is in a copy, .innerloop/mlflow/, and goes with the next change of the run. It answers at
an address that nobody can guess.

examples:
  loop mlflow                      the runs of all experiments
  loop mlflow digit_recognition    those of one
  loop mlflow --open               in your browser, when it is ready
"""


add_arguments = viewers.add_arguments


def run(args: argparse.Namespace) -> int:
    return viewers.run(args, "MLflow", viewers.mlflow)
