"""Docker: the engine, the builder, the disk, and what this workspace has left in it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

from ..devcontainers import configuration, discovery, staleness
from ..docker import buildkit, engine
from ..util import process
from . import cleanup
from .checks import PATIENCE, Checkup, Fact

GB = 10**9


def the_engine(patient: Checkup) -> Iterator[Fact]:
    told = _info()
    facts = engine.ask("innerloop-doctor")
    if not facts.answers or not told:
        why = facts.why or "Docker's client gives no answer"
        yield Fact("note", "docker engine", f"{why}; runs use the place venv", facts.hint)
        return
    memory = told.get("MemTotal", 0) / GB
    owners = "file sharing makes files yours" if facts.maps_owners else "containers run as you"
    what = f"{told['ServerVersion']}, {told.get('NCPU')} cores, {memory:.0f} GB of memory; {owners}"
    yield Fact("ok", "docker engine", what)
    if facts.desktop and memory < 6:
        yield Fact(
            "note",
            "engine's memory",
            f"{memory:.1f} GB: training may be killed",
            "Docker Desktop: Settings, Resources, Memory",
        )
    yield from _disk_of_the_engine(told)
    yield _nvidia(told)


def _disk_of_the_engine(told: dict[str, Any]) -> Iterator[Fact]:
    folder = told.get("DockerRootDir", "")
    if os.path.isdir(folder):  # with Docker Desktop it is in a virtual machine
        yield disk_fact("engine's disk", shutil.disk_usage(folder).free, folder)


def disk_fact(name: str, free: int, folder: str) -> Fact:
    """An image with CUDA's libraries takes 7 GB, and as much again while it is built."""
    left = f"{free / GB:.0f} GB free ({folder})"
    if free > 20 * GB:
        return Fact("ok", name, left)
    hint = "`scripts/loop clean` frees what this workspace needs no more"
    return Fact("note" if free > 8 * GB else "bad", name, left, hint)


def _nvidia(told: dict[str, Any]) -> Fact:
    runtimes = told.get("Runtimes") or {}
    devices = json.dumps(told.get("DiscoveredDevices") or [])
    has = "nvidia" in runtimes or "nvidia.com/gpu" in devices
    if has and engine.has_gpu():
        return Fact("ok", "nvidia runtime", "the engine can hand the GPU over")
    if has:
        what = "there, but this machine has no GPU; runs use the CPU"
        return Fact("note", "nvidia runtime", what)
    if engine.has_gpu():
        hint = (
            "Install nvidia-container-toolkit, then `sudo nvidia-ctk runtime configure "
            "--runtime=docker` and `sudo systemctl restart docker`"
        )
        return Fact("note", "nvidia runtime", "the engine cannot hand the GPU over", hint)
    return Fact("ok", "nvidia runtime", "not there, and not needed without a GPU")


def the_builder(patient: Checkup) -> Iterator[Fact]:
    if process.which("docker") is None:
        return
    plugin = process.run(["docker", "buildx", "version"], timeout=PATIENCE)
    if plugin.ok:
        words = plugin.out.split()
        version = words[1] if len(words) > 1 else ""
        yield Fact("ok", "buildx", f"{version}: builds use BuildKit")
    elif buildkit.has_buildkit():
        yield Fact("ok", "buildx", "not there, but this Docker has BuildKit by itself")
    else:
        what = "not there: builds use the older builder, without pip's cache or secrets"
        hint = buildkit.INSTALL_BUILDX
        yield Fact("note", "buildx", what, hint[0].upper() + hint[1:])


def dev_containers(patient: Checkup) -> Iterator[Fact]:
    """Those that are there, and what has changed since each was made."""
    if process.which("docker") is None:
        return
    for experiment in patient.experiments:
        for one in discovery.find(patient.workspace, experiment):
            config = configuration.load(patient.workspace, experiment)
            changed = staleness.of_container(one, patient.workspace, experiment, config)
            name = "dev container"
            if changed:
                what = f"{experiment.name}: stale, since {changed[0]}"
                what += f" and {len(changed) - 1} more" if len(changed) > 1 else ""
                hint = f"`scripts/loop up {experiment.name} --rebuild`"
                yield Fact("note", name, what, hint)
            else:
                state = "running" if one.running else "stopped"
                yield Fact("ok", name, f"{experiment.name}: {state}, up to date")


def what_is_left(patient: Checkup) -> Iterator[Fact]:
    """Stale images and containers, and what `loop clean` would free."""
    there = cleanup.find(patient.workspace, cleanup.DEFAULT_KINDS)
    stale = [one for one in there if one.stale and not one.kept]
    every = cleanup.readable(cleanup.total([one for one in there if not one.kept]))
    if not stale:
        less = (
            ", as far as can be seen without Docker"
            if cleanup.unavailable_reason(cleanup.DEFAULT_KINDS)
            else ""
        )
        what = f"nothing stale; this workspace takes {every} in all{less}"
        yield Fact("ok", "left behind", what)
        return
    named = ", ".join(one.name for one in stale[:3]) + (", ..." if len(stale) > 3 else "")
    size = cleanup.readable(cleanup.total(stale))
    what = f"{len(stale)} stale ({named}), {size} of {every} in all"
    yield Fact("note", "left behind", what, "`scripts/loop clean` shows and frees it")


def _info() -> dict[str, Any]:
    """What the engine says of itself; empty without one. (The client prints an empty form then,
    and its exit code differs between versions.)"""
    if process.which("docker") is None:
        return {}
    done = process.run(["docker", "info", "--format", "{{json .}}"], timeout=PATIENCE)
    try:
        told = json.loads(done.out.splitlines()[0])
    except (ValueError, IndexError):
        return {}
    return told if isinstance(told, dict) and told.get("ServerVersion") else {}
