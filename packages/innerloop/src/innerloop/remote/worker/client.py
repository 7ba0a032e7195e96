"""The line to a program (a `worker`) that talks to a cloud or a cluster by that one's own client:
started early, asked one thing after the other."""

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

Event = Mapping[str, Any]

# A worker that says nothing for so long hangs: its own retries say something at least every 2
# minutes. Azure's client itself would wait for 4 hours on an upload that does not move.
PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class Service:
    """Who is talked to: `name` for a person; `group`, the lock of the worker's environment;
    `module` of the worker; `report`, where details of what nobody foresaw go; `env`, the worker's
    variables; `scrub`, which takes secrets out of a text; `silent`, what is said of one that hangs
    at a verb."""

    name: str
    group: str
    module: str
    report: str
    env: Callable[[], dict[str, str]]
    scrub: Callable[[str], str]
    silent: Callable[[str], str]


class Line:
    """Use as `with Line(root, service) as line: line.ask(...)`. `start` may come earlier: the worker
    then imports its client while the caller goes on. Leaving ends it."""

    def __init__(self, root: Path, service: Service) -> None:
        self.root = root
        self.service = service
        self.signed_in_by = ""
        self._talk: process.ChildProcess | None = None

    def __enter__(self) -> Line:
        return self

    def start(self) -> process.ChildProcess:
        """Sets the client's environment up where it is not there yet, and starts the worker."""
        if self._talk is not None:
            return self._talk
        environment = locked_environments.ensure(self.service.group)
        start = "import sys; sys.path.insert(0, sys.argv[1]); "
        start += f"from {self.service.module} import main; main()"
        self._talk = process.ChildProcess(
            [str(venvs.python_of(environment)), "-E", "-s", "-X", "utf8", "-c",
             start,
             str(locked_environments.PACKAGE.parent)],
            cwd=self.root,
            env=self.service.env(),
        )  # fmt: skip
        return self._talk

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._talk is not None:
            self._talk.__exit__()

    def ask(
        self,
        verb: str,
        target: Any,
        on_event: Callable[[Event], None],
        **words: Any,
    ) -> Any:
        """The worker's answer; `target` is a dataclass that says where. `on_event` hears what
        happens on the way. A fault is a `Mistake`; so is a worker that says nothing for `PATIENCE`
        seconds and what the service asked to wait."""
        request = {"verb": verb, "target": asdict(target), "device": _a_person_is_here(), **words}
        talk = self.start()
        talk.say(json.dumps(request))
        patience = _patience()
        allowed = max(patience, 60.0)  # the import of the client, on a slow disk
        while True:
            try:
                line = talk.hear(allowed)
            except TimeoutError:
                raise self._hangs(verb, allowed) from None
            if line is None:
                raise self._broken(talk)
            event = json.loads(line)
            allowed = patience + float(event.get("wait") or 0)
            match event["event"]:
                case "done":
                    return event["value"]
                case "fault":
                    raise self._mistake(event)
                case "signed-in":
                    self.signed_in_by = event["by"]
            if event["event"] == "sign-in":
                allowed = 900.0  # as long as a code to sign in with is good
            on_event(event)

    def _mistake(self, event: Event) -> UserError:
        if event["code"] not in ("other", "import"):
            return Fault(event["what"], hint=event["hint"], code=event["code"])
        text = self.service.scrub(f"{event.get('trace', '')}\n")
        files.write_text(self.root / self.service.report, text)
        hint = event["hint"] or f"{self.service.report} has the details"
        return Fault(event["what"], hint=hint, code=event["code"])

    def _broken(self, talk: process.ChildProcess) -> UserError:
        errors = self.service.scrub(talk.errors)
        report = self.service.report
        files.write_text(self.root / report, f"{errors}\n")
        last = next((one for one in reversed(errors.splitlines()) if one.strip()), "no word of why")
        what = f"{self.service.name}'s client ended: {last.strip()}"
        return Fault(what, hint=f"{report} has the details")

    def _hangs(self, verb: str, seconds: float) -> UserError:
        return Fault(
            f"{self.service.silent(verb)}: nothing came or went for {seconds:.0f} s",
            hint="Check the network, and run it again: what has arrived is not sent twice",
            code="hangs",
        )


class Fault(UserError):
    """A `Mistake` on the way there or back; `code` is that of the place's faults."""

    def __init__(self, what: str, *, hint: str = "", code: str = "other") -> None:
        super().__init__(what, hint=hint)
        self.code = code


def _patience() -> float:
    try:
        return max(float(os.environ.get("INNERLOOP_PATIENCE", "")), 1.0)
    except ValueError:
        return PATIENCE


def _a_person_is_here() -> bool:
    """Whether somebody can type a code into a browser: on a terminal or in Codespaces, not in CI."""
    if os.environ.get("CI") or os.environ.get("TF_BUILD"):
        return False
    return sys.stderr.isatty() or bool(os.environ.get("CODESPACES"))


def plain_environment() -> dict[str, str]:
    """Ours, without what would change the worker's Python."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
