"""Checks of Docker: the engine, the builder, the disk, and what this workspace has in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..apptainer import program
from ..devcontainers import configuration, discovery, host_programs, staleness
from ..docker import buildkit, client, docker_cli, engine, engine_location
from ..docker.engine_facts import EngineFacts
from ..local import lost_runs
from ..model.container import PODMAN
from ..util import process
from ..util.errors import UserError
from ..workspace.loader import current_experiment
from . import cleanup, gpu_checks
from .checks import PATIENCE, Checkup, Fact

GB = 10**9


def the_engine(checkup: Checkup) -> Iterator[Fact]:
    asked = engine_location.ask("innerloop-doctor", checkup.workspace.root, whole=True)
    if not asked.answers and (own := current_experiment()) is not None:
        what = f"this is the container of {own}: its runs happen here, those of others on the host"
        yield Fact("ok", "container", what)
        return
    if not asked.answers:
        other = "venv" if program.ask().program is None else "apptainer"
        yield Fact(
            "note", "docker engine", f"{asked.why}; runs use the backend {other}", asked.hint
        )
        return
    facts = asked.facts
    memory = facts.memory / GB
    owners = "files belong to you" if asked.maps_owners else "containers run as your user"
    what = f"{facts.title}, {facts.cpus} cores, {memory:.0f} GB of memory; {owners}"
    yield Fact("ok", "docker engine", what)
    if facts.product and 0 < memory < 6:
        yield Fact(
            "note",
            "engine's memory",
            f"{memory:.1f} GB: training may run out of memory",
            f"{facts.product}: give its virtual machine more memory in its settings",
        )
    if facts.is_here:
        yield from _engine_disk(facts)
    yield gpu_checks.of_engine(checkup, asked)


def _engine_disk(facts: EngineFacts) -> Iterator[Fact]:
    folder = facts.root_dir
    if os.path.isdir(folder):
        yield disk_fact("engine's disk", shutil.disk_usage(folder).free, folder)


def disk_fact(name: str, free: int, folder: str) -> Fact:
    """Free disk space. An image with CUDA's libraries takes 7 GB, and as much again in its build."""
    left = f"{free / GB:.0f} GB free ({folder})"
    if free > 20 * GB:
        return Fact("ok", name, left)
    hint = "`scripts/loop clean` removes what this workspace no longer uses"
    return Fact("note" if free > 8 * GB else "bad", name, left, hint)


def the_builder(checkup: Checkup) -> Iterator[Fact]:
    if not client.is_installed():
        return
    if client.current().kind == PODMAN:
        yield Fact("ok", "builder", "Podman's own, with pip's cache and secrets")
        return
    asked = engine.ask("innerloop-doctor")
    if asked.answers and asked.facts.kind == PODMAN:
        what = "Podman behind Docker's client: without pip's cache or secrets"
        hint = 'Use Podman\'s own client: [tool.innerloop] engine = "podman" in pyproject.toml'
        yield Fact("note", "builder", what, hint)
        return
    plugin = process.run(docker_cli.buildx_version(), timeout=PATIENCE)
    if plugin.ok:
        words = plugin.out.split()
        version = words[1] if len(words) > 1 else ""
        yield Fact("ok", "buildx", f"{version}: builds use BuildKit")
    elif buildkit.has_buildkit():
        yield Fact("ok", "buildx", "not installed, but this Docker has BuildKit built in")
    else:
        what = "not installed: builds use the legacy builder, without pip's cache or secrets"
        hint = buildkit.INSTALL_BUILDX
        yield Fact("note", "buildx", what, hint[0].upper() + hint[1:])


def dev_containers(checkup: Checkup) -> Iterator[Fact]:
    """The dev containers, and whether they are outdated."""
    if not client.is_installed() or engine_location.unavailable_reason(checkup.workspace.root):
        return
    for experiment in checkup.experiments:
        for container in discovery.find(checkup.workspace, experiment):
            try:
                config = configuration.load(checkup.workspace, experiment)
            except UserError:
                continue  # `dev_container_programs` says it
            changes = staleness.of_container(container, checkup.workspace, experiment, config)
            name = "dev container"
            if changes:
                what = f"{experiment.name}: outdated: {changes[0]}"
                what += f" and {len(changes) - 1} more" if len(changes) > 1 else ""
                hint = f"`scripts/loop up {experiment.name} --rebuild`"
                yield Fact("note", name, what, hint)
            else:
                state = "running" if container.running else "stopped"
                yield Fact("ok", name, f"{experiment.name}: {state}, up to date")


def dev_container_programs(checkup: Checkup) -> Iterator[Fact]:
    """What a devcontainer.json of the person needs on this machine; nothing if all is there."""
    if not client.is_installed():
        return
    for experiment in checkup.experiments:
        try:
            config = configuration.load(checkup.workspace, experiment)
        except UserError as error:
            if error.code != "devcontainer-json-missing":
                yield Fact("note", "dev container", f"{error.where}: {error.what}", error.hint)
            continue
        builds = not config.builds(experiment) and config.kind != "image"
        for need in host_programs.missing(checkup.root, config, builds=builds):
            yield Fact("bad", "dev container", f"{need.where}: {need.what}", need.hint)


def unwatched(checkup: Checkup) -> Iterator[Fact]:
    """Containers that run although the command that started them was killed."""
    if not client.is_installed():
        return
    lost_runs.settle_all(Path(checkup.workspace.root))
    for name in lost_runs.unwatched(checkup.workspace):
        what = f"{name} runs, and the command that started it was killed"
        yield Fact("note", "lost container", what, f"`{client.program()} stop {name}` stops it")


def disk_usage(checkup: Checkup) -> Iterator[Fact]:
    """Outdated images, containers and environments, and what `loop clean` would free."""
    items = cleanup.find(checkup.workspace, cleanup.DEFAULT_KINDS)
    outdated = [item for item in items if item.outdated and not item.kept]
    size_of_all = cleanup.readable(cleanup.total([item for item in items if not item.kept]))
    if not outdated:
        reason = cleanup.unavailable_reason(checkup.workspace, cleanup.DEFAULT_KINDS)
        without = " (without what is in Docker)" if reason else ""
        what = f"nothing is outdated; this workspace uses {size_of_all}{without}"
        yield Fact("ok", "disk usage", what)
        return
    names = ", ".join(item.name for item in outdated[:3]) + (", ..." if len(outdated) > 3 else "")
    size = cleanup.readable(cleanup.total(outdated))
    what = f"{len(outdated)} outdated ({names}), {size} of {size_of_all}"
    yield Fact("note", "disk usage", what, "`scripts/loop clean` lists and removes them")
