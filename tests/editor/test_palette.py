"""The task palette as a person finds it in VS Code: what is listed, what each task does."""

from __future__ import annotations

import pytest
from innerloop.render.palette import TASKS

from tests.editor.conftest import Opener
from tests.support import Workspace

pytestmark = pytest.mark.editor


def test_the_palette_lists_exactly_our_tasks(demo: Workspace, opened: Opener) -> None:
    palette = opened(demo.root).palette()
    ours = sorted((task.label, task.detail) for task in TASKS if not task.hidden)
    assert sorted(palette) == ours
