"""A client of a worker process, which talks to a cloud or a cluster with that service's SDK."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ...util import files, locked_environments, process, venvs
from ...util.errors import UserError
from ..progress import TransferProgress
from .protocol import AGAIN

Event = Mapping[str, Any]

# Seconds after which a silent worker counts as stalled: retries of an SDK report something at least
# every 2 minutes. Azure's SDK itself waits for 4 hours on an upload that makes no progress.
SILENCE_LIMIT = 180.0


@dataclass(frozen=True, slots=True)
class Service:
    """A service and its worker.

    `name` is its name in messages; `group`, the lock of the worker's environment (locks/GROUP.txt);
    `module`, the module with its `main`; `report`, the file for details of unexpected errors; `env`
    gives the worker's variables; `scrub` removes secrets from a text; `stalled_message` is for a
    worker that is silent during a verb, after a request to a host ("" before the first).
    """

    name: str
    group: str
    module: str
    report: str
    env: Callable[[], dict[str, str]]
    scrub: Callable[[str], str]
    stalled_message: Callable[[str, str], str]


class WorkerClient:
    """Use as `with WorkerClient(root, service) as client: client.ask(...)`.

    `start` may come earlier: the worker then imports its SDK while the caller goes on. Leaving the
    block ends the worker.
    """

    def __init__(self, root: Path, service: Service) -> None:
        self.root = root
        self.service = service
        self.signed_in_by = ""
        self._worker: process.ChildProcess | None = None

    def __enter__(self) -> WorkerClient:
        return self

    def start(self) -> process.ChildProcess:
        """Starts the worker; installs its environment first if that is missing."""
        if self._worker is not None:
            return self._worker
        self._worker = process.ChildProcess(
            locked_environments.worker_argv(self.service.group, self.service.module),
            cwd=self.root,
            env=self.service.env(),
        )
        return self._worker

    def start_if_installed(self) -> None:
        """Starts the worker early, unless its environment would have to be installed first."""
        if venvs.is_ready(locked_environments.environment_of(self.service.group)):
            self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._worker is not None:
            self._worker.__exit__()

    def ask(
        self,
        verb: str,
        target: Any,
        on_event: Callable[[Event], None],
        **fields: Any,
    ) -> Any:
        """The worker's answer.

        `target` is a dataclass that names the workspace or cluster; `on_event` gets each event
        before the answer. Raises ServiceError for an error of the service and for a worker that is
        silent for `SILENCE_LIMIT` seconds beyond what the service asked to wait.
        """
        request = {"verb": verb, "target": asdict(target), "device": _is_interactive(), **fields}
        worker = self.start()
        worker.say(json.dumps(request))
        limit = silence_limit()
        allowed = max(limit, 60.0)  # the import of the SDK, on a slow disk
        host = ""
        while True:
            try:
                line = worker.hear(allowed)
            except TimeoutError:
                raise self._stalled(verb, host, allowed) from None
            if line is None:
                raise self._ended(worker)
            event = json.loads(line)
            allowed = limit + float(event.get("wait") or 0)
            match event["event"]:
                case "request":
                    host = event.get("host", "")
                case "done":
                    return event["value"]
                case "error":
                    raise self._error(event)
                case "signed-in":
                    self.signed_in_by = event["by"]
            if event["event"] == "sign-in":
                allowed = 900.0  # a sign-in code is valid this long
            on_event(event)

    def ask_with_progress(self, verb: str, target: Any, doing: str, **fields: Any) -> Any:
        """`ask` with a line on stderr that says what is being done."""
        progress = TransferProgress(doing)
        try:
            return self.ask(verb, target, progress.on_event, **fields)
        finally:
            progress.close()

    def _error(self, event: Event) -> UserError:
        again = event.get("again", "")
        if event["code"] not in ("other", "import"):
            return ServiceError(event["what"], hint=event["hint"], again=again, code=event["code"])
        text = self.service.scrub(f"{event.get('trace', '')}\n")
        files.write_text(self.root / self.service.report, text)
        hint = event["hint"] or f"{self.service.report} has the details"
        return ServiceError(event["what"], hint=hint, code=event["code"])

    def _ended(self, worker: process.ChildProcess) -> UserError:
        errors = self.service.scrub(worker.errors)
        report = self.service.report
        files.write_text(self.root / report, f"{errors}\n")
        last = next((line for line in reversed(errors.splitlines()) if line.strip()), "no message")
        what = f"{self.service.name}'s client ended: {last.strip()}"
        return ServiceError(what, code="worker-ended", hint=f"{report} has the details")

    def _stalled(self, verb: str, host: str, seconds: float) -> UserError:
        return ServiceError(
            f"{self.service.stalled_message(verb, host)}: no data for {seconds:.0f} s",
            code="stalled",
            hint="Check the network",
            again=AGAIN,
        )


class ServiceError(UserError):
    """An error of the service or on the way to it.

    `code` is one of its worker's error codes, or "stalled", "worker-ended". `cure` is the hint
    without `again`, which says when to repeat the command.
    """

    def __init__(self, what: str, *, code: str, hint: str = "", again: str = "") -> None:
        super().__init__(what, code=code, hint=join_sentences(hint, again))
        self.cure = hint

    def instead_of_again(self, text: str) -> ServiceError:
        """The error with its cure, and with another sentence about what to do next."""
        return ServiceError(self.what, code=self.code, hint=join_sentences(self.cure, text))


def join_sentences(*texts: str) -> str:
    """The texts that are not empty as sentences; the last has no full stop, as in a hint."""
    return ". ".join(text.rstrip(".") for text in texts if text)


def poll_interval(default: float) -> float:
    """Seconds between two status requests; INNERLOOP_PAUSE overrides the default."""
    try:
        return max(float(os.environ.get("INNERLOOP_PAUSE", "")), 0.05)
    except ValueError:
        return default


def silence_limit() -> float:
    """Seconds after which a silent worker counts as stalled; INNERLOOP_PATIENCE overrides it."""
    try:
        return max(float(os.environ.get("INNERLOOP_PATIENCE", "")), 1.0)
    except ValueError:
        return SILENCE_LIMIT


def _is_interactive() -> bool:
    """Whether somebody can type a sign-in code into a browser.

    That is so on a terminal or in Codespaces, but not in CI.
    """
    if os.environ.get("CI") or os.environ.get("TF_BUILD"):
        return False
    return sys.stderr.isatty() or bool(os.environ.get("CODESPACES"))


def plain_environment() -> dict[str, str]:
    """This process's variables, without those that change the worker's Python."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
