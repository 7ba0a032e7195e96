"""Fixtures of the tests that stand where VS Code stands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.editor.dap import Editor


@pytest.fixture
def editors() -> Iterator[list[Editor]]:
    """Those that a test opened, to be closed after it."""
    made: list[Editor] = []
    yield made
    for editor in made:
        editor.close()
