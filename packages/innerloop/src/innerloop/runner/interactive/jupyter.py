"""JupyterLab in an experiment's environment: its token, its port, its command, and when it is ready."""

from __future__ import annotations

import http.client
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...model.experiment import Experiment
from ...model.workspace import Workspace
from ...util import files, ports
from ...util.errors import UserError
from .. import execute
from ..execute import Started
from . import tools_environment

PORT = 8888
TOKEN_FILE = ".innerloop/jupyter-token"
SETTINGS = ".innerloop/jupyter"

# The server gets its token in this variable: a list of processes shows argvs, not variables.
TOKEN = "JUPYTER_TOKEN"
BIND = "INNERLOOP_BIND"

# The user's settings and layout are kept in the workspace, whichever container the server is in. No
# news, no search for updates. Source: `jupyter lab --help-all`, JupyterLab 4.6.
_COMMAND = (
    '{top} && export JUPYTERLAB_SETTINGS_DIR="$top/{settings}/settings"'
    ' JUPYTERLAB_WORKSPACES_DIR="$top/{settings}/workspaces" PYDEVD_DISABLE_FILE_VALIDATION=1'
    ' PYTHONPATH="$PWD${{PYTHONPATH:+:$PYTHONPATH}}" && exec python -m jupyterlab'
    ' --no-browser --allow-root --ip="${{{bind}:-127.0.0.1}}" --port={port}'
    ' --ServerApp.port_retries=0 --ServerApp.root_dir="$top" --ServerApp.answer_yes=True'
    " --LabApp.default_url=/lab/tree/notebooks --LabApp.news_url=None"
    " --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --log-level=WARN"
)


def token(root: Path) -> str:
    """The workspace's token, created on the first call in a file that only this user can read."""
    path = root / TOKEN_FILE
    if text := (files.read_text(path) or "").strip():
        return text
    secret = secrets.token_hex(24)
    files.write_private(path, secret + "\n")
    return secret


def free_port(first: int) -> int:
    """The first free port from `first` on."""
    for port in range(first, min(first + 100, 65536)):
        if ports.free(port) == port:
            return port
    raise UserError(
        f"no port from {first} to {first + 99} is free",
        code="port-taken",
        hint="Name one with --port",
    )


def url(port: int, secret: str) -> str:
    return f"http://127.0.0.1:{port}/lab/tree/notebooks?token={secret}"


def start(
    workspace: Workspace,
    experiment: Experiment,
    backend: str,
    port: int,
    secret: str,
    *,
    dry: bool = False,
) -> Started:
    """The server as a request.

    Only this machine can connect: in a container it listens on all addresses of the container, and
    the engine publishes its port at 127.0.0.1.
    """
    command = _COMMAND.format(
        top=tools_environment.top_of(experiment), settings=SETTINGS, bind=BIND, port=port
    )
    started = tools_environment.start(
        workspace,
        experiment,
        backend,
        command,
        attended=False,
        dry=dry,
    )
    request = started.request
    if request.container is None:
        return replace(started, request=request.with_env({TOKEN: secret}))
    # On the host's own network, all addresses would be this machine's.
    bind = "127.0.0.1" if request.container.network == "host" else "0.0.0.0"
    container = request.container.with_env({BIND: bind}).with_client_env(TOKEN)
    request = replace(
        request,
        container=container.with_port(port, port),
        secrets={**request.secrets, TOKEN: secret},
    )
    return replace(started, request=request)


def serve(started: Started, port: int, secret: str, on_ready: Callable[[], None]) -> int:
    """Run the server until it ends or Ctrl-C, and return its exit code.

    `on_ready` is called once, when it is ready.
    """
    ended = threading.Event()
    ready = threading.Event()
    waiter = threading.Thread(
        target=_wait, args=(port, secret, ended, ready, on_ready), daemon=True
    )
    waiter.start()
    try:
        code = execute.carry_out(started)
    finally:
        ended.set()
        waiter.join(5)
    if code != 0 and not ready.is_set():
        raise UserError(
            f"JupyterLab did not start (exit code {code}; its output is above)",
            code="jupyter-failed",
            where=f"{started.run.experiment.folder}/environment",
            hint="If there is no module jupyterlab, add it to requirements-dev.in and compile that "
            "to requirements-dev.txt",
        )
    return code


def _wait(
    port: int,
    secret: str,
    ended: threading.Event,
    ready: threading.Event,
    on_ready: Callable[[], None],
) -> None:
    while not ended.wait(0.1):
        if answers(port, secret):
            ready.set()
            on_ready()
            return


def answers(port: int, secret: str) -> bool:
    """Whether the server is ready and accepts the token.

    Source: Jupyter Server's REST API, GET /api/status, which requires the token.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/api/status", headers={"Authorization": f"token {secret}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
