"""The images of conda files: what is said of their Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from innerloop.docker import conda_images
from innerloop.model.environment import Image
from innerloop.model.jobs import conda
from innerloop.util import process
from innerloop.util.process import CompletedCommand


@pytest.mark.parametrize(
    ("asked", "answer", "notes"),
    [
        ("python=3.8", "Python 3.11.4\n", 1),
        ("python=3.11", "Python 3.11.4\n", 0),
        ("numpy", "Python 3.11.4\n", 0),
        ("python=3.8", "sh: python: not found\n", 0),
    ],
)
def test_python_note_other_version_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, answer: str, notes: int
) -> None:
    looks: list[Sequence[str]] = []

    def run(argv: Sequence[str], **_: object) -> CompletedCommand:
        looks.append(argv)
        return CompletedCommand(0, answer, "")

    monkeypatch.setattr(process, "run", run)
    monkeypatch.setenv("INNERLOOP_CACHE", str(tmp_path / "cache"))
    context = tmp_path / "context"  # it may be a folder of the workspace, where nothing is written
    context.mkdir()
    image = Image("x:job", context=str(context))
    packages = conda.of({"dependencies": [asked]}, "job.yml")
    for image_id in ("one", "one", "two"):
        found = conda_images.python_note(image, image_id, packages)
        assert len(found) == notes
        assert all("Python 3.8, and the image has 3.11" in note for note in found)
    assert len(looks) == (2 if packages.python else 0)  # each image is asked once
    assert list(context.iterdir()) == []


def test_image_and_context_have_the_files_that_the_pip_list_names(tmp_path: Path) -> None:
    texts = {"more.txt": "six\n-c limits.txt\n", "limits.txt": "six<1.17\n"}
    packages = conda.parse("dependencies: [{pip: [-r more.txt]}]\n", "conda.yml", texts.get)
    image = Image("x:job", context=str(tmp_path / "context"))
    conda_images.write_context(image, packages)
    written = {path.name: path.read_text() for path in (tmp_path / "context").iterdir()}
    assert written["pip.txt"] == "six\n-c constraints.txt\n"
    assert written["constraints.txt"] == "six<1.17\n"
    assert "-c constraints.txt" in written["conda.yaml"] and "-r" not in written["conda.yaml"]
    assert "COPY conda.yaml pip.txt constraints.txt " in conda_images.conda_dockerfile(
        "x", with_constraints=True
    )
    assert "constraints" not in conda_images.conda_dockerfile("x")
