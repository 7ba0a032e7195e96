"""The command line of a tool's call: a model's arguments are words, never options or paths outside."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from innerloop.cli.arguments import parser_of
from innerloop.mcp_server import tool_table
from innerloop.mcp_server.tool_table import BY_NAME, TOOLS, answer, answer_of_run
from innerloop.util.errors import UserError


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("list", {}, "list --json"),
        ("check", {}, "check --json"),
        ("check", {"experiment": "vision/digits"}, "check vision/digits --json"),
        ("run", {"experiment": "line"}, "run line --dry-run --json"),
        (
            "run",
            {"experiment": "line", "inputs": {"a": -1, "b": 0.5}, "backend": "in-container"},
            "run line --backend in-container --set inputs.a=-1 --set inputs.b=0.5 --dry-run --json",
        ),
        ("run", {"experiment": "line", "real": True}, "run line --dry-run --json"),
        ("runs", {}, "runs --last 5 --json"),
        ("runs", {"experiment": "line", "last": 1}, "runs line --last 1 --json"),
        ("logs", {"run": "20260131-101500-3fa2"}, "logs 20260131-101500-3fa2"),
        ("diff", {}, "sync --check --diff"),
        ("parity", {"experiment": "line"}, "parity line --json"),
    ],
)  # fmt: skip
def test_tool_becomes_a_command_line_that_the_tool_reads(
    name: str, arguments: dict[str, Any], words: str
) -> None:
    tool = BY_NAME[name]
    jsonschema.validate(arguments, tool.schema)
    assert tool.words(arguments) == words.split()
    parser_of(words.split()[0]).parse_intermixed_args(words.split()[1:])


@pytest.mark.parametrize(
    "place",
    [
        *(
            "--trust",
            "-h",
            "",
            "/etc/passwd",
            "../other",
            "src/../../x",
            "C:\\x",
            "c:x",
            "\\\\host\\x",
        ),
        *("a\nb", "a\0b", "a\x1b[2J", "x" * 501, 3, None, ["a"], "src/line/..\\..\\x"),
    ],
)
def test_experiment_of_a_model_that_is_no_place_in_the_workspace_is_refused(place: object) -> None:
    with pytest.raises(UserError) as raised:
        tool_table.real_words({"experiment": place})
    assert raised.value.code == "mcp-argument-invalid"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("logs", {"run": "--follow"}),
        ("logs", {"run": "../../x"}),
        ("logs", {}),
        ("runs", {"last": 0}),
        ("runs", {"last": True}),
        ("runs", {"last": "5 --log x"}),
        ("run", {"experiment": "a", "backend": "--trust"}),
        ("run", {"experiment": "a", "backend": "docker --trust"}),
        ("run", {"experiment": "a", "inputs": {"x.y": 1}}),
        ("run", {"experiment": "a", "inputs": {"x=1 --trust": 1}}),
        ("run", {"experiment": "a", "inputs": {"x": [1]}}),
        ("run", {"experiment": "a", "inputs": {"x": "a\nb"}}),
        ("run", {"experiment": "a", "inputs": "x=1"}),
    ],
)
def test_argument_of_a_model_that_is_none_is_refused(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(UserError) as raised:
        BY_NAME[name].words(arguments)
    assert raised.value.code == "mcp-argument-invalid"


def test_words_of_a_value_stay_one_word() -> None:
    words = tool_table.real_words(
        {"experiment": "a", "inputs": {"x": "1 --trust; rm *", "y": True}}
    )
    assert words == ["run", "a", "--set", "inputs.x=1 --trust; rm *", "--set", "inputs.y=true"]
    assert not any(word.startswith("--") for word in words[1:] if word != "--set")


@pytest.mark.parametrize(
    ("real", "allowed", "is_refused"),
    [(True, (), True), (True, ("run",), False), (False, (), False), ("yes", (), False)],
)
def test_real_run_needs_the_persons_permission(
    real: object, allowed: tuple[str, ...], is_refused: bool
) -> None:
    arguments = {"experiment": "a", "real": real}
    if not is_refused:
        tool_table.require_allowed(arguments, frozenset(allowed))
        return
    with pytest.raises(UserError) as raised:
        tool_table.require_allowed(arguments, frozenset(allowed))
    assert raised.value.code == "mcp-not-allowed"


def test_no_tool_writes_but_a_real_run() -> None:
    reading = ({"--json"}, {"--check", "--diff"}, {"--dry-run", "--json"})
    for tool in TOOLS:
        words = tool.words({"experiment": "a", "run": "r"})
        options = {word for word in words if word.startswith("--")} - {"--last"}
        assert options in reading or words == ["logs", "r"], tool.name


@pytest.mark.parametrize(
    ("name", "code", "out", "err", "text", "is_error"),
    [
        ("check", 1, "[1]", "", "[1]", False),
        ("check", 1, "", "innerloop: wrong [x]", "innerloop: wrong [x]", True),
        ("check", 2, "", "", "exit code 2 without output", True),
        ("runs", 0, json.dumps("x" * 300_000), "", None, True),
        ("logs", 0, "1\n2\n3\n", "", "2\n3", False),
        ("logs", 1, "", "no such run", "no such run", True),
        ("logs", 3, "it failed\n", "", "it failed", False),
        ("diff", 1, "+ x\n", "innerloop: outdated", "+ x", False),
        ("diff", 0, "", "", "(nothing)", False),
    ],
)
def test_answer_of_a_tool_is_an_error_only_without_a_result(
    name: str, code: int, out: str, err: str, text: str | None, is_error: bool
) -> None:
    found = answer(BY_NAME[name], {"lines": 2} if name == "logs" else {}, code, out, err)
    assert found.is_error == is_error
    assert text is None or found.text == text


def test_answer_of_a_run_has_its_code_and_the_end_of_its_output() -> None:
    found = answer_of_run(3, "\n".join(map(str, range(500))), "innerloop: x")
    value = json.loads(found.text)
    assert found.is_error and value["exit_code"] == 3
    assert value["output"].splitlines()[-1] == "499" and len(value["output"].splitlines()) == 100
