"""The devcontainer CLI while it works: where it is, its live lines, its outcome.

It prints one JSON object at its end, the outcome, which alone decides; with `--log-format json`
each line before it is a JSON object as well, so no program's output can be taken for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..util import process
from ..util.errors import UserError
from . import cli_argv

# Keys of the rendered commands: they are not news.
_RENDERED = re.compile(r"Running (innerloop|owner|open) of \w+ from devcontainer\.json")
_OURS = re.compile(r"Running the (onCreate|postAttach)Command from devcontainer\.json\.\.\.$")
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TAIL = 15


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended. `tail` are the last lines of what it ran, for a person to read."""

    ok: bool
    container: str = ""
    user: str = ""
    folder: str = ""
    message: str = ""
    description: str = ""
    tail: Sequence[str] = ()

    @property
    def lost_one(self) -> bool:
        """Whether it only failed to look at a container that it had just found: another program
        took that one away in between (seen where several `up` of one workspace work at once)."""
        return not self.ok and "Command failed: docker inspect --type container" in self.message

    def failure(self) -> str:
        """The command's own last words, where one failed; else the engine's or the CLI's."""
        shown = "\n".join(f"    {line}" for line in self.tail)
        if "Command from" in self.description:
            return f"{self.description.rstrip('.')}:\n{shown}\n "
        lines = [*self.tail, *self.message.splitlines()]
        said = [line for line in lines if "rror" in line and "Command failed:" not in line]
        if not said and shown:
            return f"the dev container did not open:\n{shown}\n "
        reason = said[-1].strip() if said else self.message or self.description
        return f"the dev container did not open: {reason.rstrip('.')}"

    def hint(self, experiment: str) -> str:
        if "Command from" in self.description:
            return f"Mend the command; `scripts/loop up {experiment}` then makes the container anew"
        text = "\n".join([*self.tail, self.message]).lower()
        for sign, hint in _MENDS:
            if sign in text:
                return hint
        return f"`scripts/loop up {experiment} --log` shows everything that was done"


_MENDS = (
    ("cannot connect to the docker", "The Docker engine went away: start it and run it again"),
    ("error during connect", "The Docker engine went away: start it and run it again"),
    ("command failed: id -u -n", "This system has no name for your user: add one to /etc/passwd"),
    ("no space left on device", "The disk is full: `docker image prune` frees some"),
    ("could not select device driver", 'The engine cannot hand over a GPU: set gpu = "auto"'),
    ("port is already allocated", "Another program has the port: end it, or choose another"),
)


def program() -> Sequence[str]:
    """On PATH, or through npx; neither is a `Mistake` that says how to get it."""
    if (path := process.which("devcontainer")) is not None:
        return [path]
    if (npx := process.which("npx")) is not None:
        return cli_argv.through_npx(npx)
    raise UserError(
        "the devcontainer CLI is not on this machine, nor npx to fetch it",
        hint=f"Install Node.js 20 or newer, then `npm install -g {cli_argv.PACKAGE}`",
    )


def follow(
    argv: Sequence[str],
    say: Callable[[str], None],
    *,
    log: bool,
    hand_over: Sequence[int],
    cwd: Path,
) -> Outcome:
    """Runs it, says what it does as it does it (with `log`, everything), and reads its outcome."""
    lines = _Lines(say, log)
    code = process.follow(argv, lines.line, hand_over=hand_over, cwd=cwd)
    return outcome_of(lines.outcome, lines.tail, code)


def outcome_of(value: dict[str, Any] | None, tail: Sequence[str], code: int) -> Outcome:
    """No outcome at all, as from a CLI that does not start, is a failure with its last words."""
    shown = tuple(tail[-_TAIL:])
    if value is None:
        words = next((line for line in reversed(shown) if line.strip()), "")
        return Outcome(False, message=words or f"exit code {code} and not a word", tail=shown)
    return Outcome(
        ok=value.get("outcome") == "success" and code == 0,
        container=str(value.get("containerId") or ""),
        user=str(value.get("remoteUser") or ""),
        folder=str(value.get("remoteWorkspaceFolder") or ""),
        message=str(value.get("message") or ""),
        description=str(value.get("description") or ""),
        tail=shown,
    )


class _Lines:
    """Sorts what the CLI prints into the outcome, the news for a person, and the rest."""

    def __init__(self, say: Callable[[str], None], log: bool) -> None:
        self.say, self.log = say, log
        self.outcome: dict[str, Any] | None = None
        self.tail: list[str] = []

    def line(self, text: str) -> None:
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            if self.log:
                self.say(text)
            if not text.startswith("    at "):
                self.tail.append(text)
            return
        if "outcome" in value:
            self.outcome = value
            return
        self.event(str(value.get("type", "")), str(value.get("text", "")))

    def event(self, kind: str, text: str) -> None:
        for line in _COLOUR.sub("", text).replace("\r", "").split("\n"):
            if not line.strip():
                continue
            if kind == "raw" or (kind == "text" and "rror" in line):
                self.tail.append(line)
            if self.log or (kind == "raw" and not _is_no_news(line)):
                self.say(line)
        if kind == "start" and text == "Starting container" and not self.log:
            self.say("starting the container")


# The newer client's word on the older builder, at every build.
_BUILDER = ("DEPRECATED: The legacy builder", "Install the buildx component", "/go/buildx/")


def _is_no_news(line: str) -> bool:
    if any(note in line for note in _BUILDER):
        return True
    return line == "Container started" or bool(_RENDERED.match(line) or _OURS.match(line))
