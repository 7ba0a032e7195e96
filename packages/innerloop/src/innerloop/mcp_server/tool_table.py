"""The tools that an agent is offered, and the command line of each call. Pure.

The arguments come from a model, so they are a stranger's: each becomes one word of an argv that
cannot be read as an option, and a path stays in the workspace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass

Arguments = Mapping[str, Any]

RUN = "run"
# Characters of an answer: a model's context is small, and a log may be large.
LONGEST = 200_000
# Lines of a program's output that the answer of a run has.
TAIL = 100
# Runs that an answer has by default; their curves are long.
LAST_RUNS = 5

_EXPERIMENT = {
    "type": "string",
    "description": "Name of an experiment (its folder below src/), or the path of a file in it",
}
_NAME = late_pattern(r"[A-Za-z_][A-Za-z0-9_]*")
_RUN_ID = late_pattern(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_BACKEND = late_pattern(r"[a-z][a-z-]*")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool. `words` are those after `loop`; `properties` is the JSON Schema of the arguments.

    `is_json`: the command prints one JSON value.
    """

    name: str
    title: str
    description: str
    words: Callable[[Arguments], list[str]]
    properties: Mapping[str, Any]
    required: tuple[str, ...] = ()
    is_json: bool = True

    @property
    def schema(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": dict(self.properties),
            "required": list(self.required),
            "additionalProperties": False,
        }


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """The text that the model gets."""

    text: str
    is_error: bool = False


def is_real(arguments: Arguments) -> bool:
    """Whether a call of `run` asks for more than the preview."""
    return arguments.get("real") is True


def require_allowed(arguments: Arguments, allowed: frozenset[str]) -> None:
    """UserError for a real run that the person has not allowed."""
    if is_real(arguments) and RUN not in allowed:
        raise UserError(
            "a real run is not allowed to this server, so nothing was started",
            code="mcp-not-allowed",
            hint="Without `real` it is previewed. The person allows runs with "
            '"args": ["mcp", "--allow", "run"] where the server is configured',
        )


def preview_words(arguments: Arguments) -> list[str]:
    """`loop run EXP --dry-run --json`."""
    return [*_run_words(arguments), "--dry-run", "--json"]


def real_words(arguments: Arguments) -> list[str]:
    return _run_words(arguments)


def _run_words(arguments: Arguments) -> list[str]:
    words = [RUN, _place(arguments, "experiment")]
    if (backend := arguments.get("backend")) is not None:
        words += ["--backend", _matching(backend, _BACKEND, "backend")]
    inputs = arguments.get("inputs") or {}
    if not isinstance(inputs, Mapping):
        raise _invalid("inputs", "is an object: the name of an input, and its value")
    for name, value in inputs.items():
        key = _matching(name, _NAME, "inputs")
        words += ["--set", f"inputs.{key}={_scalar(value)}"]
    return words


def _optional(arguments: Arguments) -> list[str]:
    return [_place(arguments, "experiment")] if arguments.get("experiment") is not None else []


def _check(arguments: Arguments) -> list[str]:
    return ["check", *_optional(arguments), "--json"]


def _runs(arguments: Arguments) -> list[str]:
    last = _number(arguments, "last", LAST_RUNS)
    return ["runs", *_optional(arguments), "--last", str(last), "--json"]


def _logs(arguments: Arguments) -> list[str]:
    return ["logs", _matching(arguments.get("run"), _RUN_ID, "run")]


def _parity(arguments: Arguments) -> list[str]:
    return ["parity", *_optional(arguments), "--json"]


