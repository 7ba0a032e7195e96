"""List what is missing on this machine, and how to fix it."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ..doctor import (
    backend_checks,
    checks,
    docker_checks,
    editor_checks,
    gpu_checks,
    host_checks,
    network_checks,
    wheel_checks,
)
from ..doctor.checks import Checkup, Fact
from ..model.experiment import Experiment
from ..remote import base
from ..util import console
from ..util.errors import UserError
from ..util.printable import printable, raw
from ..util.progress import Progress
from ..util.user_shell import localized
from ..workspace import loader

EXAMPLES = """examples:
  loop doctor            one line per fact; BAD: something does not work, note: with restrictions
  loop doctor --json     an array of {state, name, what, hint}
  loop doctor --azure    the Azure ML workspace: configuration, sign-in, computes, quota
  loop doctor --argo     the cluster: kubeconfig, Argo Workflows, permissions, GPUs
  loop doctor --backend ssh:gpubox    the machine: connection, engine, GPU, disk, clock

The exit code is 1 if something does not work.
"""

# All run at once, and are shown in this order.
CHECKS = (
    host_checks.this_machine,
    docker_checks.the_engine,
    docker_checks.the_builder,
    backend_checks.the_backends,
    gpu_checks.the_gpu,
    editor_checks.devcontainer_cli,
    editor_checks.vs_code,
    network_checks.proxy_and_authority,
    network_checks.ports,
    host_checks.this_checkout,
    wheel_checks.vendored_wheels,
    host_checks.generated_files,
    host_checks.experiments,
    docker_checks.dev_container_programs,
    docker_checks.dev_containers,
    docker_checks.unwatched,
    docker_checks.disk_usage,
)
# What an experiment's container cannot have, and nobody should install there.
OF_THE_HOST = {
    docker_checks.the_builder,
    docker_checks.dev_container_programs,
    docker_checks.dev_containers,
    docker_checks.unwatched,
    editor_checks.devcontainer_cli,
    editor_checks.vs_code,
}
SIGNS = {"ok": "ok  ", "note": "note", "bad": "BAD "}
COLOURS = {"ok": "32", "note": "33", "bad": "31"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    base.add_backend_argument(parser, "check this remote backend instead (ssh:NAME: a machine)")
    for option, name in (("--azure", "azureml"), ("--argo", "argo")):
        parser.add_argument(
            option,
            dest="backend",
            action="store_const",
            const=name,
            help=f"the same as --backend {name}",
        )


def run(args: argparse.Namespace) -> int:
    live = not args.json and sys.stdout.isatty()
    facts: list[Fact] = []
    for fact in _facts(args, live):
        facts.append(fact)
        if not args.json:
            _show(fact, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    if args.json:
        console.print_json([asdict(fact) for fact in facts])
    return 1 if any(fact.state == "bad" for fact in facts) else 0


def _facts(args: argparse.Namespace, live: bool) -> Iterator[Fact]:
    if args.backend:
        return _backend(args.backend, args.root)
    return _with_progress(_checkup(args.root), live=live)


def _backend(name: str, root: Path) -> Iterator[Fact]:
    with base.open_backend(name, root) as backend:
        yield from (Fact(*fact) for fact in backend.doctor())


def _checkup(root: Path) -> Checkup:
    workspace = loader.open_workspace(root)
    experiments: list[Experiment] = []
    broken: dict[str, str] = {}
    for name in workspace.experiments:
        try:
            experiment = loader.open_experiment(workspace, name)
            experiments.append(experiment)
            loader.open_job(workspace, experiment)
        except UserError as error:
            broken[name] = error.message()
    return Checkup(root, workspace, tuple(experiments), broken)


def _with_progress(checkup: Checkup, *, live: bool) -> Iterator[Fact]:
    """The facts as they come; on a terminal the live line names the checks that still run."""
    is_inside = loader.current_experiment() is not None
    chosen = [check for check in CHECKS if not (is_inside and check in OF_THE_HOST)]
    with Progress() as progress:
        for facts, running in checks.run(checkup, chosen):
            if live and running:
                progress.show(f"checking: {', '.join(running)}")
            if facts:
                progress.end()  # the facts go to stdout
            yield from facts


def _show(fact: Fact, *, colour: bool) -> None:
    sign = SIGNS[fact.state]
    if colour:
        sign = f"\x1b[{COLOURS[fact.state]}m{sign}\x1b[0m"
    text = printable(f"{fact.name:<17} {_beside(localized(fact.what), 24)}")
    print(f"{sign}  {text}", file=raw(sys.stdout), flush=True)
    if fact.hint:
        print(f"{'':<24}-> {_beside(localized(fact.hint), 27)}", flush=True)


def _beside(text: str, column: int) -> str:
    """The text for this column: wrapped in a terminal, each line below the first one's beginning."""
    if not sys.stdout.isatty():
        return text
    room = max(shutil.get_terminal_size().columns - column, 30)
    wrapped = (
        part
        for line in text.splitlines()
        for part in textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False)
    )
    return f"\n{'':<{column}}".join(wrapped)
