"""Whether the engine sees the files of a workspace, which its containers mount.

The client may talk to an engine on another machine (DOCKER_HOST, a context, a tunnel) or in a
virtual machine that shares some folders only. An address alone says little: a service beside a CI job
may share the job's folders, and a loopback address may be a tunnel. So the engine itself is asked.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from ..model.container import DOCKER, PODMAN
from ..model.paths import SCRATCH
from ..util import files, process
from ..util.errors import UserError
from . import client, docker_cli, engine, own_mounts
from .engine import Engine

# Docker's words for a source of a bind mount that is not on the engine's machine, and those of Docker
# Desktop for one that it does not share.
_NOT_SEEN = ("bind source path does not exist", "is not shared from the host")
# In seconds: the engine has answered before.
PATIENCE = 30


def ask(image: str, root: str, *, whole: bool = False) -> Engine:
    """As `engine.ask`; an engine that does not see the workspace in `root` is unavailable.

    The engine of this machine, behind its usual socket, is asked nothing more.
    """
    asked = engine.ask(image, whole=whole)
    if not asked.answers or engine.is_default() or own_mounts.own_binds():
        return asked
    facts = asked.facts
    if facts.client == PODMAN and not facts.in_machine:
        return asked  # Podman's client is the engine itself
    address, is_elsewhere = _look(root, client.program(), client.address())
    if not is_elsewhere:
        return asked
    if facts.client == PODMAN:
        here = "unset CONTAINER_HOST"
    elif os.environ.get("DOCKER_HOST"):
        here = "unset DOCKER_HOST"
    else:
        here = "`docker context use default`"
    if _is_far(address):
        why = (
            f"the engine is on another machine ({address}): it does not see this workspace's files"
        )
        hint = f"Run it on that machine, or use this machine's engine ({here})"
    else:
        why = (
            f"the engine ({address}) does not see this workspace's files: it is on another machine, or "
            "in a virtual machine that does not share this folder"
        )
        shares = f" ({facts.product}: {facts.shares})" if facts.shares else ""
        hint = f"Share the folder with it{shares}, or use another engine ({here})"
    hint += ". Runs and tests need none with `--backend venv`"
    return replace(asked, answers=False, why=why, hint=hint, is_elsewhere=True)


@functools.cache
def _look(root: str, program: str, known_address: str | None) -> tuple[str, bool]:
    """The engine's address without its password, and whether it does not see the files of `root`.

    Looked at once: neither changes while a command runs.
    """
    address, is_refused = _first_look(root, known_address)
    return address, is_refused or (_is_network(address) and _has_other_files(address, root))


def _first_look(root: str, known_address: str | None) -> tuple[str, bool]:
    """The engine's address, such as "ssh://box" or "unix:///run/x.sock", and whether it lacks `root`.

    The client is asked for an address that is not known.

    To create a container the engine looks for the sources of its mounts before it looks for the image,
    so a container of an image that does not exist tells, and none is created.
    Source: moby, daemon/create.go, `containerCreate`.
    """
    asks_client = known_address is None and client.current().kind == DOCKER
    looked, *context = process.run_together(
        docker_cli.mounts_nothing(root),
        *([docker_cli.context_address()] if asks_client else []),
        timeout=PATIENCE,
    )
    address: object = known_address
    for answer in context:
        with suppress(ValueError):
            address = json.loads(answer.out or "null")
    return _without_password(address) if isinstance(address, str) else "", _is_refused(looked.err)


def _without_password(address: str) -> str:
    with suppress(ValueError):
        parts = urlsplit(address)
        if parts.password:
            return address.replace(f":{parts.password}@", "@", 1)
    return address


def _is_far(address: str) -> bool:
    """Whether the address is of another machine, by its name."""
    with suppress(ValueError):
        parts = urlsplit(address)
        if _is_network(address):
            return parts.hostname not in (None, "localhost", "127.0.0.1", "::1")
    return False


def _is_network(address: str) -> bool:
    return address.startswith(("tcp:", "ssh:", "http:", "https:"))


def _has_other_files(address: str, root: str) -> bool:
    """Whether an engine behind a network has another folder of that name than this machine.

    A file tells that is only here. An engine that looks for the image first (Podman) does not; then
    the address decides.
    """
    import secrets

    with _file_of_our_own(root) as path:
        here, nowhere = process.run_together(
            docker_cli.mounts_nothing(path),
            docker_cli.mounts_nothing(f"{path}-{secrets.token_hex(4)}"),
            timeout=PATIENCE,
        )
    return _is_refused(here.err) if _is_refused(nowhere.err) else _is_far(address)


def _is_refused(message: str) -> bool:
    return any(words in message for words in _NOT_SEEN)


@contextmanager
def _file_of_our_own(root: str) -> Iterator[str]:
    """A file in the workspace that no other machine has, while it is looked for.

    The workspace's folder itself where nothing can be written.
    """
    import secrets  # here: only an engine that may be elsewhere needs it

    path = Path(root, SCRATCH, f"engine-{secrets.token_hex(8)}")
    try:
        files.write_text(path, "")
    except UserError:
        yield root
        return
    try:
        yield str(path)
    finally:
        with suppress(UserError):
            files.remove(path)
            for folder in (path.parent, path.parent.parent):
                files.remove_if_empty(folder)


def unavailable_reason(root: str) -> str:
    """Why the engine cannot be asked about this workspace; "" if it can, or without a client."""
    if not client.is_installed():
        return ""
    asked = ask("innerloop", root)
    return "" if asked.answers else asked.why


def is_elsewhere(root: str) -> bool:
    """Whether an engine answers that does not see the files of `root`.

    Its containers and dev containers are those of others, also where their workspace has the same
    path.
    """
    if engine.is_default() or not client.is_installed():
        return False
    return ask("innerloop", root).is_elsewhere


def unavailable(facts: Engine) -> UserError:
    """The error for an engine that cannot run a container of this workspace."""
    if facts.is_elsewhere:
        return UserError(facts.why, code="engine-elsewhere", hint=facts.hint)
    return UserError(facts.why, code="engine-unavailable", hint=facts.hint)


def require(facts: Engine) -> None:
    """Raise UserError unless the engine can run a container of this workspace."""
    if not facts.answers:
        raise unavailable(facts)
