"""The reader of Dockerfiles against BuildKit's own parser, on some 600 texts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from innerloop.model.dockerfiles import shell_words
from innerloop.model.dockerfiles.instructions import parse_instructions
from innerloop.util.errors import UserError
from tests.model import dockerfile_texts, dockerfile_words


def _ours(text: str) -> list[list[Any]] | None:
    try:
        instructions = parse_instructions(text, "Dockerfile")
    except UserError:
        return None
    return [
        [
            one.keyword,
            one.line,
            one.keyword in dockerfile_texts.WITH_ARRAYS and one.exec_form is not None,
            one.rest,
        ]
        for one in instructions
    ]


def _differences(recorded: list[tuple[str, list[list[Any]] | None]]) -> list[str]:
    """The texts that are read in another way; BuildKit may refuse more than the reader."""
    return [text for text, answer in recorded if answer is not None and answer != _ours(text)]


def test_instructions_of_the_recorded_texts_are_buildkits() -> None:
    recorded = json.loads(dockerfile_texts.CORPUS.read_text(encoding="utf-8"))
    assert sum(answer is not None for _, answer in recorded) > 450
    assert _differences(recorded) == []


def test_here_document_without_an_end_is_an_error_of_both() -> None:
    recorded = json.loads(dockerfile_texts.CORPUS.read_text(encoding="utf-8"))
    refused = [text for text, _ in recorded if _ours(text) is None]
    assert refused
    assert [text for text, answer in recorded if text in refused and answer is not None] == []


def test_words_with_patterns_and_conditions_are_buildkits() -> None:
    recorded = json.loads(dockerfile_words.CORPUS.read_text(encoding="utf-8"))
    assert len(recorded) > 500

    def ours(value: str, word: str) -> str | None:
        try:
            return shell_words.expand(f'"{word}"', {"A": value, "B": "1"})
        except shell_words.WordError:
            return None

    assert [row for row in recorded if ours(*row[:2]) != row[2]] == []


@pytest.mark.nightly
def test_instructions_of_60000_texts_are_buildkits(tmp_path: Path) -> None:
    python = getattr(sys, "_base_executable", sys.executable)  # the tests' own has no pip
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path)]
    subprocess.run([python, *install, "dockerfile==3.4.0"], check=True)
    parser = dockerfile_texts.parser_in(str(tmp_path))
    texts = dockerfile_texts.texts(2, 60_000)
    assert _differences([(text, dockerfile_texts.answer_of(parser, text)) for text in texts]) == []
