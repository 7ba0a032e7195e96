"""A server from its plan to its end: started, asked until it truly answers, followed, stopped."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..docker import docker_cli
from ..model.deployment import Deployment
from ..util import console, process
from ..util.errors import UserError
from . import readiness
from .client import Reply
from .readiness import ReadinessOutcome
from .server_plan import Server

# Seconds that a server has to end by itself.
GRACE = 5
# Nobody watches a start for longer than this, whatever Azure ML would allow.
LONGEST = 600.0


def patience_of(deployment: Deployment) -> float:
    """Seconds until a server must have answered: what Azure ML's readiness probe allows it."""
    given = os.environ.get("INNERLOOP_PATIENCE", "")
    if given.isdecimal():
        return float(given)
    probe = deployment.readiness_probe
    return min(LONGEST, float(probe.initial_delay + probe.period * probe.failure_threshold))


def start(server: Server) -> None:
    done = process.run(server.request.argv)
    if done.ok:
        return
    process.run(docker_cli.remove(server.name), timeout=30)
    last = done.err.strip().splitlines()[-1:] or ["no answer"]
    raise UserError(
        f"the server's container did not start: {last[0]}",
        where=server.deployment.file,
        hint="`scripts/loop serve --dry-run` shows how it is started",
    )


def stop(server: Server) -> None:
    try:
        process.run(docker_cli.stop(server.name, GRACE), timeout=GRACE + 30)
    finally:  # also for somebody who presses Ctrl-C again meanwhile
        process.run(docker_cli.remove(server.name), timeout=30)


@dataclass(slots=True)
class Watch:
    """The question whether it answers, beside the server's own output."""

    server: Server
    patience: float | None
    on_ready: Callable[[Reply, float], None]
    ended: threading.Event = field(default_factory=threading.Event)
    outcome: ReadinessOutcome = field(default_factory=ReadinessOutcome)

    def ask(self) -> None:
        begun = time.monotonic()
        self.outcome = readiness.wait(
            self.server.url,
            self.server.sample,
            self.ended,
            patience=self.patience,
            say=lambda text: say(f"{self.server.deployment.file}: {text}"),
        )
        if self.outcome.reply is not None:
            self.on_ready(self.outcome.reply, time.monotonic() - begun)
        elif self.outcome.why:
            process.run(docker_cli.stop(self.server.name, 1), timeout=30)

    def follow(self) -> None:
        """Asks, and then whether it still answers; not where somebody stands at a breakpoint."""
        self.ask()
        if self.outcome.reply is not None and self.patience is not None:
            readiness.watch(self.server.url, self.server.sample, self.ended, say)


def serve(
    server: Server, *, patience: float | None, on_ready: Callable[[Reply, float], None]
) -> int:
    """Runs it until it ends or Ctrl-C, with its output here; `on_ready` is called once, with the
    first prediction and the seconds until then. No container stays. A server that never answers is
    a `Mistake`."""
    watch = Watch(server, patience, on_ready)
    asking = threading.Thread(target=watch.follow, daemon=True)
    with process.signals_as_interrupts():
        try:
            start(server)
            asking.start()
            process.run_foreground(
                docker_cli.follow_logs(server.name),
                on_interrupt=lambda press: _hurry(server, press),
            )
            code = _exit_code(server)
        finally:
            watch.ended.set()
            stop(server)
    asking.join(5)
    return _ending(watch, code)


def detach(server: Server, *, patience: float | None) -> ReadinessOutcome:
    """Starts it and waits until it answers; it stays then. One that never answers is taken away,
    and is a `Mistake` with its last words."""
    watch = Watch(server, patience, lambda *_: None)
    ending = threading.Thread(target=_until_it_ends, args=(server, watch.ended), daemon=True)
    well = False
    with process.signals_as_interrupts():
        try:
            start(server)
            ending.start()
            watch.ask()
            well = watch.outcome.reply is not None
        finally:
            if not well:
                _print_log(server)
                code = _exit_code(server)
                stop(server)
    if not well:
        _ending(watch, code)
        raise _ended(server, code)
    return watch.outcome


def _until_it_ends(server: Server, ended: threading.Event) -> None:
    process.run(["docker", "wait", server.name])
    ended.set()


def _print_log(server: Server) -> None:
    done = process.run(["docker", "logs", "--tail", "50", server.name], timeout=30)
    print(done.out + done.err, end="", file=sys.stderr, flush=True)


def _hurry(server: Server, press: int) -> None:
    process.run(docker_cli.stop(server.name, GRACE if press == 1 else 1), timeout=30)


def _ending(watch: Watch, code: int) -> int:
    server = watch.server
    if watch.outcome.why:
        raise UserError(
            f"the server does not work: {watch.outcome.why}",
            where=server.deployment.file,
            hint="What it printed above says why; its word for its health alone is not enough",
        )
    if watch.outcome.reply is None:
        raise _ended(server, code)
    killed = " (killed: out of memory, most often)" if code == 137 else ""
    say(f"the server has ended with exit code {code}{killed}")
    return code


def _ended(server: Server, code: int) -> UserError:
    return UserError(
        f"the server ended with exit code {code} before it answered",
        where=server.deployment.file,
        hint="What it printed above says why",
    )


def _exit_code(server: Server) -> int:
    done = process.run(docker_cli.exit_code(server.name), timeout=30)
    return int(done.out) if done.ok and done.out.strip().isdigit() else 1


def sample_name(server: Server) -> str:
    return Path(server.folder.sample or "").name


def say(text: str) -> None:
    console.say(text)
