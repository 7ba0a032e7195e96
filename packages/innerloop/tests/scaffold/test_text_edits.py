"""The edits that migrations are made of: words of calls, lines of ignore files, tables of TOML."""

from __future__ import annotations

import pytest

from innerloop.scaffold.migrations import line_blocks, vendored_texts
from innerloop.scaffold.migrations.vendored import WORDS


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("scripts/loop run x --place docker", "scripts/loop run x --backend docker"),
        ("scripts/loop run x --place=inside", "scripts/loop run x --backend=in-container"),
        ("scripts\\loop.cmd stale", "scripts\\loop.cmd outdated"),
        ('"$ROOT/scripts/loop" call x', '"$ROOT/scripts/loop" invoke x'),
        ("loop run \\\n  --place inside\n", "loop run \\\n  --backend in-container\n"),
        ("- run: scripts/loop dependency add a", "- run: scripts/loop share add a"),
        # Not ours, or no call.
        ("program --place docker", "program --place docker"),
        ("event-loop stale", "event-loop stale"),
        ("scripts/loop run stale", "scripts/loop run stale"),
        ("scripts/loop run x --placement y", "scripts/loop run x --placement y"),
        ("scripts/loop run x --set place=inside", "scripts/loop run x --set place=inside"),
        ("scripts/loop stale-ness", "scripts/loop stale-ness"),
    ],
)
def test_words_of_calls_in_text(before: str, after: str) -> None:
    assert WORDS.in_text(before) == after
    assert WORDS.in_text(after) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '{"command": "${workspaceFolder}/scripts/loop", "args": ["run", "--place", "inside"]}',
            '{"command": "${workspaceFolder}/scripts/loop", "args": ["run", "--backend", "in-container"]}',
        ),
        (
            '{"args": [\n  "stale" // ours\n], "command": "scripts/loop.cmd"}',
            '{"args": [\n  "outdated" // ours\n], "command": "scripts/loop.cmd"}',
        ),
        ('{"a": ["scripts/loop", "call", "x"]}', '{"a": ["scripts/loop", "invoke", "x"]}'),
        ('["a", {"b": "scripts/loop stale"}]', '["a", {"b": "scripts/loop outdated"}]'),
        # Not ours, no call, or no JSON.
        ('{"command": "phone", "args": ["call"]}', '{"command": "phone", "args": ["call"]}'),
        ('{"label": "stale", "b": ["stale"]}', '{"label": "stale", "b": ["stale"]}'),
        ('{"args": ["run", "stale"], "command": "loop"}',) * 2,
        ('{"b": "scripts/loop stale" "c"}', '{"b": "scripts/loop stale" "c"}'),
        ('{"b": "say \\"x\\"; scripts/loop stale"}', '{"b": "say \\"x\\"; scripts/loop stale"}'),
    ],
)
def test_words_of_calls_in_json(before: str, after: str) -> None:
    assert WORDS.in_json(before) == after
    assert WORDS.in_json(after) == after


@pytest.mark.parametrize(
    ("yours", "expected"),
    [
        ("a\nmine\nold\n# mine\n\nb\n", "mine\n# mine\n\n"),
        ("a\nold\nb\n", ""),
        ("a\r\nmine\r\n", "mine\r\n"),
        ("# mine\na", "# mine\n"),
        (" a\nab\n", " a\nab\n"),
    ],
)
def test_lines_of_the_tool_leave_an_edited_list(yours: str, expected: str) -> None:
    assert line_blocks.without_lines(yours, ["a", "old", "b", ""]) == expected


def _replaced(yours: str, base: str, theirs: str) -> str:
    bases = line_blocks.tables(base)
    return line_blocks.replace_tables(yours, bases, theirs, vendored_texts.closest)


@pytest.mark.parametrize(
    ("yours", "expected"),
    [
        ("[a]\nx = 1\n\n[gone]\ny = 1\n", "[a]\nx = 2\n"),
        ("[gone]\ny = 1\n\n# mine\n[b]\nz = 1\n", "# mine\n[b]\nz = 1\n"),
        ("# about gone\n[gone]\ny = 1\n[b]\n", "# about gone\n[b]\n"),
        ("[gone]\ny = 2 # mine\n", "[gone]\ny = 2 # mine\n"),
        ("[a]\nx = 1\nmine = 1\n", "[a]\nx = 1\nmine = 1\n"),  # they touch: yours stays
        ("m = [\n[1, 2],\n]\n[a]\nx = 1\n", "m = [\n[1, 2],\n]\n[a]\nx = 2\n"),
        ("[a]\nx = 2\n", "[a]\nx = 2\n"),
    ],
)
def test_tables_of_the_tool_in_an_edited_toml(yours: str, expected: str) -> None:
    assert _replaced(yours, "[a]\nx = 1\n\n[gone]\ny = 1\n", "[a]\nx = 2\n") == expected
    assert "".join(table.text for table in line_blocks.tables(yours)) == yours
