"""Facts about the container engine. Asked once per command."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Iterable
from dataclasses import field
from typing import Any
from urllib.parse import quote

from ..model.container import BASES_LABEL, DIGEST_LABEL, DOCKER, PODMAN
from ..util import host_gpus, process
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from . import client, docker_cli, engine_facts, engine_socket
from .client import Client
from .engine_facts import EngineFacts
from .engine_socket import ApiAnswer


@dataclass(frozen=True, slots=True)
class Engine:
    """Whether the engine `answers`, and what it is; if not, `why` and `hint` are for the person.

    An engine that `is_elsewhere` answers, but cannot be used: it does not see the workspace's files.

    `label` is the digest label of the image that `ask` was called with ("" without one), None if
    the engine has no such image, `image_id` its id, and `bases` its label with the ids of the images
    that it was built from (both "" without such an image).
    """

    answers: bool
    why: str = ""
    hint: str = ""
    label: str | None = None
    image_id: str = ""
    bases: str = ""
    facts: EngineFacts = field(default_factory=EngineFacts)
    is_elsewhere: bool = False

    @property
    def maps_owners(self) -> bool:
        """Whether files that any user of a container writes belong to the person on the host."""
        return self.facts.owners != "numbers"


# The last answer about each image in this process: what a plan was made with.
last_answers: dict[str, Engine] = {}


def ask(image: str, *, whole: bool = False) -> Engine:
    """Ask the engine about itself and an image at once. Without an engine, `answers` is False.

    `whole`: every fact is asked for, also those that no run needs on this machine.
    """
    answer = last_answers[image] = _answer(image, whole)
    return answer


def _answer(image: str, whole: bool) -> Engine:
    using = client.current()
    if using.path is None:
        return _not_installed(using)
    if (facts_of_socket := _ask_socket(image, whole)) is not None:
        return facts_of_socket
    about_image, about_engine = process.run_together(
        docker_cli.digest_label_of(image), docker_cli.info()
    )
    facts = _parsed(about_engine.out)
    if facts is None:
        # With a template, older clients do not print why `docker info` failed; the other command does.
        return _unavailable(about_image.err.strip() or about_engine.err.strip())
    image_id, label, bases = [*about_image.out.strip().split(" "), "", ""][:3]
    return Engine(
        answers=True,
        label=label if about_image.ok else None,
        image_id=engine_facts.image_id(image_id) if about_image.ok else "",
        bases=bases if about_image.ok else "",
        facts=facts,
    )


def _parsed(out: str) -> EngineFacts | None:
    """The engine of a client's answer; None if it has not reached one."""
    try:
        info = json.loads(out)
    except (ValueError, RecursionError):
        return None
    address = client.address() or ""
    return engine_facts.parse(
        info,
        address=address,
        socket_owner=_owner_of(client.socket_path()),
        in_machine=sys.platform != "linux",
    )


def _owner_of(path: str | None) -> int | None:
    """The UID of a socket's owner; None without a socket."""
    try:
        status = os.stat(path) if path else None
    except (OSError, ValueError):
        return None
    return status.st_uid if status is not None and stat.S_ISSOCK(status.st_mode) else None


def _ask_socket(image: str, whole: bool) -> Engine | None:
    """`ask` through the engine's socket, which saves two starts of the client.

    That is some 30 ms of every run. None if there is no such socket, or on any error: the client is
    asked then, and its error message is the one that is shown.

    Any answer says in its header whose engine it is. The rest matters only where there is a GPU, or
    where the socket is not root's.

    Source: Docker Engine API v1.41, GET /images/{name}/json and GET /info.
    """
    path = client.socket_path()
    owner = _owner_of(path)
    if path is None or owner is None:
        return None
    try:
        about_image = _ask(path, "GET", f"/images/{quote(image)}/json")
        if about_image.code not in (200, 404):
            return None
        server = engine_facts.server_of(about_image.server)
        if whole or owner != 0 or server is None or client.maps_users() or host_gpus.find().is_any:
            facts = engine_facts.parse(
                _ask(path, "GET", "/info").value,
                address=client.address() or "",
                socket_owner=owner,
                in_machine=sys.platform != "linux",
            )
        else:
            kind, version = server
            facts = EngineFacts(kind, DOCKER, version, client.address() or "", owner)
        value = about_image.value if about_image.code == 200 else {}
        labels = (value.get("Config") or {}).get("Labels") or {}
    except (OSError, ValueError, AttributeError):
        return None
    if facts is None:
        return None
    return Engine(
        answers=True,
        label=labels.get(DIGEST_LABEL, "") if about_image.code == 200 else None,
        image_id=str(value.get("Id") or ""),
        bases=labels.get(BASES_LABEL, ""),
        facts=facts,
    )


def is_default() -> bool:
    """Whether the client uses this machine's root engine.

    That is so if no other host or context is selected, and root owns the socket (unlike that of a
    rootless engine or of Docker Desktop).
    """
    if sys.platform != "linux":
        return False
    path = client.socket_path()
    return path == client.DEFAULT_SOCKET and _owner_of(path) == 0


