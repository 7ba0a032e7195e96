"""`loop serve --debug`: the same server, with a debugger in every Python process that it starts.

As for `loop run --debug`, a small program is put before what the image starts: it listens, waits
for the editor, and starts the server with the hook on PYTHONPATH. So a worker that the server starts
or forks stops at a breakpoint in handler.py. The first request is the sample request.
"""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial

from ..docker import docker_cli
from ..model.dockerfiles import serving_dockerfile
from ..runner import debug
from ..runner.debug import CONTAINER_LIBRARY, CONTAINER_PROGRAMS, GROUP
from ..runner.debug_session import DebugSession
from ..util import gate, locked_environments, process
from ..util.errors import UserError
from .server_plan import Server


def debugged(server: Server, port: int | None, session: DebugSession, *, dry: bool) -> Server:
    """The server with the debugger before it; debugpy is installed on the way unless `dry`.

    `port` is the one that the user asked for.
    """
    port = session.port(partial(debug.choose_port, server.workspace, server.experiment, port))
    inner = debug.adapter_port(port)
    if not dry:
        gate.require_peers("the debugger")
        locked_environments.ensure(GROUP)
    command = _command_of(server, dry)
    request = server.request
    if request.container is None or not request.can_start:
        return server
    library = debug.library_of(locked_environments.environment_of(GROUP))
    position = f"{server.deployment.file}:1"
    settings = debug.settings_text(
        position, port, inner, CONTAINER_LIBRARY, folders(server), "container"
    )
    container = replace(request.container, entrypoint="sh", command=tuple(command))
    container = debug.with_programs(container, port, library).with_command_prefix(
        (f"{CONTAINER_PROGRAMS}/start.sh", position, settings)
    )
    request = replace(request, container=container, command=shlex.join(command))
    request = debug.with_secret(request.with_notes(_note(port)))
    return replace(server, request=request, debugger=(port, inner))


def answering(server: Server, session: DebugSession) -> AbstractContextManager[None]:
    """Within, the debugger answers at its port, to this user alone."""
    if server.debugger is None:
        return nullcontext()
    port, inner = server.debugger
    return session.answering(port, debug.relay_of(server.request, inner))


def _note(port: int) -> str:
    return (
        f"the debugger will listen at 127.0.0.1:{port}, for your own processes; the server starts "
        "once it is connected, and the sample request is its first"
    )


def folders(server: Server) -> list[tuple[str, str]]:
    """Pairs of a folder relative to the workspace and the same folder in the image.

    They come from the Dockerfile's COPY instructions, the innermost first.
    """
    if server.image.dockerfile is None:
        return []
    context = posixpath.dirname(server.image.dockerfile.name)
    targets: dict[str, str] = {}
    for copy in serving_dockerfile.copies(server.image.dockerfile):
        source = posixpath.normpath(posixpath.join(context, copy.source))
        if copy.source.endswith(".py"):
            targets[posixpath.dirname(source)] = posixpath.dirname(copy.target)
        elif "." not in posixpath.basename(copy.source):
            targets[source] = copy.target
    return sorted(targets.items(), key=lambda pair: -len(pair[1]))


def _command_of(server: Server, dry: bool) -> Sequence[str]:
    """The image's entry point and command: from the engine, else from the Dockerfile.

    Empty for a dry run that knows neither.
    """
    done = process.run(docker_cli.default_command(server.image.name))
    if done.ok:
        words: list[str] = []
        decoder, text = json.JSONDecoder(), done.out.strip()
        while text:
            value, end = decoder.raw_decode(text)
            words += value or []
            text = text[end:].strip()
        if words:
            return words
    start = server.image.dockerfile and serving_dockerfile.starts(server.image.dockerfile)
    if start:
        return start.words
    if dry:
        return ()
    raise UserError(
        "the image has neither ENTRYPOINT nor CMD, so there is no server to debug",
        code="image-starts-nothing",
        where=server.deployment.where("environment"),
        hint="Write ENTRYPOINT or CMD in its Dockerfile",
    )
