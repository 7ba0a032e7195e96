"""Every command with one line; one page per command; a page on settings and one on job files."""

from __future__ import annotations

import argparse

SUMMARY = "Shows every command, or explains one: its arguments and worked examples."
EXAMPLES = """examples:
  loop help
  loop help run
  loop help settings     [tool.innerloop] and innerloop.toml
  loop help job          the shortest job file
"""

JOB = """The job file says what to run: src/<experiment>/azure-ml-job.yaml. The shortest one:

    $schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
    command: python train.py --epochs ${{inputs.epochs}}
    inputs:
      epochs: 8
    code: .
    environment:
      build:
        path: ./environment
    compute: azureml:cpu-cluster

`loop run` replaces ${{inputs.epochs}} by 8 and runs the text in the code's folder. Data inputs
(path: azureml:mnist:1) are data/mnist here. What the program writes to ./outputs is kept in
outputs/<experiment>/<run>/.
"""

SETTINGS = """Settings of the workspace stand in pyproject.toml under [tool.innerloop]; those of one
experiment in its innerloop.toml. The nearer one wins.

    gpu = "auto"              "auto": a GPU where there is one; "all": insist; "none": CPU
    ports = [6006]            more ports that the dev container forwards
    dev_stage = "dev"         the Dockerfile's stage that people work in

    [data.data_path]          for the job's input data_path
    path = "data/mnist"       where its data are (default: data/<name of the asset>)
    create = true             the program fills the folder itself: make it when it is missing
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("command", nargs="?", metavar="COMMAND")


def run(args: argparse.Namespace) -> int:
    from .. import cli

    pages = {"settings": SETTINGS, "job": JOB}
    if args.command is None:
        print(_overview())
    elif args.command in pages:
        print(pages[args.command], end="")
    else:
        print(cli.parser_of(args.command, cli.command(args.command)).format_help(), end="")
    return 0


def _overview() -> str:
    from .. import __version__, cli

    rows = [f"  {name:<9}{cli.command(name).SUMMARY}" for name in cli.COMMANDS]
    return "\n".join(
        [
            f"innerloop {__version__}: the same code, environment and command, wherever it runs",
            "",
            *rows,
            "",
            "`loop help COMMAND` explains one. `loop run digit_recognition` is a good start.",
        ]
    )
