"""JupyterLab in an experiment's environment: its token, its port, its command, and when it is ready."""

from __future__ import annotations

import hashlib
import html
import http.client
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ...model.experiment import Experiment
from ...model.workspace import Workspace
from ...util import files, ports, process
from ...util.cache_folder import cache_folder
from ...util.errors import UserError
from .. import execute
from ..execute import Started
from . import tools_environment

PORT = 8888
SETTINGS = ".innerloop/jupyter"

# The server gets its token in this variable: a list of processes shows argvs, not variables.
TOKEN = "JUPYTER_TOKEN"
BIND = "INNERLOOP_BIND"

# Where Jupyter Server keeps what concerns its running kernels. Source: Jupyter's documentation,
# "Common Directories and File Locations".
RUNTIME = "JUPYTER_RUNTIME_DIR"

# The user's settings and layout are kept in the workspace, whichever container the server is in. No
# news, no search for updates. Source: `jupyter lab --help-all`, JupyterLab 4.6.
# Whoever reaches a kernel's TCP ports can read what it prints, so server and kernels talk over Unix
# sockets, except on Windows. The path of one has about 100 characters: a short folder.
_COMMAND = (
    '{top} && export JUPYTERLAB_SETTINGS_DIR="$top/{settings}/settings"'
    ' JUPYTERLAB_WORKSPACES_DIR="$top/{settings}/workspaces" PYDEVD_DISABLE_FILE_VALIDATION=1'
    ' PYTHONPATH="$PWD${{PYTHONPATH:+:$PYTHONPATH}}" && exec python -m jupyterlab'
    ' --no-browser --allow-root --ip="${{{bind}:-127.0.0.1}}" --port={port}'
    ' --ServerApp.port_retries=0 --ServerApp.root_dir="$top" --ServerApp.answer_yes=True'
    " --LabApp.default_url=/lab/tree/notebooks --LabApp.news_url=None"
    " --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --log-level=WARN"
    " $kernels"
)
_KERNELS = (
    'case "$(uname -s)" in MINGW*|MSYS*|CYGWIN*) kernels= ;;'
    f' *) {RUNTIME}="${{{RUNTIME}:-$(mktemp -d /tmp/jupyter-XXXXXX)}}"; export {RUNTIME};'
    " kernels=--KernelManager.transport=ipc ;; esac; "
)


def token(root: Path) -> str:
    """The workspace's token, created on the first call in a file that only this user can read.

    It is in the user's cache: whoever wrote the workspace does not know it.
    """
    path = token_file(root)
    if text := (files.read_text(path) or "").strip():
        return text
    secret = secrets.token_hex(24)
    files.write_private(path, secret + "\n")
    return secret


def token_file(root: Path) -> Path:
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:16]
    return cache_folder() / "jupyter" / name


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
    command = _KERNELS + _COMMAND.format(
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
        return replace(
            started, request=replace(request, secrets={**request.secrets, TOKEN: secret})
        )
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
        with _runtime_folder(started) as started:
            code = execute.carry_out(started)
    finally:
        ended.set()
        waiter.join(5)
    if code != 0 and not ready.is_set():
        raise UserError(
            f"JupyterLab did not start (exit code {code}; its output is above)",
            code="jupyter-failed",
            where=started.run.experiment.paths.context or started.run.experiment.paths.environment,
            hint="If there is no module jupyterlab, add it to requirements-dev.in and compile that "
            "to requirements-dev.txt",
        )
    return code


@contextmanager
def _runtime_folder(started: Started) -> Iterator[Started]:
    """The run with a folder for its kernels that only this user can read, removed at the end.

    In a container, which has its own /tmp, the command makes one.
    """
    if started.request.container is not None or os.name == "nt" or RUNTIME in os.environ:
        yield started
        return
    with files.temporary_folder("jupyter-", "/tmp") as folder:
        yield replace(started, request=started.request.with_env({RUNTIME: str(folder)}))


def open_in_browser(address: str) -> bool:
    """Open the server in the browser. False if there is none.

    A browser's argv would show the token to every user of this machine: it gets a file that leads
    to the address. An editor that opens addresses on another machine cannot open a file of this one.
    """
    helper = os.environ.get("BROWSER", "").endswith("/helpers/browser.sh")  # VS Code's own
    if helper or os.environ.get("REMOTE_CONTAINERS") or os.environ.get("CODESPACES"):
        return process.browse(address)
    page = f'<meta http-equiv="refresh" content="0; url={html.escape(address, quote=True)}">'
    path = token_file(Path("open")).with_suffix(".html")
    files.write_private(path, f'<!doctype html><meta charset="utf-8">{page}\n')
    return process.browse(path.as_uri())


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
