"""TensorBoard and MLflow over the outputs of runs: the real programs, each in an environment of its own.

They listen at 127.0.0.1, which every user of the machine can reach: so they answer below a path that
nobody can guess. It is in no command line, which everybody can read.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ...history import mlflow_mirror
from ...util import console, locked_environments, ports, process, venvs
from ...util.errors import UserError

PROGRAMS = locked_environments.PACKAGE / "in_env_scripts" / "viewers"
SETTINGS = "INNERLOOP_VIEWER"
# The store of MLflow is brought in line with the runs each so many seconds, or after so many times
# what that takes.
PAUSE, SHARE = 5.0, 20.0


def tensorboard(folder: Path, title: str, port: int | None, on_ready: Callable[[str], None]) -> int:
    """Serve TensorBoard over a folder until Ctrl-C. `on_ready` gets its address once it answers."""
    return _serve("tensorboard", folder, title, port or ports.free(6006), on_ready)


def mlflow(
    root: Path, slug: str | None, title: str, port: int | None, on_ready: Callable[[str], None]
) -> int:
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


def _serve(name: str, folder: Path, title: str, port: int, on_ready: Callable[[str], None]) -> int:
    python = venvs.python_of(locked_environments.ensure(name))
    prefix = f"/{secrets.token_urlsafe(24)}"
    settings = {"folder": str(folder), "title": title, "port": port, "prefix": prefix}

    def line(text: str) -> None:
        if text == "READY":
            on_ready(f"http://127.0.0.1:{port}{prefix}/")
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
