"""What a run is told of data and code that are not what they seem."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.runner import execute
from innerloop.util.errors import UserError
from innerloop.workspace import folder_reader, loader, submodules
from tests.support import Workspace

LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"
JOB = "inputs:\n  d: {type: uri_folder, path: ../../data/d}\n"


@pytest.fixture(autouse=True)
def nothing_read_yet() -> Iterator[None]:
    yield
    folder_reader.read.cache_clear()
    submodules.missing.cache_clear()


def notes(workspace: Workspace) -> list[str]:
    values = loader.open_workspace(workspace.root)
    experiment = loader.open_experiment(values, "tiny")
    job = loader.open_job(values, experiment)
    return list(execute.plan(values, experiment, job).notes)


def test_ordinary_run_has_no_notes(workspace: Workspace) -> None:
    workspace.add("tiny", "", job=JOB)
    workspace.write("data/d/a", "1")
    assert notes(workspace) == []


def test_pointers_and_submodules_of_a_run_are_named_with_the_command(workspace: Workspace) -> None:
    workspace.add("tiny", "", job=JOB)
    workspace.write("data/d/w.bin", LFS)
    workspace.write("src/tiny/weights.pt", LFS)
    workspace.write("src/tiny/x.dvc", "outs:\n")
    (workspace.root / ".git").mkdir()
    workspace.write(".gitmodules", '[submodule "v"]\n\tpath = src/tiny/vendor\n')
    (workspace.root / "src/tiny/vendor").mkdir()
    text = "\n".join(notes(workspace))
    for part in (
        "data/d/w.bin is a pointer of git LFS", "src/tiny/weights.pt is a pointer of git LFS",
        "`git lfs pull`", "src/tiny/x.dvc is a pointer of DVC", "`dvc pull`",
        "`git submodule update --init src/tiny/vendor`",
    ):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(
    ("path", "text", "code"),
    [
        ("data/d", LFS, "git-lfs-pointer"),
        ("data/d", "/annex/objects/SHA256E-s1--a\n", "data-not-fetched"),
        ("data/d/", "", "submodule-missing"),
    ],
)
def test_run_whose_data_are_not_here_does_not_start(
    workspace: Workspace, path: str, text: str, code: str
) -> None:
    workspace.add("tiny", "", job=JOB)
    if text:
        workspace.write(path, text)
    else:
        (workspace.root / ".git").mkdir()
        workspace.write(".gitmodules", '[submodule "d"]\n\tpath = data/d\n')
        (workspace.root / path).mkdir(parents=True)
    with pytest.raises(UserError) as caught:
        notes(workspace)
    assert caught.value.code == code
    assert caught.value.where.startswith("src/tiny/azure-ml-job.yaml:")
    assert Path(workspace.root / "outputs").exists() is False
