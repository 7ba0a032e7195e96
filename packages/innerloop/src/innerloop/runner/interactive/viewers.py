"""TensorBoard and MLflow over the outputs of runs: the real programs, each in an environment of its own.

They listen at 127.0.0.1, which every user of the machine can reach: so they answer below a path that
nobody can guess. It is in no command line, which everybody can read.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ...history import mlflow_mirror
from ...util import argtypes, console, locked_environments, ports, process, venvs
from ...util.errors import UserError
from ...workspace import loader
from . import jupyter

PROGRAMS = locked_environments.PACKAGE / "in_env_scripts" / "viewers"
SETTINGS = "INNERLOOP_VIEWER"
# The store of MLflow is brought in line with the runs each so many seconds, or after so many times
# what that takes.
PAUSE, SHARE = 5.0, 20.0
# Called with the address and how to end it, once it answers.
OnReady = Callable[[str, str], None]
# (root, the experiment's slug or None, title, port, on_ready) -> exit code.
Serve = Callable[[Path, "str | None", str, "int | None", OnReady], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", nargs="?", metavar="EXP", help="default: all of them")
    parser.add_argument("--port", type=argtypes.port, metavar="N", help="default: a free one")
    parser.add_argument("--open", action="store_true", help="open it in your browser")


def run(args: argparse.Namespace, name: str, serve: Serve) -> int:
    """`serve` the outputs of the experiment that the arguments name, or of all; `name` is the program's."""
    workspace = loader.open_workspace(args.root)
    slug = None
    if args.experiment is not None:
        slug = loader.choose_experiment(workspace, args.experiment, args.cwd).slug
    title = args.experiment or args.root.name

    def ready(address: str, how_to_end: str) -> None:
        print(f"{name} of {title} is ready: {address} {how_to_end}", flush=True)
        if args.open and not jupyter.open_in_browser(address):
            console.say("no browser can be started: open the address yourself")

    return serve(args.root, slug, title, args.port, ready)


def tensorboard(
    root: Path, slug: str | None, title: str, port: int | None, on_ready: OnReady
) -> int:
    """Serve TensorBoard over the outputs until Ctrl-C. `on_ready` is called once it answers."""
    folder = root / "outputs" / slug if slug else root / "outputs"
    return _serve("tensorboard", folder, title, port or ports.free(6006), on_ready)


def mlflow(root: Path, slug: str | None, title: str, port: int | None, on_ready: OnReady) -> int:
    """Serve MLflow over the runs until Ctrl-C, with new runs and values as they come."""
    folder = mlflow_mirror.update(root, slug)
    ended = threading.Event()
    follower = threading.Thread(target=_follow, args=(root, slug, ended), daemon=True)
    follower.start()
    try:
        return _serve("mlflow", folder, title, port or ports.free(5000), on_ready)
    finally:
        ended.set()
        follower.join(10)


def _follow(root: Path, slug: str | None, ended: threading.Event) -> None:
    pause = PAUSE
    while not ended.wait(pause):
        began = time.monotonic()
        try:
            mlflow_mirror.update(root, slug)
        except UserError as error:
            console.say(f"new runs are not shown: {error.message()}")
            return
        pause = max(PAUSE, SHARE * (time.monotonic() - began))


def _serve(name: str, folder: Path, title: str, port: int, on_ready: OnReady) -> int:
    python = venvs.python_of(locked_environments.ensure(name))
    prefix = f"/{secrets.token_urlsafe(24)}"
    settings = {"folder": str(folder), "title": title, "port": port, "prefix": prefix}
    settings |= {"forwarded": ports.forwarded_host(port)}

    def line(text: str) -> None:
        if text == "READY":
            on_ready(ports.address(port, f"{prefix}/"), ports.how_to_end(port))
        else:
            console.say(text)

    code = process.follow(
        [str(python), "-I", str(PROGRAMS / f"{name}_server.py")],
        line,
        env={**os.environ, SETTINGS: json.dumps(settings)},
    )
    raise UserError(
        f"{name} ended with exit code {code}",
        code="viewer-failed",
        hint="Its last lines are above. If its port was taken, name another with --port",
    )