def api_get(path: str) -> Any:
    """The JSON of one GET through the engine's socket; None if the client has to be asked."""
    code, value = api("GET", path) or (None, None)
    return value if code == 200 else None


def own_socket() -> str | None:
    """The Unix socket where the client would find its engine; None if it has to be asked."""
    path = client.socket_path()
    return path if path is not None and _owner_of(path) is not None else None


def api(method: str, path: str) -> tuple[int, Any] | None:
    """Status and JSON of one request through the socket; None if the client has to be asked."""
    if (socket_path := own_socket()) is None:
        return None
    try:
        answer = _ask(socket_path, method, path)
    except (OSError, ValueError):
        return None
    return answer.code, answer.value


def mounts_of(container: str) -> list[dict[str, Any]] | None:
    """The mounts of a container, each with Source and Destination.

    None if the engine does not have the container.

    Source: Docker Engine API v1.41, GET /containers/{id}/json.
    """
    code, container_info = api("GET", f"/containers/{quote(container)}/json") or (
        None,
        {},
    )
    if code in (200, 404):
        return (container_info.get("Mounts") or []) if code == 200 else None
    done = process.run(docker_cli.mounts_of(container))
    return (json.loads(done.out) or []) if done.ok else None


def labels_of(image: str) -> dict[str, str]:
    """An image's labels; empty without such an image or without an engine."""
    code, value = api("GET", f"/images/{quote(image)}/json") or (None, {})
    if code == 404:
        return {}
    if code != 200:
        if not client.is_installed():
            return {}
        done = process.run(docker_cli.inspect_image(image))
        value = json.loads(done.out)[0] if done.ok else {}
    return (value.get("Config") or {}).get("Labels") or {}


def image_ids(images: Iterable[str]) -> dict[str, str]:
    """The ids of those images that the engine has."""
    names, ids = list(images), dict[str, str]()
    for name in names:
        code, value = api("GET", f"/images/{quote(name)}/json") or (None, {})
        if code == 200:
            ids[name] = str(value.get("Id") or "")
        elif code != 404:
            return _image_ids_of_client(names)
    return ids


def _image_ids_of_client(names: list[str]) -> dict[str, str]:
    if not names or not client.is_installed():
        return {}
    argvs = [docker_cli.image_id(name) for name in names]
    answers = zip(names, process.run_together(*argvs), strict=True)
    return {name: engine_facts.image_id(done.out.strip()) for name, done in answers if done.ok}


def _ask(socket_path: str, method: str, path: str) -> ApiAnswer:
    """One request, whose answer comes soon."""
    return engine_socket.request(socket_path, method, path, timeout=5 if method == "GET" else 60)


# What to do about a missing engine where there can be none.
ON_HOST = "Use a terminal on the host, where the container engine is"


def advice(outside: str) -> str:
    """What to do to get an engine: `outside` says it, except in an experiment's container.

    An engine that was installed there would not have the files of the host.
    """
    from ..workspace import loader  # here: an engine that answers needs no advice

    return outside if loader.current_experiment() is None else ON_HOST


def _not_installed(using: Client) -> Engine:
    from ..workspace import loader

    if (own := loader.current_experiment()) is not None:
        return Engine(False, f"this is the container of {own}, which has no engine", ON_HOST)
    hint = f"Install {using.title} to get the container"
    return Engine(False, f"{using.title} is not installed", hint)


def _unavailable(message: str) -> Engine:
    using = client.current()
    detail = f" ({using.program}: {message.strip().splitlines()[-1]})" if message.strip() else ""
    if using.kind == PODMAN:
        hint = f"`{using.program} info` says what it lacks{detail}"
        return Engine(False, "Podman is installed, but does not work here", advice(hint))
    if "permission denied" in message.lower():
        return Engine(
            False,
            "Docker is installed, but this user has no access to its engine",
            advice(
                "Add yourself to the group docker-users and sign in again"
                if os.name == "nt"
                else "Add yourself to the group docker (`sudo usermod -aG docker $USER`) and sign in again"
            ),
        )
    service = "" if os.name == "nt" else ", or the service (`sudo systemctl start docker`)"
    start = f"Start Docker Desktop{service}"
    if host := os.environ.get("DOCKER_HOST"):
        start = f"Start the one that DOCKER_HOST names ({host}), or unset that variable"
    hint = advice(f"{start}{detail}")
    return Engine(False, "Docker is installed, but its engine is not running", hint)


def require(engine: Engine) -> None:
    """Raise UserError unless the engine answers."""
    if not engine.answers:
        raise UserError(engine.why, code="engine-unavailable", hint=engine.hint)


def raise_if_gone() -> None:
    """Raise UserError if the engine stopped.

    For use after a failure that this may explain: an engine that is stopped aborts what it does
    with various messages, and ends moments later.
    """
    # Podman's client is the engine itself.
    for _ in range(1 if client.current().kind == PODMAN else 10):
        if not ask("innerloop").answers:
            raise UserError(
                "the Docker engine has stopped",
                code="engine-unavailable",
                hint="Start it and run the command again",
            )
        time.sleep(0.2)
