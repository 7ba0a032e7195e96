"""`loop serve --debug`: the same server, with a debugger in every Python process that it starts.

As for `loop run --debug`, only a small program stands before what the image starts: it listens,
waits for the editor, and starts the server with the hook on PYTHONPATH. So a worker that the server
starts, or that it makes by a fork, stops in handler.py when a request comes. The first request is
the sample.
"""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Sequence
from dataclasses import replace

from ..docker import container_context, docker_cli
from ..model.container import ContainerContext, Mount
from ..model.dockerfiles import serving_dockerfile
from ..runner import debug
from ..runner.debug import GROUP, LIBRARY_THERE, PROGRAMS, THERE
from ..util import locked_environments, process
from ..util.errors import UserError
from .server_plan import Server


def debugged(server: Server, asked: int | None, *, dry: bool) -> Server:
    """The server with the debugger before it, which is fetched on the way unless `dry`."""
    port = debug.choose_port(server.workspace, server.experiment, asked)
    if not dry:
        locked_environments.ensure(GROUP)
    words = _starts(server, dry)
    request = server.request
    if not request.argv:
        return server
    around = ContainerContext(binds=container_context.own_binds())
    library = debug.library_of(locked_environments.environment_of(GROUP))
    mounts = (
        around.hosted(Mount(str(PROGRAMS), THERE, read_only=True)),
        around.hosted(Mount(str(library), LIBRARY_THERE, read_only=True)),
    )
    position = f"{server.deployment.file}:1"
    options = ["--publish", f"127.0.0.1:{port}:{port}", "--entrypoint", "sh"]
    options += [word for mount in mounts for word in ("--mount", mount.text())]
    at = request.argv.index(server.image.name, 2)
    argv = (
        *(*request.argv[:at], *options, request.argv[at]),
        *(f"{THERE}/start.sh", position, _settings(server, port, position), *words),
    )
    return replace(
        server,
        request=replace(
            request,
            argv=argv,
            command=shlex.join(words),
            mounts=(*request.mounts, *mounts),
            notes=(*request.notes, _note(port)),
        ),
    )


def _note(port: int) -> str:
    return (
        f"the debugger will listen at 127.0.0.1:{port}; the server starts once it is connected, and "
        "the sample request is its first"
    )


def _settings(server: Server, port: int, position: str) -> str:
    return json.dumps(
        {
            "ours": "container",
            "host": "0.0.0.0",
            "port": port,
            "shown": f"127.0.0.1:{port}",
            "library": LIBRARY_THERE,
            "folders": folders(server),
            "where": position,
        }
    )


def folders(server: Server) -> list[tuple[str, str]]:
    """(folder of the workspace, where the image has it), the innermost first: as COPY says."""
    if server.image.dockerfile is None:
        return []
    context = posixpath.dirname(server.image.dockerfile.name)
    found: dict[str, str] = {}
    for one in serving_dockerfile.copies(server.image.dockerfile):
        source = posixpath.normpath(posixpath.join(context, one.source))
        if one.source.endswith(".py"):
            found[posixpath.dirname(source)] = posixpath.dirname(one.target)
        elif "." not in posixpath.basename(one.source):
            found[source] = one.target
    return sorted(found.items(), key=lambda pair: -len(pair[1]))


def _starts(server: Server, dry: bool) -> Sequence[str]:
    """What the image starts: as the engine knows it, else as the Dockerfile says."""
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
    said = server.image.dockerfile and serving_dockerfile.starts(server.image.dockerfile)
    if said:
        return said.words
    if dry:
        return ()
    raise UserError(
        "the image starts nothing by itself, so there is no server to debug",
        where=server.deployment.where("environment"),
        hint="Write ENTRYPOINT or CMD in its Dockerfile",
    )
