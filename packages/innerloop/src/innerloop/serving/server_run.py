"""Runs a server from its plan to its end: start, wait until it is ready, follow its log, stop."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path

from ..docker import container_ports, containers, docker_cli
from ..model.deployment import Deployment
from ..runner import exit_reason
from ..util import console, process
from ..util.errors import UserError
from ..util.printable import raw
from ..util.quick_dataclasses import dataclass
from . import readiness
from .client import Reply
from .readiness import ReadinessOutcome
from .server_plan import Server

# Seconds that a server has to end by itself.
GRACE = 5
# The longest time to wait for a server, in seconds, also where Azure ML would wait longer.
LONGEST = 600.0


def patience_of(deployment: Deployment) -> float:
    """The seconds within which a server must be ready: those of Azure ML's readiness probe."""
    seconds = os.environ.get("INNERLOOP_PATIENCE", "")
    if seconds.isdecimal():
        return float(seconds)
    probe = deployment.readiness_probe
    return min(LONGEST, float(probe.initial_delay + probe.period * probe.failure_threshold))


def start(server: Server) -> None:
    """Start the container in the background. UserError when it does not start."""
    done = process.run(server.request.argv, env={**os.environ, **server.request.secrets})
    if done.ok:
        return
    process.run(docker_cli.remove(server.name), timeout=30)
    last = done.err.strip().splitlines()[-1:] or ["no answer"]
    raise UserError(
        f"the server's container did not start: {last[0]}",
        code="server-failed",
        where=server.deployment.file,
        hint="`scripts/loop serve --dry-run` prints how it is started",
    )


def stop(server: Server) -> None:
    """Stop and remove the container."""
    try:
        process.run(docker_cli.stop(server.name, GRACE), timeout=GRACE + 30)
    finally:  # also when Ctrl-C is pressed again meanwhile
        process.run(docker_cli.remove(server.name), timeout=30)


@dataclass(slots=True)
class Watch:
    """Waits for a server to be ready, while its output is printed. `ended` is set when it ends."""

    server: Server
    patience: float | None
    on_ready: Callable[[Reply, float], None]
    ended: threading.Event = field(default_factory=threading.Event)
    outcome: ReadinessOutcome = field(default_factory=ReadinessOutcome)

    def wait(self) -> None:
        """Wait for the first prediction. A server that will never be ready is stopped."""
        begun = time.monotonic()
        self.outcome = readiness.wait(
            self.server.url,
            self.server.sample,
            self.ended,
            patience=self.patience,
            say=lambda text: console.say(f"{self.server.deployment.file}: {text}"),
        )
        if self.outcome.reply is not None:
            self.on_ready(self.outcome.reply, time.monotonic() - begun)
        elif self.outcome.reason:
            process.run(docker_cli.stop(self.server.name, 1), timeout=30)

    def follow(self) -> None:
        """Wait for the first prediction, then watch whether the server goes on answering.

        Without `patience` it is being debugged, and is not watched.
        """
        self.wait()
        if self.outcome.reply is not None and self.patience is not None:
            readiness.watch(self.server.url, self.server.sample, self.ended, console.say)


def serve(
    server: Server, *, patience: float | None, on_ready: Callable[[Reply, float], None]
) -> int:
    """Run the server until it ends or Ctrl-C, print its output, and return its exit code.

    `on_ready` is called once, with the first prediction and the seconds until then. The container
    is always removed. UserError when the server is never ready.
    """
    with container_ports.opened(server.request) as request:
        return _serve(replace(server, request=request), patience, on_ready)


def _serve(server: Server, patience: float | None, on_ready: Callable[[Reply, float], None]) -> int:
    watch = Watch(server, patience, on_ready)
    watcher = threading.Thread(target=watch.follow, daemon=True)
    with process.signals_as_interrupts():
        try:
            start(server)
            watcher.start()
            _follow(server)
            code = _exit_code(server)
        finally:
            watch.ended.set()
            stop(server)
    watcher.join(5)
    return _end(watch, code)


def _follow(server: Server) -> None:
    """Print the server's output until it ends, also when the engine's client is killed."""
    since = ""
    while True:
        process.run_foreground(
            docker_cli.follow_logs(server.name, since),
            on_interrupt=lambda press: _interrupt(server, press),
        )
        found = containers.find(server.name)
        if found is None or not found.is_alive:
            return
        since = f"{time.time():.3f}"


def detach(server: Server, *, patience: float | None) -> ReadinessOutcome:
    """Start the server, wait until it is ready, and leave it running.

    A server that is never ready is removed: UserError, after the end of its log is printed.
    """
    server = replace(server, request=container_ports.with_network(server.request))
    watch = Watch(server, patience, lambda *_: None)
    waiter = threading.Thread(target=_wait_for_end, args=(server, watch.ended), daemon=True)
    is_ready = False
    with process.signals_as_interrupts():
        try:
            start(server)
            waiter.start()
            watch.wait()
            is_ready = watch.outcome.reply is not None
        finally:
            if not is_ready:
                _print_log(server)
                code = _exit_code(server)
                stop(server)
    if not is_ready:
        _end(watch, code)
        raise _ended(server, code)
    return watch.outcome


def _wait_for_end(server: Server, ended: threading.Event) -> None:
    process.run(docker_cli.wait(server.name))
    ended.set()


def _print_log(server: Server) -> None:
    done = process.run(docker_cli.last_logs(server.name, 50), timeout=30)
    print(done.out + done.err, end="", file=raw(sys.stderr), flush=True)


def _interrupt(server: Server, press: int) -> None:
    process.run(docker_cli.stop(server.name, GRACE if press == 1 else 1), timeout=30)


def _end(watch: Watch, code: int) -> int:
    """The exit code of a server that has ended. UserError if it was never ready."""
    server = watch.server
    if watch.outcome.reason:
        raise UserError(
            f"the server does not work: {watch.outcome.reason}",
            code="server-not-ready",
            where=server.deployment.file,
            hint="Its output above shows why; a server is ready when a prediction succeeds, "
            "whatever its health check says",
        )
    if watch.outcome.reply is None:
        raise _ended(server, code)
    console.say(f"the server ended with exit code {code}{_reason(server, code)}")
    return code


def _ended(server: Server, code: int) -> UserError:
    return UserError(
        f"the server ended with exit code {code}{_reason(server, code)} before it was ready",
        code="server-not-ready",
        where=server.deployment.file,
        hint="Its output above shows why",
    )


def _reason(server: Server, code: int) -> str:
    reason = exit_reason.of_container(server.name, code)
    return f" ({reason})" if reason else ""


def _exit_code(server: Server) -> int:
    done = process.run(docker_cli.exit_code(server.name), timeout=30)
    return int(done.out) if done.ok and done.out.strip().isdigit() else 1


def sample_name(server: Server) -> str:
    return Path(server.folder.sample or "").name
