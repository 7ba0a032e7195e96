"""Which task of VS Code updates what is outdated."""

from __future__ import annotations

import pytest

from innerloop.commands.outdated import tasks_for
from innerloop.sync.render.vscode_tasks import BUILD, MORE


@pytest.mark.parametrize(
    ("kinds", "files", "named"),
    [
        ({"image"}, (), [BUILD]),
        ({"container"}, (), [MORE]),
        ({"image file"}, (), [MORE]),
        (set(), (".vscode/tasks.json",), [MORE]),
        ({"image", "container"}, (), [BUILD, MORE]),
        ({"image"}, (".vscode/tasks.json",), [BUILD, MORE]),
    ],
)
def test_outdated_things_name_the_tasks_that_update_them(
    kinds: set[str], files: tuple[str, ...], named: list[str]
) -> None:
    texts = tasks_for(kinds, files)
    assert len(texts) == len(named)
    assert all(task in text for task, text in zip(named, texts, strict=True))
