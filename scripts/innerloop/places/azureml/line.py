"""The line to the program that talks to Azure (`worker`): started early, asked one thing after the other."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from ... import bootstrap, environments, files, process
from ...errors import Mistake
from .faults import scrub
from .target import Target

Event = Mapping[str, Any]

# A worker that says nothing for so long hangs: its own retries say something at least every 2
# minutes. The client itself would wait for 4 hours on an upload that does not move.
PATIENCE = 180.0
REPORT = ".innerloop/azure-error.log"


class Line:
    """Use as `with Line(root) as line: line.ask(...)`. `start` may come earlier: the worker then
    imports Azure's client while the caller goes on. Leaving ends it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.signed_in_by = ""
        self._talk: process.Conversation | None = None

    def __enter__(self) -> Line:
        return self

    def start(self) -> process.Conversation:
        """Sets the client's environment up where it is not there yet, and starts the worker."""
        if self._talk is not None:
            return self._talk
        environment = bootstrap.ensure("azure")
        start = "import sys; sys.path.insert(0, sys.argv[1]); "
        start += "from innerloop.places.azureml.worker import main; main()"
        self._talk = process.Conversation(
            [str(environments.python_of(environment)), "-E", "-s", "-X", "utf8", "-c",
             start,
             str(bootstrap.SCRIPTS)],
            cwd=self.root,
            env=_environment(),
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
        target: Target,
        on_event: Callable[[Event], None],
        **words: Any,
    ) -> Any:
        """The worker's answer. `on_event` hears what happens on the way. A fault is a `Mistake`;
        so is a worker that says nothing for `PATIENCE` seconds and what Azure asked to wait."""
        request = {"verb": verb, "target": asdict(target), "device": _a_person_is_here(), **words}
        talk = self.start()
        talk.say(json.dumps(request))
        patience = _patience()
        allowed = max(patience, 60.0)  # the import of the client, on a slow disk
        while True:
            try:
                line = talk.hear(allowed)
            except TimeoutError:
                raise _hangs(verb, allowed) from None
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

    def _mistake(self, event: Event) -> Mistake:
        if event["code"] not in ("other", "import"):
            return Fault(event["what"], mend=event["mend"], code=event["code"])
        files.write_text(self.root / REPORT, scrub(f"{event.get('trace', '')}\n"))
        mend = event["mend"] or f"{REPORT} has the details"
        return Fault(event["what"], mend=mend, code=event["code"])

    def _broken(self, talk: process.Conversation) -> Mistake:
        errors = scrub(talk.errors)
        files.write_text(self.root / REPORT, f"{errors}\n")
        last = next((one for one in reversed(errors.splitlines()) if one.strip()), "no word of why")
        return Fault(f"Azure ML's client ended: {last.strip()}", mend=f"{REPORT} has the details")


class Fault(Mistake):
    """A `Mistake` on the way to Azure or back; `code` is that of faults.Fault."""

    def __init__(self, what: str, *, mend: str = "", code: str = "other") -> None:
        super().__init__(what, mend=mend)
        self.code = code


def _hangs(verb: str, seconds: float) -> Mistake:
    doing = "the upload does not move" if verb in ("submit", "data_register") else "Azure is silent"
    return Fault(
        f"{doing}: nothing came or went for {seconds:.0f} s",
        mend="Check the network, and run it again: what has arrived is not sent twice",
        code="hangs",
    )


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


def _environment() -> dict[str, str]:
    """Ours, with what the worker keeps between calls, and without what would change its Python."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    # A secret that a CI system does not have is an empty variable there: as good as none.
    kept = {k: v for k, v in kept.items() if v or not k.startswith("AZURE_")}
    account = environments.cache_folder() / "azure-account.json"
    return {
        **kept,
        "INNERLOOP_AZURE_ACCOUNT": str(account),
        "GIT_OPTIONAL_LOCKS": "0",  # the client asks git for its state; the index stays as it is
    }
