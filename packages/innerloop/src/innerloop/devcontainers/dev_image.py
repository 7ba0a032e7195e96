"""The image of a dev container, and the user in it: built as `loop build --dev` builds it, or as
the person's own devcontainer.json says, then made the person's (see `people`)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..docker import docker_cli, image_build, image_staleness
from ..docker.docker_cli import image_id, remove_image
from ..docker.engine import Engine
from ..model.container import DIGEST_LABEL, EXPERIMENT_LABEL, WORKSPACE_LABEL
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import files, process
from ..util.errors import UserError
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
    """The image's name, and by which user to work in it. `build` runs the devcontainer CLI."""
    if config.builds(experiment):
        name = image.name
        if no_cache or not image_build.is_current(image, facts):
            image_build.build(workspace, experiment, image, no_cache=no_cache)
    elif config.kind == "image":
        name = _fetched(config, say)
    else:
        say(f"building the image as {config.path} says")
        name = f"{image.name.rpartition(':')[0]}:own"
        build(_own_build(workspace, experiment, config, image, name, no_cache))
    return _as_the_person(workspace, experiment, config, name, facts, say)


def _fetched(config: Configuration, say: Say) -> str:
    name = str(config.value["image"])
    if process.run(docker_cli.inspect_image(name)).ok:
        return name
    say(f"fetching {name}")
    if process.follow(docker_cli.pull(name), lambda line: say(line.strip())) != 0:
        raise UserError(
            f"the image {name} could not be fetched",
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
    checksums = image_staleness.files_label(root / experiment.folder / "environment")
    return cli_argv.build(
        devcontainer_cli.program(),
        root=workspace.root,
        config=str(root / config.path),
        image=name,
        labels={DIGEST_LABEL: image.digest, **checksums},
        no_cache=no_cache,
    )


# The two files that say who is who in an image, with a zero byte between them.
_LOOK = "cat /etc/passwd; printf '\\0'; cat /etc/group"


def _as_the_person(
    workspace: Workspace,
    experiment: Experiment,
    config: Configuration,
    image: str,
    facts: Engine,
    say: Say,
) -> tuple[str, str]:
    found = _inspected(image)
    about = found.get("Config") or {}
    named = config.value.get("remoteUser") or config.value.get("containerUser")
    user = str(named or _noted_user(about.get("Labels") or {}) or about.get("User") or "root")
    person = uid_mapping.person_of(Path(workspace.root), facts)
    if person is None:
        return image, user
    # The same image was looked into before, most often: a look takes as long as a container.
    note = Path(workspace.root, f".innerloop/people/{experiment.slug}.json")
    question = [found.get("Id"), user, bool(named), person.uid, person.gid]
    if (known := _remembered(note, question)) is not None:
        return known
    look = process.run(docker_cli.run_once(image, ["/bin/sh", "-c", _LOOK]))
    passwd, _, group = look.out.partition("\0")
    fits = uid_mapping.adapt(passwd, group, user, person, named=bool(named))
    name = image
    if fits.script is not None:
        say(f"the user {fits.user} in the container becomes you (UID {person.uid})")
        tag = image.rpartition(":")[2] if image.startswith(workspace.image_name) else "own"
        name = f"{workspace.image_name}/{experiment.slug.lower()}:{tag}-{person.uid}"
        labels = {EXPERIMENT_LABEL: experiment.name, WORKSPACE_LABEL: workspace.identity}
        text = fits.dockerfile(image, str(about.get("User") or ""))
        _build_from_text(name, labels, text, config.path)
    if look.ok:
        answer = [name, _inspected(name).get("Id"), fits.user]
        files.write_text(note, json.dumps([question, answer]))
    return name, fits.user


def _remembered(note: Path, question: list[Any]) -> tuple[str, str] | None:
    """The answer to the same question, when the image that it names is still that image."""
    try:
        asked, (name, number, user) = json.loads(files.read_text(note) or "")
    except (ValueError, TypeError):
        return None
    same = asked == question and _inspected(str(name)).get("Id") == number
    return (str(name), str(user)) if same else None


def _build_from_text(name: str, labels: Mapping[str, str], text: str, where: str) -> None:
    """By the older builder where it is still there: a builder in a container of its own, which
    buildx can be set to, does not see the images of this engine."""
    before = process.run(image_id(name))
    argv = docker_cli.build_from_text(name, labels)
    done = process.run(argv, stdin=text, env={**os.environ, "DOCKER_BUILDKIT": "0"})
    if not done.ok:
        done = process.run(argv, stdin=text)
    if not done.ok:
        raise UserError(
            f"the container's user could not be made you: {(done.err or done.out).strip()}",
            where=where,
            hint='Name another "remoteUser", or set "remoteUser": "root"',
        )
    if before.ok and before.out != process.run(image_id(name)).out:
        process.run(remove_image(before.out.strip()))  # without a name nobody would find it


def _inspected(image: str) -> Mapping[str, Any]:
    """What Docker says of an image; nothing when it is not there."""
    try:
        (value,) = json.loads(process.run(docker_cli.inspect_image(image)).out)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _noted_user(labels: Mapping[str, str]) -> str:
    """The user that a base image made for dev containers names in its label."""
    try:
        value = json.loads(labels.get(METADATA, "[]"))
    except ValueError:
        return ""
    listed = value if isinstance(value, list) else [value]
    named = [one.get("remoteUser") or one.get("containerUser") for one in listed if one]
    return next((str(user) for user in reversed(named) if user), "")
