"""Carries out a request for a container: from its mounts to the program's exit code.

Apart from `docker`, which plans it: a run whose plan is known needs no more than this.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ..docker import attached_container, container_ports, containers, docker_cli
from ..history import recorder
from ..util import console, process
from ..util.errors import UserError
from .mount_points import container_name, mount_points

if TYPE_CHECKING:
    from ..model.container import ContainerSpec
    from ..model.run import Request, Run


def submit(run: Run, request: Request) -> int:
    """Start the container and return the program's exit code.

    Ctrl-C and the job's time limit stop the container: the program gets a signal and some seconds
    to end by itself. Then KeyboardInterrupt is raised.

    The container of a recorded run stays until its end is read, so that neither the end of the
    engine's client nor that of this process hides how the program ended.
    """
    name = container_name(run)
    terminal = request.container is not None and request.container.terminal
    with mount_points(run, request):
        try:
            code = _foreground(run, request, name, terminal)
            if request.container is None or request.container.remove:
                return code if code == 0 else _end_of_unrecorded(name, code, terminal)
            return _end_of(name, code, _names_itself(request.container), terminal and run.in_place)
        except recorder.RunLost:
            raise
        except BaseException:
            with suppress(UserError):
                containers.remove(name)
            raise


def _foreground(run: Run, request: Request, name: str, terminal: bool) -> int:
    """The exit code of the container, over the engine's socket or by `docker run`."""
    with container_ports.opened(request) as opened:
        environ = {**os.environ, **opened.secrets}
        container = opened.container
        # The keys of a shell are the client's to carry: it lives long, and its start is no matter.
        if container is not None and not (terminal and run.in_place):
            code = attached_container.run(
                container,
                environ,
                limit=run.job.timeout,
                stop=lambda seconds: containers.stop(name, seconds),
            )
            if code is not None:
                return code
        return _client(run, opened.argv, environ, name, terminal)


def _client(
    run: Run, argv: Sequence[str], environ: Mapping[str, str], name: str, terminal: bool
) -> int:
    """The exit code of `docker run`."""

    def on_interrupt(press: int) -> None:
        if press == 1 and not terminal:
            process.run(docker_cli.kill(name, "INT"), timeout=10)
        elif press != 1:
            containers.stop(name, 2)

    return process.run_foreground(
        argv,
        env=environ,
        on_interrupt=on_interrupt,
        limit=run.job.timeout,
        on_limit=lambda: containers.stop(name, 10),
    )


def _end_of(name: str, code: int, has_own_name: bool, is_shell: bool = False) -> int:
    """The exit code of the program, once `docker run` has ended with `code`; removes the container.

    A client that succeeded has seen the end of the container. One that failed may have been killed,
    or have lost the engine: the container is asked, and followed again if it still runs. A shell
    cannot be followed: its container is removed.
    """
    if has_own_name:  # the job's docker_args name or remove the container
        return code
    if code == 0 and containers.remove_ended(name):
        return code
    found = _asked(name)
    if found is not None and found.is_alive and is_shell:
        containers.remove(name)
        return code
    if found is not None and found.is_alive:
        console.say(
            f"the engine's client ended ({code}), and the container {name} still runs: following it"
        )
        found = _followed(name)
    if found is None:
        return code
    containers.remove(name)
    return found.exit_code if found.has_started and found.finished else code


def _end_of_unrecorded(name: str, code: int, terminal: bool) -> int:
    """As `_end_of` for a container that the engine removes when it ends.

    A terminal cannot be opened again: its container is removed.
    """
    found = _asked(name)
    if found is not None and found.is_alive:
        if terminal:
            containers.remove(name)
        else:
            _followed(name)
    return code


# How long an engine that restarts is waited for, in seconds.
_PATIENCE = 10.0


def _asked(name: str) -> containers.OwnContainer | None:
    """The container. RunLost if the engine does not answer."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return containers.find(name)
        except UserError as error:
            if time.monotonic() > until:
                lost = UserError(
                    f"how the run ended is not known: {error.what}",
                    code="engine-lost",
                    where=name,
                    hint="Once the engine answers, `scripts/loop runs` shows its end",
                )
                raise recorder.RunLost(lost) from error
        time.sleep(0.5)


def _followed(name: str) -> containers.OwnContainer | None:
    """Follow a container until it has ended. Ctrl-C stops it first."""
    since = f"{time.time():.3f}"
    while (found := _asked(name)) is not None and found.is_alive:
        code = process.run_foreground(
            docker_cli.follow_logs(name, since),
            on_interrupt=lambda press: process.run(
                docker_cli.stop(name, 10 if press == 1 else 1), timeout=40
            ),
        )
        since = f"{time.time():.3f}"
        if code != 0:
            time.sleep(0.5)
    return found


def _names_itself(container: ContainerSpec) -> bool:
    """Whether options of the job or the user give the container another name, or remove it."""
    names = ("--name", "--rm", "-d", "--detach")
    return any(word.split("=")[0] in names for word in container.options)