TOOLS = (
    Tool(
        "list",
        "List experiments",
        "Lists the experiments of this workspace: their command, the backends each can use, and what "
        "is wrong with one.",
        lambda arguments: ["list", "--json"],
        {},
    ),
    Tool(
        "check",
        "Check job files",
        "Reports errors and warnings in job files, settings, schedules and deploy folders, each with "
        "file, line and what to do. An empty array means that there are none.",
        _check,
        {"experiment": _EXPERIMENT},
    ),
    Tool(
        RUN,
        "Run an experiment",
        "Shows what a run of the experiment's job would do: command, environment, mounts, backend. "
        "With `real`, and only if the person has allowed it, runs it after that, waits for its end, "
        "and returns the exit code and the end of its output.",
        preview_words,
        {
            "experiment": _EXPERIMENT,
            "inputs": {
                "type": "object",
                "description": "Inputs of the job to change for this run, by name",
                "additionalProperties": {"type": ["string", "number", "boolean"]},
            },
            "backend": {
                "type": "string",
                "description": "Where it runs, such as docker or venv; by default the first that works",
            },
            "real": {
                "type": "boolean",
                "description": "Run it, after the preview",
                "default": False,
            },
        },
        ("experiment",),
    ),
    Tool(
        "runs",
        "List runs",
        "Lists the newest runs with inputs, state, scores, curves and the commit of the code.",
        _runs,
        {
            "experiment": _EXPERIMENT,
            "last": {
                "type": "integer",
                "minimum": 1,
                "maximum": 100,
                "default": LAST_RUNS,
                "description": "How many",
            },
        },
    ),
    Tool(
        "logs",
        "Read a run's output",
        "The last lines that a run, or a submitted job, printed.",
        _logs,
        {
            "run": {"type": "string", "description": "ID of a run, or the name of a job"},
            "lines": {"type": "integer", "minimum": 1, "maximum": 2000, "default": 200},
        },
        ("run",),
        is_json=False,
    ),
    Tool(
        "diff",
        "Show outdated generated files",
        "What `loop sync` would change in generated files (.vscode, .devcontainer, workflows), as a "
        "diff. Empty if they are in line with src/.",
        lambda arguments: ["sync", "--check", "--diff"],
        {},
        is_json=False,
    ),
    Tool(
        "parity",
        "Compare backends",
        "Compares what each backend would run, and explains each difference.",
        _parity,
        {"experiment": _EXPERIMENT},
    ),
)
BY_NAME = {tool.name: tool for tool in TOOLS}


def answer(tool: Tool, arguments: Arguments, code: int, out: str, err: str) -> ToolAnswer:
    """What a command printed, as the model gets it.

    A command that found something ends with 1 and prints it: that is no error of the call.
    """
    if not tool.is_json:
        limit = _number(arguments, "lines", 2000)
        lines = out.splitlines()
        out = "\n".join(lines[-limit:])
        if len(out) > LONGEST:
            out = out[-LONGEST:]
        is_error = code != 0 and not (out.strip() and tool.name == "diff") and bool(err.strip())
        text = f"{out}\n{err.strip()}".strip() if is_error else out
        return ToolAnswer(text or "(nothing)", is_error)
    if not _is_json(out):
        return ToolAnswer(err.strip() or f"exit code {code} without output", True)
    if len(out) > LONGEST:
        return ToolAnswer(
            f"the answer has {len(out)} characters, more than {LONGEST}: ask for one experiment, or "
            "for fewer runs",
            True,
        )
    return ToolAnswer(out)


def answer_of_run(code: int, out: str, err: str) -> ToolAnswer:
    """The exit code of a real run, and the end of what it and the tool printed."""
    value = {
        "exit_code": code,
        "output": "\n".join(out.splitlines()[-TAIL:]),
        "messages": "\n".join(err.splitlines()[-TAIL:]),
    }
    return ToolAnswer(json.dumps(value, ensure_ascii=False, indent=2), code != 0)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _place(arguments: Arguments, name: str) -> str:
    """An experiment's name or a path: relative, in the workspace, and no option."""
    text = arguments.get(name)
    if not isinstance(text, str) or not text or len(text) > 500 or not text.isprintable():
        raise _invalid(name, "is the name of an experiment, or a path in the workspace")
    parts = re.split(r"[/\\]", text)
    if text.startswith("-") or not parts[0] or ".." in parts or ":" in parts[0]:
        raise _invalid(name, "stays in the workspace: no option, no absolute path, no `..`")
    return text


def _matching(value: object, pattern: re.Pattern[str], name: str) -> str:
    if not isinstance(value, str) or len(value) > 200 or not pattern.fullmatch(value):
        raise _invalid(
            name, "has letters, digits, `_`, `-` and `.`, and begins with none of the signs"
        )
    return value


def _number(arguments: Arguments, name: str, default: int) -> int:
    value = arguments.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _invalid(name, "is a number from 1 on")
    return value


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and (value.isprintable() and len(value) <= 2000):
        return value
    if isinstance(value, int | float):
        return repr(value)
    raise _invalid("inputs", "has a text, a number, true or false for each input")


def _invalid(name: str, what: str) -> UserError:
    return UserError(f"the argument `{name}` {what}", code="mcp-argument-invalid")
