"""Open a shell in the experiment's environment.

The shell runs in its running dev container, in a container of the same image, or with the cached
environment.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from .. import local
from ..devcontainers import discovery, exec
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..remote import base
from ..runner import execute, gpu_option
from ..runner.execute import Started
from ..runner.interactive import shells, tools_environment
from ..util import console, files, process
from ..workspace import loader

EXAMPLES = """Uses the running dev container; else, and with --gpus, a container of the same image with the whole
workspace, which is removed when you leave; without a Docker engine, your own shell with the cached
environment active.

examples:
  loop terminal digit_recognition
  loop terminal digit_recognition --backend venv
  loop terminal digit_recognition -- python -c 'import torch; print(torch.__version__)'
  echo 'python --version' | loop terminal digit_recognition
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", nargs="?", metavar="EXP", help="default: the folder you are in"
    )
    base.add_run_argument(parser)
    gpu_option.add_argument(parser)


def run(args: argparse.Namespace) -> int:
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    experiment = gpu_option.applied(experiment, args.gpus)
    if (
        args.backend == local.AUTO
        and args.gpus is None
        and (code := _in_open_container(workspace, experiment, args.rest)) is not None
    ):
        return code
    command = f"exec {shlex.join(args.rest)}" if args.rest else shells.BASH_OR_SH
    started = tools_environment.start(
        workspace,
        experiment,
        args.backend,
        command,
        variables=None if args.rest else shells.prompt(experiment.name),
    )
    if not args.rest and sys.stdin.isatty() and "VIRTUAL_ENV" in started.request.env:
        return _own_shell(args.root, started, experiment)
    return execute.carry_out(started)


def _in_open_container(workspace: Workspace, experiment: Experiment, rest: list[str]) -> int | None:
    """Run in the dev container that is running, with everything that was installed in it.

    None if there is none; else the exit code.
    """
    if loader.current_experiment() is not None:
        return None
    containers = discovery.find(workspace, experiment)
    container = next((container for container in containers if container.running), None)
    if container is None:
        return None
    console.say(f"in the running dev container {container.name}")
    shell = [f"{key}={value}" for key, value in shells.prompt(experiment.name).items()]
    words = rest or ["env", *shell, "sh", "-c", shells.BASH_OR_SH]
    folder = Path(workspace.root, experiment.folder)
    return exec.execute(workspace, experiment, words, cwd=folder)


def _own_shell(root: Path, started: Started, experiment: Experiment) -> int:
    """The person's own shell, with its history and aliases, and the environment first on PATH."""
    request = started.request
    folder = root / ".innerloop" / "shell" / experiment.slug
    environment = Path(request.env["VIRTUAL_ENV"])
    windows = os.name == "nt"
    shell = shells.activated(
        shells.of_user(os.environ, windows=windows),
        environment,
        experiment.name,
        folder,
        windows=windows,
    )
    for name, text in shell.files.items():
        files.write_text(folder / name, text)
    own = {key: value for key, value in request.env.items() if key not in shells.prompt("")}
    kept = {"INNERLOOP_ZDOTDIR": os.environ["ZDOTDIR"]} if "ZDOTDIR" in os.environ else {}
    console.say(f"backend venv ({request.why})")
    for note in request.notes:
        console.say(note)
    env = {**os.environ, **request.secrets, **own, **kept, **shell.env}
    return process.run_foreground(shell.argv, cwd=Path(request.cwd), env=env)
