"""Runs the devcontainer CLI: where it is, its output, its outcome.

At its end it prints one JSON object, the outcome. With `--log-format json` every line before that
is a JSON object too, so that no program's output can be mistaken for the outcome.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from ..util import process
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from . import cli_argv

# Lines about the generated commands, which are not shown.
_GENERATED = late_pattern(r"Running (innerloop|owner|open) of \w+ from devcontainer\.json")
_OURS = late_pattern(r"Running the (onCreate|postAttach)Command from devcontainer\.json\.\.\.$")
_COLOUR = late_pattern(r"\x1b\[[0-9;]*[A-Za-z]")
_TAIL = 15
_BUILD = late_pattern(r"Command failed: (?:\S*/)?\w+(?: buildx)? build\b")


@dataclass(frozen=True, slots=True)
class CliOutcome:
    """How the CLI ended. `output` are the lines of the commands that it ran, `tail` the last ones."""

    ok: bool
    container: str = ""
    user: str = ""
    folder: str = ""
    message: str = ""
    description: str = ""
    tail: Sequence[str] = ()
    output: Sequence[str] = field(default=(), compare=False, repr=False)

    @property
    def lost_container(self) -> bool:
        """Whether it failed because another program removed a container that it had just found.

        This happens when several `up` of one workspace run at once.
        """
        return not self.ok and "Command failed: docker inspect --type container" in self.message

    @property
    def build_failed(self) -> bool:
        """Whether the builder that it ran failed, not what comes after it."""
        return not self.ok and _BUILD.search(self.message) is not None

    def failure(self) -> str:
        """The last output of a command that failed; else the engine's or the CLI's message."""
        shown = "\n".join(f"    {line}" for line in self.tail)
        if "Command from" in self.description:
            return f"{self.description.rstrip('.')}:\n{shown}\n "
        lines = [*self.tail, *self.message.splitlines()]
        errors = [line for line in lines if "rror" in line and "Command failed:" not in line]
        if not errors and shown:
            return f"the dev container cannot be started:\n{shown}\n "
        reason = errors[-1].strip() if errors else self.message or self.description
        return f"the dev container cannot be started: {reason.rstrip('.')}"

    def hint(self, experiment: str) -> str:
        if "Command from" in self.description:
            return f"Fix the command; `scripts/loop up {experiment}` then recreates the container"
        text = "\n".join([*self.tail, self.message]).lower()
        for sign, hint in _HINTS:
            if sign in text:
                return hint
        return f"`scripts/loop up {experiment} --log` shows the whole output"


_STOPPED = "The Docker engine has stopped: start it and run the command again"
# Part of the output, in lower case -> what to do.
_HINTS = (
    ("cannot connect to the docker", _STOPPED),
    ("error during connect", _STOPPED),
    ("command failed: id -u -n", "This system has no name for your user: add one to /etc/passwd"),
    ("no space left on device", "The disk is full: `docker image prune` frees some"),
    ("could not select device driver", 'The engine cannot use the GPU: set gpu = "auto"'),
    ("spawn docker-compose enoent", "Install Docker's compose plugin"),
    (
        "error getting credentials",
        "Docker's config.json names a credential helper that is not here: install or remove it",
    ),
    ("port is already allocated", "Another program uses the port: end it, or choose another"),
)


def program() -> Sequence[str]:
    """The CLI on PATH, or through npx. UserError if there is neither."""
    if (path := process.which("devcontainer")) is not None:
        return [path]
    if (npx := process.which("npx")) is not None:
        return cli_argv.through_npx(npx)
    raise UserError(
        "the devcontainer CLI is not installed, and neither is npx to download it",
        code="devcontainer-cli-missing",
        hint=f"Install Node.js 20 or newer, then `npm install -g {cli_argv.PACKAGE}`",
    )


def follow(
    argv: Sequence[str],
    say: Callable[[str], None],
    *,
    log: bool,
    hand_over: Sequence[int],
    cwd: Path,
) -> CliOutcome:
    """Run the CLI and read its outcome.

    `say` gets the important lines of its output; with `log`, all of them.
    """
    lines = _Lines(say, log)
    code = process.follow(argv, lines.line, hand_over=hand_over, cwd=cwd)
    return outcome_of(lines.outcome, lines.tail, code)


def outcome_of(value: dict[str, Any] | None, tail: Sequence[str], code: int) -> CliOutcome:
    """The CLI's outcome. If it printed none (`value` is None), a failure with its last output."""
    shown = tuple(tail[-_TAIL:])
    if value is None:
        last = next((line for line in reversed(shown) if line.strip()), "")
        message = last or f"exit code {code} without output"
        return CliOutcome(False, message=message, tail=shown, output=tuple(tail))
    return CliOutcome(
        ok=value.get("outcome") == "success" and code == 0,
        container=str(value.get("containerId") or ""),
        user=str(value.get("remoteUser") or ""),
        folder=str(value.get("remoteWorkspaceFolder") or ""),
        message=str(value.get("message") or ""),
        description=str(value.get("description") or ""),
        tail=shown,
        output=tuple(tail),
    )


class _Lines:
    """Sorts the CLI's output into the outcome, important lines, and the rest."""

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
            if self.log or (kind == "raw" and not _is_unimportant(line)):
                self.say(line)
        if kind == "start" and text == "Starting container" and not self.log:
            self.say("starting the container")


# The newer client's notices about the legacy builder, at every build.
_BUILDER = ("DEPRECATED: The legacy builder", "Install the buildx component", "/go/buildx/")


def _is_unimportant(line: str) -> bool:
    if any(notice in line for notice in _BUILDER):
        return True
    return line == "Container started" or bool(_GENERATED.match(line) or _OURS.match(line))
