"""The YAML that we write is read back as what was meant, by readers of YAML 1.1 and of 1.2."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from innerloop.util.yaml_writer import Noted, document, documents
from tests.support import CI_TOOLS

TRICKY = [
    "yes", "no", "on", "off", "y", "N", "true", "False", "null", "~", "", " ", "1", "1e3", "0x1f",
    "1_000", "1:30", "12e03", ".5", ".inf", ".NaN", "-", "--- a", "...", "a: b", "a #b", "#a", "*a",
    "&a", "!a", "%a", "@a", "`a", "'a", '"a', "{a", "[a", "a]", "?a", "? a", "- a", ": a", "a:", "<<",
    "=", "2026-01-01", "${{ x }}", "$(x)", "a\nb", "a\n\nb\n", "\na", "a\n ", " a\nb", "a\tb", "\ta",
    "a\r\nb", "\x00", "\x7f", "\x85", "\u2028", "\ufeff", "é", "日本", "🚂", "a\\b", "a'b\"c", "0 3 * * 1",
    "a  b", "key: |", "x" * 200, "0o7", "+1", "1.", "._", "a\n\n", "\n", "a\n\tb", "a \nb",
]  # fmt: skip
TEXT = st.sampled_from(TRICKY) | st.text()
NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUE = st.recursive(
    TEXT | NUMBER | st.booleans() | st.none(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3),
    max_leaves=12,
)
DOCUMENT = st.dictionaries(TEXT.filter(lambda key: key != "on"), VALUE, max_size=4)


def test_a_comment_stays_one() -> None:
    text = document({"a": 1}, ["x\non: push\r\ny\u2028z", ""])
    assert yaml.safe_load(text) == {"a": 1} and text.count("#") == 5


@given(DOCUMENT)
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    text = document(value, ["a comment", "and another: one"])
    assert (yaml.safe_load(text) or {}) == value


@given(st.lists(DOCUMENT.filter(bool), min_size=1, max_size=3))
def test_several_documents(values: list[dict[str, Any]]) -> None:
    assert list(yaml.safe_load_all(documents(values))) == values


@pytest.mark.parametrize("text", TRICKY)
def test_each_text_on_its_own_stays_text(text: str) -> None:
    for value in ({"a": text}, {text: "a"}, {"a": [text]}, {"a": [[{"b": text, "c": text}]]}):
        assert yaml.safe_load(document({"top": value})) == {"top": value}


@pytest.mark.workflows
def test_a_reader_of_yaml_1_2_agrees() -> None:
    """Npm's `yaml`, which GitHub's own parser of workflows stands on."""
    value: dict[str, Any] = {f"k{n}": text for n, text in enumerate(TRICKY)}
    value |= {"list": list(TRICKY), "numbers": [1, -2, 0.5, 1e-05, 1e300], "truths": [True, None]}
    program = (
        "const {parse} = await import(process.argv[1]);"
        "process.stdout.write(JSON.stringify(parse(require('fs').readFileSync(0, 'utf8'))))"
    )
    folder = CI_TOOLS / "workflows"
    module = (folder / "node_modules/yaml/dist/index.js").as_uri()
    done = subprocess.run(
        [folder / "node", "-e", f"(async () => {{{program}}})()", module],
        input=document(value).encode(),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == value


def test_it_is_made_for_people() -> None:
    value = {
        "name": "train x",
        "on": {"schedule": [{"cron": "0 3 * * 1"}], "workflow_dispatch": {}},
        "jobs": {"a": {"steps": [{"uses": Noted("a/b@0", "v1"), "with": {"ref": 1}}, {"run": "a\nb\n"}]}},
    }  # fmt: skip
    assert document(value, ["Who made it.", ""]) == (
        "# Who made it.\n#\nname: train x\n\non:\n  schedule:\n"
        '    - cron: "0 3 * * 1"\n  workflow_dispatch: {}\n\n'
        "jobs:\n  a:\n    steps:\n      - uses: a/b@0 # v1\n        with:\n          ref: 1\n"
        "      - run: |\n          a\n          b\n"
    )
