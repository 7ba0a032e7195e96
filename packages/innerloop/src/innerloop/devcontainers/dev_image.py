"""The image of a dev container and the user in it.

The image is built as by `loop build --dev` or as devcontainer.json says, then mapped to the
person's UID (see `uid_mapping`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..docker import client, docker_cli, image_build, image_staleness
from ..docker.docker_cli import image_id, remove_image
from ..docker.engine import Engine
from ..model.container import DIGEST_LABEL, EXPERIMENT_LABEL, WORKSPACE_LABEL
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import files, process
from ..util.errors import UserError
from ..workspace import loader
from . import cli_argv, devcontainer_cli, uid_mapping
from .configuration import Configuration
from .discovery import METADATA

Say = Callable[[str], None]


def prepare(
    workspace: Workspace,
    experiment: Experiment,
    config: Configuration,
    image: Image,
    facts: Engine,
    *,
    say: Say,
    no_cache: bool,
    build: Callable[[Sequence[str]], object],
) -> tuple[str, str]:
    """Provide the image.

    Returns its name and the user to work as. `build` runs the devcontainer CLI with the given argv.
    """
    if config.builds(experiment):
        name = image.name
        if no_cache or not image_build.is_current(image, facts):
            image_build.build(workspace, experiment, image, no_cache=no_cache)
    elif config.kind == "image":
        name = _fetch(config, say)
    else:
        say(f"building the image of {config.path}")
        name = f"{image.name.rpartition(':')[0]}:own"
        build(_own_build(workspace, experiment, config, image, name, no_cache))
    return _map_user(workspace, experiment, config, name, facts, say)


def _fetch(config: Configuration, say: Say) -> str:
    name = str(config.value["image"])
    if process.run(docker_cli.inspect_image(name)).ok:
        return name
    say(f"pulling {name}")
    if process.follow(docker_cli.pull(name), lambda line: say(line.strip())) != 0:
        raise UserError(
            f"the image {name} cannot be pulled",
            code="image-unavailable",
            where=config.path,
            hint="Check its name, the network, and `docker login`",
        )
    return name


def _own_build(
    workspace: Workspace,
    experiment: Experiment,
    config: Configuration,
    image: Image,
    name: str,
    no_cache: bool,
) -> list[str]:
    root = Path(workspace.root)
    checksums = image_staleness.files_label(loader.context_of(workspace, experiment))
    return cli_argv.build(
        devcontainer_cli.program(),
        root=workspace.root,
        config=str(root / config.path),
        image=name,
        labels={DIGEST_LABEL: image.digest, **checksums},
        no_cache=no_cache,
        client=client.program(),
    )


# Prints the image's users and groups, with a zero byte between the two files.
_PRINT_USERS = "cat /etc/passwd; printf '\\0'; cat /etc/group"


def _map_user(
    workspace: Workspace,
    experiment: Experiment,
    config: Configuration,
    image: str,
    facts: Engine,
    say: Say,
) -> tuple[str, str]:
    """The image in which the person's UID is a user's, and that user's name."""
    inspected = _inspect(image)
    image_config = inspected.get("Config") or {}
    image_user = str(image_config.get("User") or "")
    named = config.value.get("remoteUser") or config.value.get("containerUser")
    user = str(named or _labelled_user(image_config.get("Labels") or {}) or image_user or "root")
    person = uid_mapping.person_of(Path(workspace.root), facts)
    if person is None:
        return image, user
    # Reading the users takes a container's start, so the answer for an image is cached.
    cache = Path(workspace.root, f".innerloop/people/{experiment.slug}.json")
    question = [inspected.get("Id"), user, bool(named), person.uid, person.gid]
    if (cached := _cached(cache, question)) is not None:
        return cached
    users = process.run(docker_cli.run_once(image, ["/bin/sh", "-c", _PRINT_USERS]))
    passwd, _, group = users.out.partition("\0")
    mapping = uid_mapping.adapt(passwd, group, user, person, named=bool(named))
    name = image
    if mapping.script is not None:
        say(f"the container's user {mapping.user} gets your UID, {person.uid}")
        tag = image.rpartition(":")[2] if image.startswith(workspace.image_name) else "own"
        name = f"{workspace.image_name}/{experiment.slug.lower()}:{tag}-{person.uid}"
        labels = {EXPERIMENT_LABEL: experiment.name, WORKSPACE_LABEL: workspace.identity}
        text = mapping.dockerfile(image, image_user)
        _build_from_text(name, labels, text, config.path)
    if users.ok and "\0" in users.out:
        answer = [name, _inspect(name).get("Id"), mapping.user]
        files.write_text(cache, json.dumps([question, answer]))
    return name, mapping.user


def _cached(cache: Path, question: list[Any]) -> tuple[str, str] | None:
    """The answer to the same question, if the image's name still has the same ID."""
    try:
        cached_question, (name, image_id_, user) = json.loads(files.read_text(cache) or "")
    except (ValueError, TypeError):
        return None
    is_valid = cached_question == question and _inspect(str(name)).get("Id") == image_id_
    return (str(name), str(user)) if is_valid else None


def _build_from_text(name: str, labels: Mapping[str, str], text: str, where: str) -> None:
    """Build an image from the Dockerfile `text`, with the legacy builder if there is one.

    A builder in a container, which buildx may be set to, does not see the engine's images.
    """
    before = process.run(image_id(name))
    argv = docker_cli.build_from_text(name, labels)
    done = process.run(argv, stdin=text, env={**os.environ, "DOCKER_BUILDKIT": "0"})
    if not done.ok:
        done = process.run(argv, stdin=text)
    if not done.ok:
        raise UserError(
            f"the container's user cannot get your UID: {(done.err or done.out).strip()}",
            code="uid-mapping-failed",
            where=where,
            hint='Name another "remoteUser", or set "remoteUser": "root"',
        )
    if before.ok and before.out != process.run(image_id(name)).out:
        process.run(remove_image(before.out.strip()))  # the old image, now without a name


def _inspect(image: str) -> Mapping[str, Any]:
    """The image as `docker image inspect` prints it; empty if there is no such image."""
    try:
        (value,) = json.loads(process.run(docker_cli.inspect_image(image)).out)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _labelled_user(labels: Mapping[str, str]) -> str:
    """The user in the metadata label of an image for dev containers; "" without one."""
    try:
        value = json.loads(labels.get(METADATA, "[]"))
    except ValueError:
        return ""
    entries = value if isinstance(value, list) else [value]
    users = [entry.get("remoteUser") or entry.get("containerUser") for entry in entries if entry]
    return next((str(user) for user in reversed(users) if user), "")
