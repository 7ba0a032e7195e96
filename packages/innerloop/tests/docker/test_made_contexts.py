"""The build folders that the tool makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.docker import made_contexts
from innerloop.model.environment import Image, ResolvedEnvironment
from innerloop.model.jobs import conda
from innerloop.util import venvs

CONDA = conda.parse("dependencies: [python=3.11, pip: [six==1.16.0]]\n", "environments/own.yml")


def test_folder_of_the_workspace_is_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venvs, "cache_folder", lambda: tmp_path / "cache")
    folder = tmp_path / "work" / "environments"
    folder.mkdir(parents=True)
    (folder / "conda.yaml").write_text("somebody's")
    image = Image("own:job", context=str(folder))
    for is_own in (True, False):
        made_contexts.write(ResolvedEnvironment(image=image, conda=CONDA, is_own=is_own))
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "conda.yaml": "somebody's"
    }


def test_folder_of_the_cache_gets_what_the_dockerfile_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venvs, "cache_folder", lambda: tmp_path / "cache")
    folder = tmp_path / "cache" / "conda-images" / "1"
    made_contexts.write(ResolvedEnvironment(image=Image("a", context=str(folder)), conda=CONDA))
    assert (folder / "conda.yaml").read_text() == CONDA.text
    assert (folder / "pip.txt").read_text() == "six==1.16.0\n"
