"""A fresh clone in which both experiments have been trained.

Once for all tests that use what came of it, since PyTorch's image takes minutes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.azure.conftest import _cloud, cloud  # noqa: F401
from tests.support import Answer, Workspace, clone, remove_behind


@dataclass
class Trained:
    """A clone at a path with a blank, and how the runs in it ended."""

    workspace: Workspace
    answers: dict[str, Answer] = field(default_factory=dict)

    def run(self, name: str, *words: str) -> Answer:
        """The run of an experiment: the first call makes it."""
        if name not in self.answers:
            self.answers[name] = self.workspace.loop("run", name, *words, timeout=900)
        return self.answers[name]


@pytest.fixture(scope="session")
def trained(_tool: None) -> Iterator[Trained]:
    folder = Path(tempfile.mkdtemp(prefix="innerloop-trained-"))
    made = Trained(clone(folder / "fresh clone"))
    yield made
    made.workspace.clean()
    remove_behind(folder)
